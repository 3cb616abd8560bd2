"""The routes of the site: the views of each test module, and the chat of the lesson."""

from django.urls import include, path

from .lesson import websocket_urlpatterns

MODULES = (
    "bad_frames",
    "departures",
    "frames",
    "identity",
    "multiplexer",
    "rejections",
    "slow_readers",
)

urlpatterns = [
    *websocket_urlpatterns,
    *(path(f"{name}/", include(f"tests.servers.test_{name}")) for name in MODULES),
]
