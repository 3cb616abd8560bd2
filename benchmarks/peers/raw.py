"""Raw Channels: generic consumers, used as in its documentation."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from channels.layers import get_channel_layer
from django.contrib.contenttypes.models import ContentType
from django.db.models.signals import post_save
from django.dispatch import Signal, receiver

from ..database import ContentTypeSerializer, aslow_query
from .base import Peer

signal = Signal()


class Echo(AsyncJsonWebsocketConsumer):
    """Answers `{"method", "data"}` with the same and a status."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        if content["method"] == "echo":
            await self.send_json({"method": "echo", "data": content["data"], "status": 200})
        else:
            await self.send_json({"method": content["method"], "data": None, "status": 405})


class Noop(JsonWebsocketConsumer):
    """An echo in a thread."""

    channel_layer_alias = "raw"

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        self.send_json({"method": "echo", "data": content["data"], "status": 200})


class Room(AsyncJsonWebsocketConsumer):
    """Sends each frame to all members."""

    channel_layer_alias = "raw"
    groups = ("room",)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        message = {"type": "room.message", "content": content}
        await self.channel_layer.group_send("room", message)

    async def room_message(self, event: dict[str, Any]) -> None:
        """Render and send, once per member."""
        await self.send_json(event["content"])


class Blocking(JsonWebsocketConsumer):
    """A handler that blocks its thread for `data` seconds."""

    channel_layer_alias = "raw"

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        time.sleep(content["data"])
        self.send_json({"method": "wait", "data": content["data"], "status": 200})


class Awaiting(AsyncJsonWebsocketConsumer):
    """A handler that awaits `database_sync_to_async`."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await database_sync_to_async(time.sleep)(content["data"])
        await self.send_json({"method": "wait", "data": content["data"], "status": 200})


class Querying(AsyncJsonWebsocketConsumer):
    """A handler that awaits the async ORM."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        slept = await aslow_query(content["data"])
        await self.send_json({"method": "wait", "data": slept, "status": 200})


#: The types and patterns are tested in sequence, like a chain of `if` statements.
TYPES = [f"TYPE_{number}" for number in range(50)]
PATTERNS = [re.compile(f"GAME_{number}_.+") for number in range(50)]


def answer(content: Any, data: Any, status: int = 200, errors: Any = ()) -> dict[str, Any]:
    """Return a frame of the action dialect."""
    return {
        "errors": list(errors),
        "data": data,
        "action": content["action"],
        "response_status": status,
        "request_id": content["request_id"],
    }


class Actions(AsyncJsonWebsocketConsumer):
    """An echo action."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        if content["action"] == "echo":
            await self.send_json(answer(content, content["data"]))
        else:
            await self.send_json(answer(content, None, 405, ["Not allowed."]))


class Rows(AsyncJsonWebsocketConsumer):
    """Answers with one serialized row."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json(answer(content, await self.retrieve(content["pk"])))

    @database_sync_to_async
    def retrieve(self, pk: int) -> Any:
        """Query in a thread, as the documentation of Channels recommends."""
        return ContentTypeSerializer(ContentType.objects.get(pk=pk)).data


class Observer(AsyncJsonWebsocketConsumer):
    """Sends a row when it changes. Every consumer queries it."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        self.subscription = content
        await self.channel_layer.group_add(f"row-{content['pk']}", self.channel_name)
        await self.send_json(answer(content, None, 201))

    async def row_changed(self, event: dict[str, Any]) -> None:
        """Query and send, once per member."""
        data = await self.retrieve(event["pk"])
        await self.send_json(answer({**self.subscription, "action": "update"}, data))

    @database_sync_to_async
    def retrieve(self, pk: int) -> Any:
        """Query in a thread, as the documentation of Channels recommends."""
        return ContentTypeSerializer(ContentType.objects.get(pk=pk)).data


def notify_group(instance: ContentType, **kwargs: Any) -> None:
    """Notify the group of a row. A receiver of `post_save`."""
    message = {"type": "row.changed", "pk": instance.pk}
    async_to_sync(get_channel_layer("raw").group_send)(f"row-{instance.pk}", message)


@contextmanager
def observing() -> Iterator[None]:
    """Connect the receiver only during own samples: it would delay the saves of other peers."""
    post_save.connect(notify_group, ContentType)
    try:
        yield
    finally:
        post_save.disconnect(notify_group, ContentType)


class Dispatch(AsyncJsonWebsocketConsumer):
    """Fifty types and fifty patterns, all with the same method."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        for name in TYPES:
            if content["type"] == name:
                await self.answer(content)
                return
        for pattern in PATTERNS:
            if pattern.match(content["type"]):
                await self.answer(content)
                return
        await self.send_json({"type": "ERROR"})

    async def answer(self, content: Any) -> None:
        """Answer with the same content and a timestamp."""
        await self.send_json({**content, "TIMESTAMP": str(int(1000 * time.time()))})


class Member(AsyncJsonWebsocketConsumer):
    """Joins the groups that its client names."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        for group in content:
            await self.channel_layer.group_add(group, self.channel_name)
        await self.send_json("joined")

    async def room_message(self, event: dict[str, Any]) -> None:
        """Send a group message to the client."""
        await self.send_json(event["content"])


class Sender(AsyncJsonWebsocketConsumer):
    """Sends to a group as its client asks: `{"group", "seconds", "pause"}`."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        sent, start = 0, time.perf_counter()
        while (now := time.perf_counter()) < start + content["seconds"]:
            message = {"group": content["group"], "at": now}
            event = {"type": "room.message", "content": message}
            await self.channel_layer.group_send(content["group"], event)
            sent += 1
            if content["pause"]:
                await asyncio.sleep(content["pause"])
        seconds = time.perf_counter() - start
        await self.send_json({"sent": sent, "began": start, "seconds": seconds})


class ObserverHandlers(AsyncJsonWebsocketConsumer):
    """Sends the number of a signal."""

    channel_layer_alias = "raw"
    groups = ("numbers",)

    async def number_message(self, event: dict[str, Any]) -> None:
        """Send the number to the client."""
        await self.send_json({"number": event["number"]})


@receiver(signal)
def notify_numbers(number: int, **kwargs: Any) -> None:
    """Send the number to the group."""
    message = {"type": "number.message", "number": number}
    async_to_sync(get_channel_layer("raw").group_send)("numbers", message)


def send_signal(number: int) -> None:
    """Send the signal, in a thread."""
    signal.send(sender=ObserverHandlers, number=number)


def send(group: str, content: Any) -> None:
    """Send to a group from a thread. `async_to_sync` runs a new event loop each time."""
    async_to_sync(asend)(group, content)


async def asend(group: str, content: Any) -> None:
    """Send to a group from an event loop."""
    message = {"type": "room.message", "content": content}
    await get_channel_layer("raw").group_send(group, message)


APPLICATIONS = {
    "consumer": Echo.as_asgi(),
    "echo": Echo.as_asgi(),
    "noop": Noop.as_asgi(),
    "room": Room.as_asgi(),
    "blocking": Blocking.as_asgi(),
    "awaiting": Awaiting.as_asgi(),
    "querying": Querying.as_asgi(),
    "dispatch": Dispatch.as_asgi(),
    "actions": Actions.as_asgi(),
    "rows": Rows.as_asgi(),
    "observer": Observer.as_asgi(),
    "observer handlers": ObserverHandlers.as_asgi(),
    "member": Member.as_asgi(),
    "sender": Sender.as_asgi(),
}

PEER = Peer(
    "raw", APPLICATIONS, send=send, asend=asend, send_signal=send_signal, observing=observing
)
