"""Settings of the tests: SQLite in a file, or the database that `DATABASE_URL` names."""

import os
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit


def database(url: str | None) -> dict[str, object]:
    """Django's entry for `postgres://user:password@host:port/name`, or a SQLite file."""
    if not url:
        # A file, because handlers run in threads and each has a connection of its own.
        name = Path(tempfile.gettempdir()) / f"rest-channels-tests-{os.getpid()}.sqlite3"
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name,
            "TEST": {"NAME": name},
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA synchronous=OFF",
            },
        }
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
    }


SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "rest_channels",
    "rest_channels.history",
    "sockets",
    "tests.readme",
    "tests.observer",
    "tests.live",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
ASGI_APPLICATION = "tests.asgi.application"
ROOT_URLCONF = "tests.sockets.urls"
STATIC_URL = "/static/"
SILENCED_SYSTEM_CHECKS = ["admin.E409"]  # tests/servers has no messages, and serves no admin
DATABASES = {
    "default": database(os.environ.get("DATABASE_URL")),
    "other": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": (
            OTHER := Path(tempfile.gettempdir()) / f"rest-channels-other-{os.getpid()}.sqlite3"
        ),
        "TEST": {"NAME": OTHER, "MIGRATE": False},
        "OPTIONS": {"timeout": 20, "init_command": "PRAGMA synchronous=OFF"},
    },
}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
