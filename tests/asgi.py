"""The ASGI application of the test settings, without routes."""

from rest_channels.routing import SocketApplication

application = SocketApplication([])
