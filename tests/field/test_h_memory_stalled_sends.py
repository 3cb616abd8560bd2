"""A client that stops reading for longer than a handler may run loses no frame in silence."""

import asyncio

import pytest
from django.contrib.auth.models import Group as Row
from django.test import override_settings

from rest_channels.api_consumer import AsyncAPIConsumer
from rest_channels.consumers import SocketConsumer
from rest_channels.decorators import action
from rest_channels.exceptions import CloseCode
from rest_channels.groups import Group
from rest_channels.observer import model_observer
from rest_channels.views import SocketView
from tests.field.clients import StalledClient

LIMITS = {"HANDLER_TIMEOUT": 0.1, "OUTBOX_BYTES": 100}
TEXT = "x" * 80


class Async(SocketConsumer):
    groups = ["news"]

    async def note(self, event):
        for number in range(3):
            await self.send_json(f"{number} {event['text']}")

    async def receive_json(self, content):
        await self.channel_layer.group_send("news", {"type": "note", "text": TEXT})


class Sync(Async):
    def note(self, event):
        for number in range(3):
            self.send_json(f"{number} {event['text']}")


class Overriding(Async):
    async def send_json(self, content, close=False):
        await super().send_json(content, close)


class Room(SocketView):
    async def connect(self, request):
        self.join("news")

    async def receive(self, request):
        await self.broadcast("news", TEXT)

    async def send_json(self, data):
        for number in range(3):
            await super().send_json(f"{number} {data}")


@pytest.mark.parametrize("handler", [Async, Sync, Overriding, Room])
async def test_a_handler_of_messages_that_waits_for_a_stalled_client_loses_no_frame(
    handler,
) -> None:
    with override_settings(REST_CHANNELS=LIMITS):
        async with StalledClient(handler.as_asgi()) as socket:
            await socket.send_json({})
            await asyncio.sleep(0.3)
            frames, code = await socket.read_to_the_end(3)
    assert len(frames) == 3 or code == CloseCode.TOO_SLOW


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["handler", "reply"])
async def test_an_observer_that_waits_for_a_stalled_client_loses_no_frame(kind) -> None:
    class Rows(AsyncAPIConsumer):
        @model_observer(Row)
        async def every(self, message, **kwargs):
            for number in range(3):
                await self.send_json({"number": number, "text": TEXT})

        plain = model_observer(Row)

        @action()
        async def follow(self, request_id):
            await (self.every if kind == "handler" else self.plain).subscribe(request_id=request_id)
            return None, 201

        def reply(self, *args, **kwargs):
            return super().reply(*args, **kwargs)

    with override_settings(REST_CHANNELS=LIMITS):
        async with StalledClient(Rows.as_asgi(), dialect="action") as socket:
            socket.read()
            await socket.expect_reply(await socket.call("follow"))
            socket.stall()
            for number in range(4):
                await Row.objects.acreate(name=str(number))
            await asyncio.sleep(0.3)
            expected = 12 if kind == "handler" else 4
            frames, code = await socket.read_to_the_end(expected)
    assert len(frames) == expected or code == CloseCode.TOO_SLOW


async def test_a_handler_that_hangs_for_another_reason_closes_no_connection() -> None:
    class Hanging(Async):
        async def note(self, event):
            await self.send_json("before")
            await asyncio.Event().wait()

    with override_settings(REST_CHANNELS=LIMITS):
        async with StalledClient(Hanging.as_asgi()) as socket:
            socket.read()
            await socket.send_json({})
            await socket.expect_event("before")
            await asyncio.sleep(0.2)
            await Group("news").asend({"text": '"still open"'})
            await socket.expect_event("still open")
