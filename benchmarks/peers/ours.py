"""This library, used as in its documentation."""

import asyncio
import json
import re
import time
from typing import Any

from channels.db import database_sync_to_async
from django.contrib.contenttypes.models import ContentType
from django.dispatch import Signal

from rest_channels import permissions
from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.groups import Group
from rest_channels.mixins import RetrieveModelMixin, StreamedPaginatedListMixin
from rest_channels.observer import ObserverModelInstanceMixin, observer
from rest_channels.views import SocketRouteView, SocketView
from sockets.handlers import RoutedSocketHandler
from sockets.models import Socket

from ..database import ContentTypeSerializer, aslow_query
from .base import Peer, SendJSON

signal = Signal()


class Echo(SocketRouteView):
    """Answers `{"method", "data"}` with the same and a status."""

    @socket_route
    async def echo(self, request: Any, data: Any) -> Any:
        """Answer with the same data."""
        return data


class Noop(SocketRouteView):
    """An echo in a thread."""

    @socket_route
    def echo(self, request: Any, data: Any) -> Any:
        """Answer with the same data."""
        return data


class Room(SocketView):
    """Sends each frame to all members."""

    async def connect(self, request: Any) -> None:
        self.join("room")

    async def receive(self, request: Any) -> None:
        self.broadcast("room", request.data)


class Blocking(SocketRouteView):
    """A handler that blocks its thread for `data` seconds."""

    @socket_route
    def wait(self, request: Any, data: Any) -> Any:
        """Run in a thread of the library."""
        time.sleep(data)
        return data


class Awaiting(SocketRouteView):
    """A handler that awaits `database_sync_to_async`."""

    @socket_route
    async def wait(self, request: Any, data: Any) -> Any:
        """Run on the event loop, except for the blocking call."""
        await database_sync_to_async(time.sleep)(data)
        return data


class Querying(SocketRouteView):
    """A handler that awaits the async ORM."""

    @socket_route
    async def wait(self, request: Any, data: Any) -> Any:
        """Run on the event loop, except for the query."""
        return await aslow_query(data)


class Member(SocketView):
    """Joins the groups that its client names."""

    async def receive(self, request: Any) -> None:
        for group in request.data:
            await self.join(group)
        self.send_json("joined")


class Sender(SocketView):
    """Sends to a group as its client asks: `{"group", "seconds", "pause"}`."""

    async def receive(self, request: Any) -> None:
        options = request.data
        sent, start = 0, time.perf_counter()
        while (now := time.perf_counter()) < start + options["seconds"]:
            await self.broadcast(options["group"], {"group": options["group"], "at": now})
            sent += 1
            if options["pause"]:
                await asyncio.sleep(options["pause"])
        self.send_json({"sent": sent, "began": start, "seconds": time.perf_counter() - start})


class Dispatch(RoutedSocketHandler):
    """Fifty patterns and fifty types, all with the same method."""

    routes = (
        *((re.compile(f"GAME_{number}_.+"), "on_any") for number in range(50)),
        *((f"TYPE_{number}", "on_any") for number in range(50)),
    )

    async def on_any(self, content: Any) -> None:
        """Answer with the same data."""
        self.send_json(content)


class Everybody(permissions.BasePermission):
    """A permission class that always grants access."""

    async def has_permission(self, scope: Any, consumer: Any, action: str, **kwargs: Any) -> bool:
        """Return True."""
        return True


class Actions(AsyncAPIConsumer):
    """An echo action with a permission class."""

    permission_classes = [Everybody]

    @action()
    async def echo(self, data: Any) -> Any:
        """Answer with the same data."""
        return data, 200


class OpenActions(Actions):
    """The same without a permission class."""

    permission_classes = []


class Rows(RetrieveModelMixin, GenericAsyncAPIConsumer):
    """Answers with one serialized row."""

    queryset = ContentType.objects.all()
    serializer_class = ContentTypeSerializer


class Stream(StreamedPaginatedListMixin, Rows):
    """Streams all rows in pages."""

    queryset = ContentType.objects.filter(app_label="many").order_by("pk")


class Observer(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    """Sends a row when it changes."""

    queryset = ContentType.objects.all()
    serializer_class = ContentTypeSerializer


class ObserverHandlers(AsyncAPIConsumer):
    """Sends the number of a signal."""

    async def accept(self, **kwargs: Any) -> None:
        await self.numbers.subscribe()
        await super().accept(**kwargs)

    @observer(signal)
    async def numbers(self, message: Any, **kwargs: Any) -> None:
        """Send the number to the client."""
        await self.send_json({"number": message["number"]})

    @numbers.serializer
    def numbers(self, signal: Any, number: int = 0, **kwargs: Any) -> Any:
        """Return what the handler needs."""
        return {"number": number}


def send_signal(number: int) -> None:
    """Send the signal, in a thread."""
    signal.send(sender=ObserverHandlers, number=number)


async def find_addresses() -> SendJSON:
    """Return the function that sends to all socket rows, whose addresses are read now."""
    addresses = await Socket.objects.agroup()

    async def send_json(content: Any) -> None:
        await addresses.send_json(content)

    return send_json


def send(group: str, content: Any) -> None:
    """Send to a group from a thread of a process without connections."""
    Group(group).send({"text": json.dumps(content)})


async def asend(group: str, content: Any) -> None:
    """Send to a group from an event loop."""
    await Group(group).asend({"text": json.dumps(content)})


APPLICATIONS = {
    "consumer": AsyncAPIConsumer.as_asgi(),
    "echo": Echo.as_asgi(),
    "noop": Noop.as_asgi(),
    "room": Room.as_asgi(),
    "blocking": Blocking.as_asgi(),
    "awaiting": Awaiting.as_asgi(),
    "querying": Querying.as_asgi(),
    "member": Member.as_asgi(),
    "sender": Sender.as_asgi(),
    "dispatch": Dispatch.as_asgi(),
    "actions": Actions.as_asgi(),
    "actions open": OpenActions.as_asgi(),
    "rows": Rows.as_asgi(),
    "observer": Observer.as_asgi(),
    "observer handlers": ObserverHandlers.as_asgi(),
    "stream": Stream.as_asgi(),
    "addressed": RoutedSocketHandler.as_asgi(),
}

PEER = Peer(
    "ours",
    APPLICATIONS,
    packages=("channels-redis", "redis"),
    send=send,
    asend=asend,
    find_addresses=find_addresses,
    send_signal=send_signal,
)
