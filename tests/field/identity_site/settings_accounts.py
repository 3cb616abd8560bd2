"""A site with a user model of its own in another database, and sessions in a table of its own."""

import tempfile
from pathlib import Path

from tests.settings import *  # noqa: F403 - a variant of them
from tests.settings import INSTALLED_APPS as COMMON_APPS

FILES = Path(tempfile.mkdtemp(prefix="rest-channels-accounts-"))


def _database(name):
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FILES / name,
        "TEST": {"NAME": FILES / name},
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }


INSTALLED_APPS = [
    *(app for app in COMMON_APPS if not app.startswith(("tests.", "sockets", "django.contrib.ad"))),
    "rest_framework.authtoken",
    "tests.field.identity_site",
]
INSTALLED_APPS.remove("django.contrib.sessions")
AUTH_USER_MODEL = "identity_site.Member"
SESSION_ENGINE = "tests.field.identity_site.sessions"
DATABASES = {"default": _database("default.sqlite3"), "people": _database("people.sqlite3")}
DATABASE_ROUTERS = ["tests.field.identity_site.routers.PeopleRouter"]
ROOT_URLCONF = "tests.field.identity_site.urls"
SILENCED_SYSTEM_CHECKS = ["models.E028"]
