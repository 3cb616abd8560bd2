"""A session engine of a project, as Django's documentation shows it."""

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore


class SessionStore(DatabaseStore):
    @classmethod
    def get_model_class(cls):
        from tests.field.identity_site.models import OwnSession

        return OwnSession
