"""What a handler sends bit by bit, and messages of groups to the same client."""

import asyncio
import threading
from io import BytesIO

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group as Row
from django.http import FileResponse, StreamingHttpResponse
from django.test import override_settings
from rest_framework.serializers import ModelSerializer

from rest_channels.consumers import (
    AsyncAPIConsumer,
    GenericAsyncAPIConsumer,
    SocketConsumer,
    view_as_consumer,
)
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.groups import Group
from rest_channels.mixins import StreamedPaginatedListMixin
from rest_channels.testing import SocketCommunicator


def unread(application, reading):
    """Return `application` for a client that reads no frame before the event `reading` is set."""

    async def unread_application(scope, receive, send):
        async def slow_send(message):
            if message["type"] == "websocket.send":
                await reading.wait()
            await send(message)

        await application(scope, receive, slow_send)

    return unread_application


class Numbers(SocketConsumer):
    groups = ["news"]

    async def receive_json(self, content):
        for number in range(50):
            await self.send_json(f"number {number:012}")


class NumbersOfThread(Numbers):
    def receive_json(self, content):
        for number in range(50):
            self.send_json(f"number {number:012}")


class RowSerializer(ModelSerializer):
    class Meta:
        model = Row
        fields = ["name"]


class Pages(StreamedPaginatedListMixin, GenericAsyncAPIConsumer):
    groups = ["news"]
    queryset = Row.objects.order_by("pk")
    serializer_class = RowSerializer


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 600})
@pytest.mark.parametrize("consumer", [Numbers, NumbersOfThread, Pages])
@pytest.mark.django_db(transaction=True)
async def test_a_client_that_reads_a_stream_slowly_receives_a_message_too(consumer, settle) -> None:
    reading = asyncio.Event()
    await Row.objects.abulk_create([Row(name=f"row {number}") for number in range(50)])
    async with SocketCommunicator(unread(consumer.as_asgi(), reading)) as socket:
        [connection] = current_hub().members.values()
        await socket.send_json({"action": "list", "limit": 1})
        await settle(lambda: connection.outbox.waiters)
        await Group("news").asend({"text": '"news"'})
        reading.set()
        frames = [await socket.receive_json() for _ in range(51)]
        assert frames.count("news") == 1


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 100, "HANDLER_TIMEOUT": 1})
@pytest.mark.parametrize("base", ["async def", "def"])
async def test_an_action_does_not_wait_for_its_own_message_that_is_sent_after_its_reply(
    base,
) -> None:
    class Rooms(AsyncAPIConsumer):
        groups = ["rooms"]

        @action()
        async def tell(self):
            await Group("rooms").asend({"text": '"' + "x" * 200 + '"'})
            if base == "def":
                await sync_to_async(self.send_json)("own")
            else:
                await self.send_json("own")
            return None, 200

    async with SocketCommunicator(Rooms.as_asgi()) as socket:
        await socket.send_json({"action": "tell"})
        assert await socket.receive_json() == "own"
        assert (await socket.receive_json())["response_status"] == 200
        await socket.expect_event("x" * 200)


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 100})
@pytest.mark.parametrize("length", [10, 200])
@pytest.mark.django_db(transaction=True)
async def test_the_parts_of_a_streamed_response_end_in_the_thread_that_made_them(length) -> None:
    class Parts:
        def __iter__(self):
            try:
                noted.append(threading.get_ident())
                yield b"x" * length
                yield b"y"
            finally:
                noted.append(Row.objects.count())
                noted.append(threading.get_ident())

    noted = []
    application = view_as_consumer(lambda request: StreamingHttpResponse(Parts()))
    async with SocketCommunicator(application) as socket:
        await socket.send_json({"action": "list"})
        status = (await socket.receive_json())["response_status"]
    assert status == (200 if length == 10 else 500)
    assert noted == [noted[0], 0, noted[0]]


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 100})
@pytest.mark.parametrize("length", [10, 200])
async def test_the_parts_of_an_async_response_end_in_the_task_that_made_them(length) -> None:
    async def view(request):
        async def parts():
            noted.append(asyncio.current_task())
            try:
                yield b"x" * length
                yield b"y"
            finally:
                await asyncio.sleep(0)
                noted.append(asyncio.current_task())

        return StreamingHttpResponse(parts())

    noted = []
    async with SocketCommunicator(view_as_consumer(view)) as socket:
        await socket.send_json({"action": "list"})
        await socket.receive_json()
        assert noted == [noted[0], noted[0]]


async def test_the_file_of_a_response_is_closed_before_the_answer() -> None:
    def view(request):
        files.append(BytesIO(b"file"))
        return FileResponse(files[0])

    files = []
    async with SocketCommunicator(view_as_consumer(view)) as socket:
        await socket.send_json({"action": "list"})
        assert (await socket.receive_json())["data"] == "file"
        assert files[0].closed
