"""Record which users have a composition open, in all server processes."""

from typing import TypedDict

from django.db import transaction
from django.db.models import F

from .models import Composition, Presence


class PresenceList(TypedDict):
    """The users who have a composition open. The list with the highest number is the latest."""

    number: int
    names: list[str]


@transaction.atomic
def add_presence(pk, address, user):
    """Record that `user` opened the composition; return the list to send."""
    Presence.objects.get_or_create(address=address, defaults={"composition_id": pk, "user": user})
    return presence_list(pk)


@transaction.atomic
def remove_presence(pk, address):
    """Record that a connection ended; return the list to send, or `None` if it never signed in."""
    deleted, _ = Presence.objects.filter(address=address).delete()
    return presence_list(pk) if deleted else None


def presence_list(pk):
    """Return the names of the users who have the composition open, and the list's number.

    The page shows the list with the highest number. The update locks the composition until the
    transaction ends, so a higher number always belongs to a later list.
    """
    Composition.objects.filter(pk=pk).update(presence_number=F("presence_number") + 1)
    names = Presence.objects.filter(composition=pk).values_list("user__username", flat=True)
    number = Composition.objects.values_list("presence_number", flat=True).get(pk=pk)
    return {"number": number, "names": sorted(set(names))}
