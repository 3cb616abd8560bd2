"""A site whose messages are numbered, for the tests of recovery. Its processes share the groups."""

import json

from django.urls import path

from rest_channels.groups import Group
from rest_channels.history import History
from rest_channels.views import SocketView

GROUPS = ("lines-long", "lines-short")


class Lines(SocketView):
    """Receives the messages of a group. The short one forgets what is older than ten messages."""

    histories = {"lines-long": History(size=2_000, age=60), "lines-short": History(size=10, age=60)}

    def connect(self, request, name):
        self.join(f"lines-{name}")


class Writer(SocketView):
    """Sends each frame to both groups, in the event loop, and answers when it is sent."""

    async def receive(self, request):
        for group in GROUPS:
            await self.broadcast(group, request.data)
        self.send_json("sent")


class ThreadWriter(SocketView):
    """Sends each frame to both groups, in a thread, and answers when it is sent."""

    def receive(self, request):
        for group in GROUPS:
            self.broadcast(group, request.data)
        self.send_json("sent")


def write(by, n):
    """Send a message to both groups, from any process."""
    for group in GROUPS:
        Group(group).send({"text": json.dumps({"by": by, "n": n})})


urlpatterns = [
    path("lines/<name>/", Lines.as_asgi()),
    path("write/", Writer.as_asgi()),
    path("write-in-thread/", ThreadWriter.as_asgi()),
]
