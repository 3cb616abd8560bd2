"""Serve the site of the console's tests: `python -m tests.e2e.console_site PORT`."""

import os
import sys

import uvicorn

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.e2e.console_site.settings"
uvicorn.run(
    "tests.e2e.console_site.asgi:application",
    port=int(sys.argv[1]),
    ws="websockets-sansio",
    timeout_graceful_shutdown=3,
)
