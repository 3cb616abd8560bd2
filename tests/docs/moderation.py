from functools import partial

from django.db import transaction

from rest_channels.revocation import revoke


def remove_writer(note, user):
    note.writers.remove(user)
    reconnect = partial(revoke, user=user, code=4599, reason="Your rights have changed.")
    transaction.on_commit(reconnect)
