"""Messages that wait for the handler of a client that does not read are bounded in bytes."""

import asyncio

import pytest
from channels.layers import get_channel_layer
from django.contrib.auth.models import Group as Row
from django.test import override_settings

from rest_channels.consumers import GenericAsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.exceptions import CloseCode
from rest_channels.observer import model_observer
from rest_channels.observer.delivery import dispatcher
from tests.field.clients import StalledClient


class Async(SocketConsumer):
    groups = ["news"]

    async def receive_json(self, content):
        for _number in range(20):
            await self.channel_layer.group_send("news", {"type": "note", "text": "x" * 60_000})

    async def note(self, event):
        await self.send_json(event["text"])


class Sync(Async):
    def note(self, event):
        self.send_json(event["text"])


class Overriding(Async):
    async def send_json(self, content, close=False):
        await super().send_json(content, close)


@pytest.mark.parametrize("consumer", [Async, Sync, Overriding])
@pytest.mark.parametrize("road", ["own layer", "plain layer"])
async def test_a_member_that_does_not_read_is_closed_instead_of_queueing_megabytes(
    consumer, road
) -> None:
    async with StalledClient(consumer.as_asgi()) as socket:
        for _number in range(60):
            if road == "plain layer":
                message = {"type": "note", "text": "x" * 60_000}
                await get_channel_layer().group_send("news", message)
            await asyncio.sleep(0)
        if road == "own layer":
            for _number in range(3):
                await socket.send_json({})
        await asyncio.sleep(0.1)
        frames, code = await socket.read_to_the_end(60)
        assert code == CloseCode.TOO_SLOW
        assert len(frames) <= 36  # of 60 KB each: one in the handler, and twice the limit


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 5_000})
async def test_a_slow_handler_may_be_behind_by_one_message_that_is_larger_than_the_limit() -> None:
    async with StalledClient(Async.as_asgi()) as socket:
        await get_channel_layer().group_send("news", {"type": "note", "text": "x" * 60_000})
        frames, code = await socket.read_to_the_end(1)
        assert (len(frames), code) == (1, None)


def rows_consumer(**members):
    class Rows(GenericAsyncAPIConsumer):
        queryset = Row.objects.all()

        @model_observer(Row)
        async def every(self, message, **kwargs):
            await self.send_json(message)

        @every.serializer
        def every(self, instance, action):
            return instance.name * 400

        @action()
        async def follow(self, request_id):
            await self.every.subscribe(request_id=request_id)
            return None, 201

    return type("Rows", (Rows,), members)


@pytest.mark.django_db(transaction=True)
@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 100_000})
@pytest.mark.parametrize("reads_reply", [True, False])
async def test_a_subscriber_that_does_not_read_is_closed_instead_of_queueing_deliveries(
    reads_reply,
) -> None:
    async with StalledClient(rows_consumer().as_asgi(), dialect="action") as socket:
        call = await socket.call("follow")
        if reads_reply:
            socket.read()
            await socket.expect_reply(call)
            socket.stall()
        for _number in range(30):
            await Row.objects.acreate(name=f"{_number:02}" * 50)
        await asyncio.sleep(0.1)
        frames, code = await socket.read_to_the_end(31)
        assert code == CloseCode.TOO_SLOW
        assert len(frames) < 10


@pytest.mark.django_db(transaction=True)
@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 100_000})
async def test_a_subscriber_that_handles_gaps_receives_one_instead_of_the_close() -> None:
    async def gap(self, groups):
        await self.send_json("gap")

    async with StalledClient(rows_consumer(gap=gap).as_asgi(), dialect="action") as socket:
        socket.read()
        await socket.expect_reply(await socket.call("follow"))
        socket.stall()
        for _number in range(30):
            await Row.objects.acreate(name=f"{_number:02}" * 50)
        await asyncio.sleep(0.1)
        socket.read()
        frames = []
        while "gap" not in frames:
            frames.append(await socket.receive_json())
        assert len(frames) < 10


@pytest.mark.django_db(transaction=True)
async def test_changes_that_wait_in_a_process_are_bounded_in_bytes(monkeypatch) -> None:
    monkeypatch.setattr(dispatcher, "MAX_WAITING_BYTES", 100_000)
    may_deliver = asyncio.Event()
    monkeypatch.setattr(dispatcher, "wait_for_checks", lambda hub: may_deliver.wait())

    async def gap(self, groups):
        await self.send_json("gap")

    async with StalledClient(rows_consumer(gap=gap).as_asgi(), dialect="action") as socket:
        socket.read()
        call = await socket.call("follow")
        await socket.expect_reply(call)
        for _number in range(30):
            await Row.objects.acreate(name=f"{_number:02}" * 50)
        await socket.expect_event("gap")
        may_deliver.set()
