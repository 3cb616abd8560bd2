"""The same site for `runserver`, with daphne's app first, as Channels teaches it."""

from tests.servers.settings import *  # noqa: F403
from tests.servers.settings import INSTALLED_APPS

DEBUG = True
INSTALLED_APPS = ["daphne", *INSTALLED_APPS]
