"""What a handler sends bit by bit, and messages of groups to the same client."""

import asyncio
import threading
from io import BytesIO

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group as Row
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import ValidationError
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
from rest_channels.protocol.messages import Event
from rest_channels.testing import SocketCommunicator
from tests.field.clients import StalledClient


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
    await Row.objects.abulk_create([Row(name=f"row {number}") for number in range(50)])
    async with StalledClient(consumer.as_asgi()) as socket:
        [connection] = current_hub().members.values()
        await socket.send_json({"action": "list", "limit": 1})
        await settle(lambda: connection.outbox.waiters)
        await Group("news").asend({"text": '"news"'})
        socket.read()
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


class Answers(AsyncAPIConsumer):
    @action()
    async def answer(self):
        return "x" * 100, 200

    @action()
    async def refuse(self):
        raise ValidationError("x" * 100)

    @action()
    async def ask(self):
        await self.handle_action("answer", 1)


class OwnReply(Answers):
    def reply(self, action, **kwargs):
        return super().reply(action, **kwargs)


class OwnAsyncReply(Answers):
    async def reply(self, action, **kwargs):
        await super().reply(action, **kwargs)


class OwnReading(Answers):
    async def receive_json(self, content):
        await super().receive_json(content)


class Authenticating(Answers):
    authentication_classes = [TokenAuthentication]


STATUSES = {"answer": 200, "ask": 200, "authenticate": 401, "list": 200, "refuse": 400}


async def length_of_view(request):
    return HttpResponse("x" * 100)


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 200, "HANDLER_TIMEOUT": 0.3})
@pytest.mark.parametrize(
    ("application", "name"),
    [
        (Answers.as_asgi(), "refuse"),
        (Answers.as_asgi(), "ask"),
        (OwnReply.as_asgi(), "answer"),
        (OwnAsyncReply.as_asgi(), "answer"),
        (OwnReading.as_asgi(), "answer"),
        (OwnReading.as_asgi(), "refuse"),
        (view_as_consumer(length_of_view), "list"),
        (Authenticating.as_asgi(), "authenticate"),
    ],
)
async def test_an_answer_that_waits_for_its_client_beyond_the_deadline_is_the_only_one(
    application, name
) -> None:
    async with StalledClient(application) as socket:
        [connection] = current_hub().members.values()
        connection.send(text='"' + "x" * 180 + '"')  # it fills the outbox
        await socket.send_json({"action": name, "request_id": 1})
        await asyncio.sleep(0.5)
        socket.read()
        await socket.expect_event("x" * 180)
        answer = await socket.receive_json()
        assert (answer["request_id"], answer["response_status"]) == (1, STATUSES[name])
        await socket.expect_nothing()


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 200, "HANDLER_TIMEOUT": 0.3})
async def test_what_an_action_does_after_such_an_answer_has_a_deadline_of_its_own() -> None:
    class Hanging(Answers):
        @action()
        async def ask(self):
            await super().ask()
            await asyncio.Event().wait()

    async with StalledClient(Hanging.as_asgi(), dialect="action") as socket:
        [connection] = current_hub().members.values()
        connection.send(text='"' + "x" * 180 + '"')
        await socket.send_json({"action": "ask", "request_id": 2})
        await asyncio.sleep(0.5)
        socket.read()
        await socket.expect_event("x" * 180)
        await socket.expect_reply(1, response_status=200)
        await socket.expect_reply(2, response_status=504)


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 100})
async def test_a_handler_that_awaits_is_not_blamed_for_an_earlier_one_that_did_not() -> None:
    class Room(SocketConsumer):
        groups = ["news"]

        async def receive_json(self, content):
            self.send_json("x" * 60)
            self.send_json("y" * 60)

        async def awaiting(self, event):
            await self.send_json("z" * 60)

    async with StalledClient(Room.as_asgi()) as socket:
        [connection] = current_hub().members.values()
        await socket.send_json({})
        await asyncio.sleep(0.01)
        socket.read()
        await socket.expect_event("x" * 60)
        await socket.expect_event("y" * 60)
        socket.stall()
        await Group("news").asend({"text": '"' + "n" * 60 + '"'})
        connection.deliver(Event("news", {"type": "awaiting"}))
        await asyncio.sleep(0.01)
        socket.read()
        await socket.expect_event("n" * 60)
        await socket.expect_event("z" * 60)
