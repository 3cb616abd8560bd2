"""How long a server process is believed to live without renewing its lease on its rows.

A process renews every `BEAT` seconds. Three beats without a word and it counts as dead, so the
rows of one that was killed go within four. Time is the database's everywhere: the clocks of
servers may differ. A row that is younger than a lease needs none, because a process writes its
first at its first beat.
"""

from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from rest_channels.settings import api_settings

__all__ = ["expiry"]

BEATS = 3


def expiry() -> Any:
    """The moment (an SQL expression) before which a last sign of life is too long ago.

    `None` where `BEAT` is off: nobody renews, so nothing expires.
    """
    if api_settings.BEAT is None:
        return None
    lease = timedelta(seconds=BEATS * api_settings.BEAT)
    return ExpressionWrapper(Now() - lease, output_field=DateTimeField())
