"""The routes of the site: the views of each test module, and the chat of the lesson."""

from django.urls import include, path

from .lesson import websocket_urlpatterns

MODULES = (
    "bad_frames",
    "departures",
    "identity",
    "multiplexer",
    "refusals",
    "slow_readers",
    "talk",
)

urlpatterns = [
    *websocket_urlpatterns,
    *(path(f"{name}/", include(f"tests.servers.test_{name}")) for name in MODULES),
]
