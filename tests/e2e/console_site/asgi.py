"""The ASGI application of the site."""

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

from rest_channels.routing import SocketApplication

application = SocketApplication(
    "tests.e2e.console_site.live", http=ASGIStaticFilesHandler(get_asgi_application())
)
