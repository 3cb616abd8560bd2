"""How long a server process counts as alive without renewing the lease on its rows.

A process renews its lease at each heartbeat (every `BEAT` seconds): `presence` writes the time to
`Node.seen`. After three heartbeats without renewal it counts as dead, and `presence.purge` deletes
its rows within four.

All times come from the database, because the clocks of servers may differ. A row younger than one
lease needs none: its process writes the first lease at its first heartbeat.
"""

from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from rest_channels.settings import api_settings

__all__ = ["lease_cutoff"]

LEASE_HEARTBEATS = 3
"""The length of a lease, in heartbeats."""


def lease_cutoff() -> Any:
    """Return the time before which a lease has expired, as an SQL expression.

    Returns `None` if the setting `BEAT` is `None`: no lease is renewed, so none expires.
    """
    if api_settings.BEAT is None:
        return None
    lease = timedelta(seconds=LEASE_HEARTBEATS * api_settings.BEAT)
    return ExpressionWrapper(Now() - lease, output_field=DateTimeField())
