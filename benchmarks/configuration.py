"""Django's settings for the benchmarks: the same for every peer.

Everything is within one process, unless its environment names a channel layer.
"""

import os
import tempfile
from pathlib import Path

import django
from django.conf import settings

from .apart.environment import is_apart
from .cluster.environment import given

#: Lives as long as the first process, whose others are killed and could not remove one of their
#: own; the database of the ORM case is a file in it.
OWN = None if "BENCHMARKS_FOLDER" in os.environ else tempfile.TemporaryDirectory("", "benchmarks-")
FOLDER = Path(os.environ.setdefault("BENCHMARKS_FOLDER", OWN.name if OWN else ""))

#: Raw Channels' layer: nothing may be dropped, so its capacity is out of the way. It has an alias
#: of its own, so that the two libraries do not scan each other's channels.
LAYERS = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
    "raw": {
        "BACKEND": "channels.layers.InMemoryChannelLayer",
        "CONFIG": {"capacity": 1_000_000, "expiry": 3_600},
    },
}

#: The one bound that a benchmark exceeds by design is the frame rate; all others stay on.
REST_CHANNELS = {"FRAME_RATE": 1e9, "FRAME_BURST": 1_000_000_000}


def configure() -> None:
    """Set Django up, once; safe to call again."""
    if settings.configured:
        return
    layer = given()
    settings.configure(
        SECRET_KEY="benchmarks",
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            *(() if is_apart() else ("rest_channels", "sockets")),
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": FOLDER / "benchmarks.sqlite3",
                "CONN_MAX_AGE": None,
            }
        },
        CHANNEL_LAYERS={"default": layer, "raw": layer} if layer else LAYERS,
        REST_CHANNELS=REST_CHANNELS,
        USE_TZ=True,
    )
    django.setup()
