"""The ASGI application of the test site. `TEST_ROUTES` names another list of routes."""

import os

from django.core.asgi import get_asgi_application

from rest_channels.routing import SocketApplication

application = SocketApplication(
    os.environ.get("TEST_ROUTES", "tests.servers.live"), http=get_asgi_application()
)
