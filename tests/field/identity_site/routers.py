class PeopleRouter:
    """Keeps users in a database of their own."""

    labels = frozenset({"identity_site", "auth", "contenttypes", "authtoken"})

    def db_for_read(self, model, **hints):
        is_session = model._meta.model_name == "ownsession"
        return "people" if model._meta.app_label in self.labels and not is_session else None

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        is_person = app_label in self.labels and model_name != "ownsession"
        return db == ("people" if is_person else "default")
