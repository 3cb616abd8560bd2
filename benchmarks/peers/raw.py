"""Raw Channels: generic consumers, as its documentation writes them."""

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

from ..database import ContentTypeSerializer, aslow_query


class Echo(AsyncJsonWebsocketConsumer):
    """`{"method", "data"}` → the same, with a status."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        if content["method"] == "echo":
            await self.send_json({"method": "echo", "data": content["data"], "status": 200})
        else:
            await self.send_json({"method": content["method"], "data": None, "status": 405})


class Room(AsyncJsonWebsocketConsumer):
    """What one says, all hear."""

    channel_layer_alias = "raw"
    groups = ("room",)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        message = {"type": "room.message", "content": content}
        await self.channel_layer.group_send("room", message)

    async def room_message(self, event: dict[str, Any]) -> None:
        """Called once per member: renders and sends."""
        await self.send_json(event["content"])


class Blocking(JsonWebsocketConsumer):
    """A handler that blocks for so many seconds."""

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


#: The conditions of an `if` chain, one after another, as fifty lines of code would ask them.
TYPES = [f"TYPE_{number}" for number in range(50)]
PATTERNS = [re.compile(f"GAME_{number}_.+") for number in range(50)]


def answer(content: Any, data: Any, status: int = 200, errors: Any = ()) -> dict[str, Any]:
    """The frame of the action dialect."""
    return {
        "errors": list(errors),
        "data": data,
        "action": content["action"],
        "response_status": status,
        "request_id": content["request_id"],
    }


class Actions(AsyncJsonWebsocketConsumer):
    """Echo, by an action."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        if content["action"] == "echo":
            await self.send_json(answer(content, content["data"]))
        else:
            await self.send_json(answer(content, None, 405, ["Not allowed."]))


class Rows(AsyncJsonWebsocketConsumer):
    """One row through a serializer."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json(answer(content, await self.retrieve(content["pk"])))

    @database_sync_to_async
    def retrieve(self, pk: int) -> Any:
        """In a thread, as the documentation of Channels says."""
        return ContentTypeSerializer(ContentType.objects.get(pk=pk)).data


class Observer(AsyncJsonWebsocketConsumer):
    """One row, whenever it changes: who is told queries it."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        self.asked = content
        await self.channel_layer.group_add(f"row-{content['pk']}", self.channel_name)
        await self.send_json(answer(content, None, 201))

    async def row_changed(self, event: dict[str, Any]) -> None:
        """Called once per member."""
        data = await self.retrieve(event["pk"])
        await self.send_json(answer({**self.asked, "action": "update"}, data))

    @database_sync_to_async
    def retrieve(self, pk: int) -> Any:
        """In a thread, as the documentation of Channels says."""
        return ContentTypeSerializer(ContentType.objects.get(pk=pk)).data


def tell_of_row(instance: ContentType, **kwargs: Any) -> None:
    """A receiver of `post_save`."""
    message = {"type": "row.changed", "pk": instance.pk}
    async_to_sync(get_channel_layer("raw").group_send)(f"row-{instance.pk}", message)


@contextmanager
def observing() -> Iterator[None]:
    """The receiver is connected in raw's own turn only: it would delay the saves of others."""
    post_save.connect(tell_of_row, ContentType)
    try:
        yield
    finally:
        post_save.disconnect(tell_of_row, ContentType)


class Dispatch(AsyncJsonWebsocketConsumer):
    """Fifty types and fifty patterns; all do the same."""

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
        """What came goes back, with the time."""
        await self.send_json({**content, "TIMESTAMP": str(int(1000 * time.time()))})


class Member(AsyncJsonWebsocketConsumer):
    """Joins the groups it is sent."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        for group in content:
            await self.channel_layer.group_add(group, self.channel_name)
        await self.send_json("joined")

    async def room_message(self, event: dict[str, Any]) -> None:
        """What is said in them."""
        await self.send_json(event["content"])


class Speaker(AsyncJsonWebsocketConsumer):
    """Speaks to a group for as long as its client says: `{"group", "seconds", "pause"}`."""

    channel_layer_alias = "raw"

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        said, began = 0, time.perf_counter()
        while (now := time.perf_counter()) < began + content["seconds"]:
            message = {"group": content["group"], "at": now}
            event = {"type": "room.message", "content": message}
            await self.channel_layer.group_send(content["group"], event)
            said += 1
            if content["pause"]:
                await asyncio.sleep(content["pause"])
        seconds = time.perf_counter() - began
        await self.send_json({"said": said, "began": began, "seconds": seconds})


def say(group: str, content: Any) -> None:
    """From where nothing is served: a new loop each time, as `async_to_sync` does it."""
    async_to_sync(asay)(group, content)


async def asay(group: str, content: Any) -> None:
    """From a loop."""
    message = {"type": "room.message", "content": content}
    await get_channel_layer("raw").group_send(group, message)


APPLICATIONS = {
    "echo": Echo.as_asgi(),
    "room": Room.as_asgi(),
    "blocking": Blocking.as_asgi(),
    "awaiting": Awaiting.as_asgi(),
    "querying": Querying.as_asgi(),
    "dispatch": Dispatch.as_asgi(),
    "actions": Actions.as_asgi(),
    "rows": Rows.as_asgi(),
    "observer": Observer.as_asgi(),
    "member": Member.as_asgi(),
    "speaker": Speaker.as_asgi(),
}
