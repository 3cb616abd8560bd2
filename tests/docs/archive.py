from rest_channels.observer import notify_changed

from .models import Note


def archive(notes):
    """Archive `notes`, a queryset."""
    keys = list(notes.values_list("pk", flat=True))
    notes.update(title="Archived")
    notify_changed(Note.objects.filter(pk__in=keys))
