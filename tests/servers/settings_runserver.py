"""The settings for `runserver`, with the app of daphne first, as the Channels tutorial says."""

from tests.servers.settings import *  # noqa: F403
from tests.servers.settings import INSTALLED_APPS

DEBUG = True
INSTALLED_APPS = ["daphne", *INSTALLED_APPS]
