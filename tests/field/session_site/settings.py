"""A site whose sessions are in the table of another project's engine."""

import tempfile
from pathlib import Path

from tests.settings import *  # noqa: F403 - a variant of them
from tests.settings import INSTALLED_APPS as COMMON_APPS

INSTALLED_APPS = [app for app in COMMON_APPS if not app.startswith(("tests.", "sockets"))]
INSTALLED_APPS = [*INSTALLED_APPS, "tests.field.session_site"]
INSTALLED_APPS.remove("django.contrib.sessions")
FILE = Path(tempfile.mkdtemp(prefix="rest-channels-sessions-")) / "default.sqlite3"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FILE,
        "TEST": {"NAME": FILE},
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}
SESSION_ENGINE = "tests.field.session_site.engine"
SILENCED_SYSTEM_CHECKS = ["admin.E406", "admin.E409", "admin.E410"]
