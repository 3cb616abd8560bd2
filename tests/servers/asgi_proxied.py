"""The site behind a proxy, which the tests imitate, with a route list of Channels 1."""

from django.conf import settings
from django.core.asgi import get_asgi_application

from rest_channels.routing import SocketApplication

http = get_asgi_application()
settings.REST_CHANNELS = {"TRUSTED_PROXIES": ["127.0.0.1"]}
application = SocketApplication("tests.servers.test_rejections.routing", http=http)
