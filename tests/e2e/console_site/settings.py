"""The demo's settings, with the Content-Security-Policy of docs/console.md for the console."""

from demo.settings import *  # noqa: F403
from demo.settings import MIDDLEWARE

MIDDLEWARE = ["tests.e2e.console_site.policy.strict_policy", *MIDDLEWARE]
ASGI_APPLICATION = "tests.e2e.console_site.asgi.application"
REST_CHANNELS = {"MAX_FRAME_SIZE": 400_000}
