"""The same views inside the application of the Channels tutorial."""

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

http = get_asgi_application()

from tests.servers.lesson import websocket_urlpatterns  # noqa: E402 - needs ready apps
from tests.servers.test_frames import urlpatterns as frames  # noqa: E402
from tests.servers.test_identity import urlpatterns as identity  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AuthMiddlewareStack(URLRouter([*websocket_urlpatterns, *identity, *frames])),
    }
)
