"""Who is on which composition, whichever process serves them."""

from django.db import transaction
from django.db.models import F

from .models import Composition, Presence


@transaction.atomic
def come(pk, address, user):
    """Note who came; gives what to tell."""
    Presence.objects.get_or_create(address=address, defaults={"composition_id": pk, "user": user})
    return roll_call(pk)


@transaction.atomic
def go(pk, address):
    """Note who went; gives what to tell, or nothing if they had never come."""
    gone, _ = Presence.objects.filter(address=address).delete()
    return roll_call(pk) if gone else None


def roll_call(pk):
    """The names that are there now, and their number: of two lists the higher one is the later.

    Counting locks the composition until the transaction ends, so that the number always tells.
    """
    Composition.objects.filter(pk=pk).update(arrivals=F("arrivals") + 1)
    names = Presence.objects.filter(composition=pk).values_list("user__username", flat=True)
    number = Composition.objects.values_list("arrivals", flat=True).get(pk=pk)
    return {"number": number, "names": sorted(set(names))}
