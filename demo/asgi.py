"""The ASGI application. A server runs it with `uvicorn demo.asgi:application`."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

from rest_channels.routing import SocketApplication

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")

application = SocketApplication("demo.live", http=ASGIStaticFilesHandler(get_asgi_application()))
