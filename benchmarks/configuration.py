"""Django's settings for the benchmarks: the same for every peer.

Everything runs in one process with SQLite, unless environment variables configure a channel layer
or a PostgreSQL database.
"""

import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

from .cluster.environment import layer_from_environment
from .environments import is_isolated

#: The first process creates this folder, for the database, and removes it. The other processes are
#: killed, so they could not remove one of their own.
TEMP = None if "BENCHMARKS_FOLDER" in os.environ else tempfile.TemporaryDirectory("", "benchmarks-")
FOLDER = Path(os.environ.setdefault("BENCHMARKS_FOLDER", TEMP.name if TEMP else ""))

#: The environment variable with the URL of a PostgreSQL database.
DATABASE = "BENCHMARKS_DATABASE"

#: The layer of raw Channels has a capacity that drops nothing, and its own alias: the two libraries
#: do not scan each other's channels.
LAYERS = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"},
    "raw": {
        "BACKEND": "channels.layers.InMemoryChannelLayer",
        "CONFIG": {"capacity": 1_000_000, "expiry": 3_600},
    },
}

#: Benchmarks exceed the rates and the number of sockets by design, and open thousands of sockets at
#: once, whose handshakes take long on a busy machine. All other limits stay on.
REST_CHANNELS = {
    "FRAME_RATE": 1e9,
    "FRAME_BURST": 1_000_000_000,
    "BYTE_RATE": 1e12,
    "BYTE_BURST": 1_000_000_000_000,
    "MAX_SOCKETS_PER_ADDRESS": 1_000_000,
    "HANDSHAKE_TIMEOUT": 60,
}


def database_from_environment() -> dict[str, Any]:
    """Return the PostgreSQL database that an environment variable names, else one of SQLite."""
    if url := os.environ.get(DATABASE):
        parts = urlsplit(url)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path.lstrip("/"),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": parts.port or "",
        }
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "benchmarks.sqlite3",
        "OPTIONS": {"timeout": 60},  # a thousand sockets write their rows at once
    }


def configure() -> None:
    """Set up Django. Safe to call again."""
    if settings.configured:
        return
    layer = layer_from_environment()
    settings.configure(
        SECRET_KEY="benchmarks",
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            *(() if is_isolated() else ("rest_channels", "sockets", "benchmarks")),
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        DATABASES={"default": {**database_from_environment(), "CONN_MAX_AGE": None}},
        CHANNEL_LAYERS={"default": layer, "raw": layer} if layer else LAYERS,
        REST_CHANNELS=REST_CHANNELS,
        USE_TZ=True,
    )
    django.setup()
