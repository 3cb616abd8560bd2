"""`SocketApplication`, the ASGI application of a site, and the route lists of Channels 1."""

from .application import SocketApplication
from .channel_routes import ChannelRouter, include, route, route_class

__all__ = ["ChannelRouter", "SocketApplication", "include", "route", "route_class"]
