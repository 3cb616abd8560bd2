"""A site without the apps of users and sessions, whose sessions are in the cache."""

from tests.settings import *  # noqa: F403 - a variant of them

INSTALLED_APPS = ["rest_channels"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
TEMPLATES = []
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
ROOT_URLCONF = "tests.field.identity_site.urls"
