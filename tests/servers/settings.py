"""The settings of the test site: those of the tests, with pages and a database of its own."""

import json
import os

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, database

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.staticfiles"]
INSTALLED_APPS += os.environ.get("TEST_APPS", "").split()
SITE_DATABASE = os.environ["TEST_SITE_DATABASE"]  # a file, or a URL
DATABASES = {
    "default": database(SITE_DATABASE)
    if "://" in SITE_DATABASE
    else {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": SITE_DATABASE,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA synchronous=OFF",
        },
    }
}
if "TEST_LAYERS" in os.environ:
    CHANNEL_LAYERS = json.loads(os.environ["TEST_LAYERS"])
if "TEST_BEAT" in os.environ:
    REST_CHANNELS = {"BEAT": float(os.environ["TEST_BEAT"])}
if "TEST_HISTORY" in os.environ:
    REST_CHANNELS = {"HISTORY": os.environ["TEST_HISTORY"]}
if "TEST_HANDLER_TIMEOUT" in os.environ:
    REST_CHANNELS = {"HANDLER_TIMEOUT": float(os.environ["TEST_HANDLER_TIMEOUT"])}
if "TEST_MAX_SOCKETS_PER_ADDRESS" in os.environ:
    REST_CHANNELS = {"MAX_SOCKETS_PER_ADDRESS": int(os.environ["TEST_MAX_SOCKETS_PER_ADDRESS"])}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests.servers.pages"
STATIC_URL = "/static/"
ASGI_APPLICATION = "tests.servers.asgi.application"
