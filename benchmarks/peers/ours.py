"""This library, as its documentation writes it."""

import asyncio
import json
import re
import time
from typing import Any

from channels.db import database_sync_to_async
from django.contrib.contenttypes.models import ContentType

from rest_channels import permissions
from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.groups import Group
from rest_channels.mixins import RetrieveModelMixin, StreamedPaginatedListMixin
from rest_channels.observer import ObserverModelInstanceMixin
from rest_channels.views import SocketRouteView, SocketView
from sockets.handlers import RoutedSocketHandler

from ..database import ContentTypeSerializer, aslow_query


class Echo(SocketRouteView):
    """`{"method", "data"}` → the same, with a status."""

    @socket_route
    async def echo(self, request: Any, data: Any) -> Any:
        """What came goes back."""
        return data


class Room(SocketView):
    """What one says, all hear."""

    async def connect(self, request: Any) -> None:
        self.join("room")

    async def receive(self, request: Any) -> None:
        self.broadcast("room", request.data)


class Blocking(SocketRouteView):
    """A handler that blocks for so many seconds."""

    @socket_route
    def wait(self, request: Any, data: Any) -> Any:
        """In one of the library's threads."""
        time.sleep(data)
        return data


class Awaiting(SocketRouteView):
    """A handler that awaits `database_sync_to_async`."""

    @socket_route
    async def wait(self, request: Any, data: Any) -> Any:
        """On the loop, but for the call that blocks."""
        await database_sync_to_async(time.sleep)(data)
        return data


class Querying(SocketRouteView):
    """A handler that awaits the async ORM."""

    @socket_route
    async def wait(self, request: Any, data: Any) -> Any:
        """On the loop, but for the query."""
        return await aslow_query(data)


class Member(SocketView):
    """Joins the groups it is sent."""

    async def receive(self, request: Any) -> None:
        for group in request.data:
            await self.join(group)
        self.send_json("joined")


class Speaker(SocketView):
    """Speaks to a group for as long as its client says: `{"group", "seconds", "pause"}`."""

    async def receive(self, request: Any) -> None:
        order = request.data
        said, began = 0, time.perf_counter()
        while (now := time.perf_counter()) < began + order["seconds"]:
            await self.broadcast(order["group"], {"group": order["group"], "at": now})
            said += 1
            if order["pause"]:
                await asyncio.sleep(order["pause"])
        self.send_json({"said": said, "began": began, "seconds": time.perf_counter() - began})


class Dispatch(RoutedSocketHandler):
    """Fifty patterns and fifty types, each with a method; all do the same."""

    routes = (
        *((re.compile(f"GAME_{number}_.+"), "on_any") for number in range(50)),
        *((f"TYPE_{number}", "on_any") for number in range(50)),
    )

    async def on_any(self, content: Any) -> None:
        """What came goes back."""
        self.send_json(content)


class Everybody(permissions.BasePermission):
    """A permission that is asked, and grants."""

    async def has_permission(self, scope: Any, consumer: Any, action: str, **kwargs: Any) -> bool:
        """Yes."""
        return True


class Actions(AsyncAPIConsumer):
    """Echo, by an action that takes a permission."""

    permission_classes = [Everybody]

    @action()
    async def echo(self, data: Any) -> Any:
        """What came goes back."""
        return data, 200


class Rows(RetrieveModelMixin, GenericAsyncAPIConsumer):
    """One row through a serializer."""

    queryset = ContentType.objects.all()
    serializer_class = ContentTypeSerializer


class Stream(StreamedPaginatedListMixin, Rows):
    """All rows, a hundred a page."""

    queryset = ContentType.objects.filter(app_label="many").order_by("pk")


class Observer(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    """One row, whenever it changes."""

    queryset = ContentType.objects.all()
    serializer_class = ContentTypeSerializer


def say(group: str, content: Any) -> None:
    """From where nothing is served."""
    Group(group).send({"text": json.dumps(content)})


async def asay(group: str, content: Any) -> None:
    """From a loop."""
    await Group(group).asend({"text": json.dumps(content)})


APPLICATIONS = {
    "echo": Echo.as_asgi(),
    "room": Room.as_asgi(),
    "blocking": Blocking.as_asgi(),
    "awaiting": Awaiting.as_asgi(),
    "querying": Querying.as_asgi(),
    "member": Member.as_asgi(),
    "speaker": Speaker.as_asgi(),
    "dispatch": Dispatch.as_asgi(),
    "actions": Actions.as_asgi(),
    "rows": Rows.as_asgi(),
    "observer": Observer.as_asgi(),
    "stream": Stream.as_asgi(),
    "addressed": RoutedSocketHandler.as_asgi(),
}
