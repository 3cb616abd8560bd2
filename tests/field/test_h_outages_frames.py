"""Frames that a server cannot send: never a socket that is neither answered nor closed."""

import asyncio

import pytest
from django.urls import path
from django.utils.safestring import SafeString

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action
from rest_channels.groups import Channel, Group
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


class Text(str):
    """A subclass, as libraries use them."""


class Bytes(bytes):
    """A subclass of bytes."""


SENDABLE = [
    ({"bytes_data": memoryview(b"ab")}, b"ab"),
    ({"bytes_data": memoryview(b"a-b-")[::2]}, b"ab"),
    ({"bytes_data": bytearray(b"ab")}, b"ab"),
    ({"bytes_data": Bytes(b"ab")}, b"ab"),
    ({"text_data": Text("ab")}, "ab"),
    ({"text_data": SafeString("ab")}, "ab"),
]
UNSENDABLE = [
    {"text_data": "\ud800"},
    {"text_data": Text("a\udfff")},
    {"text_data": 7},
    {"text_data": b"ab"},
    {"bytes_data": "ab"},
    {"bytes_data": [1, 2]},
    {"text_data": {"a": 1}},
]


def consumer(arguments):
    class Sender(SocketConsumer):
        async def receive(self, text_data=None, bytes_data=None, **kwargs):
            if text_data == "again":
                await self.send(text_data="still here")
            else:
                await self.send(**arguments)

    return SocketCommunicator(Sender.as_asgi())


async def last_message(socket):
    return await asyncio.wait_for(socket._from_application.get(), 2)


@pytest.mark.parametrize(("arguments", "sent"), SENDABLE)
async def test_what_can_be_converted_reaches_the_server_as_plain_text_or_bytes(
    arguments, sent
) -> None:
    async with consumer(arguments) as socket:
        await socket.send_json(None)
        message = await last_message(socket)
        content = message["text" if isinstance(sent, str) else "bytes"]
        assert (content, type(content)) == (sent, type(sent))


@pytest.mark.parametrize("arguments", UNSENDABLE)
async def test_what_no_frame_can_carry_is_an_error_of_the_caller_and_answered(arguments) -> None:
    async with consumer(arguments) as socket:
        await socket.send_json(None)
        assert "error" in (await last_message(socket))["text"]


@pytest.mark.parametrize("data", [memoryview(b"ab"), bytearray(b"ab"), Bytes(b"ab")])
async def test_groups_and_channels_take_every_kind_of_bytes(data) -> None:
    class View(SocketView):
        async def connect(self, request):
            self.join("all")
            self.send(Channel(request.reply_channel.name), data, content_type="binary")

    async with SocketCommunicator(View.as_asgi()) as socket:
        assert (await last_message(socket))["bytes"] == b"ab"
        await Group("all").asend({"bytes": data})
        assert type((await last_message(socket))["bytes"]) is bytes


class Failing:
    """A server whose `send` fails once, for frames that contain `bad`."""

    def __init__(self, app, error):
        self.app, self.error = app, error

    async def __call__(self, scope, receive, send):
        async def failing(message):
            if "bad" in str(message.get("text")):
                raise self.error
            await send(message)

        await self.app(scope, receive, failing)


class Echo(SocketView):
    """Sends what it receives."""

    async def connect(self, request):
        self.join("all")

    async def receive(self, request):
        await self.send_json(request.data)


class Actions(AsyncAPIConsumer):
    """Answers an action."""

    @action()
    async def say(self, text, **kwargs):
        return {"text": text}, 200


ERRORS = pytest.mark.parametrize("error", [TypeError("x"), ValueError("x"), AssertionError("x")])


@ERRORS
async def test_a_client_whose_frame_the_server_refuses_is_closed_to_reconnect(error) -> None:
    async with SocketCommunicator(Failing(Echo.as_asgi(), error)) as socket:
        await socket.send_json("bad")
        await socket.expect_close(4500)


@ERRORS
async def test_a_refused_message_to_a_group_closes_its_client_only(error) -> None:
    bad = SocketCommunicator(Failing(Echo.as_asgi(), error))
    async with bad, SocketCommunicator(Echo.as_asgi()) as good:
        await Group("all").asend({"text": '"bad"'})
        await bad.expect_close(4500)
        await good.expect_event("bad")


async def test_the_reply_to_an_action_that_the_server_refuses_is_a_500() -> None:
    app = Failing(Actions.as_asgi(), ValueError("x"))
    async with SocketCommunicator(app) as socket:
        await socket.send_json({"action": "say", "text": "bad", "request_id": 1})
        answer = await socket.receive_json()
        assert (answer["response_status"], answer["request_id"]) == (500, 1)
        await socket.send_json({"action": "say", "text": "good", "request_id": 2})
        assert (await socket.receive_json())["data"] == {"text": "good"}


async def test_a_connection_whose_server_fails_otherwise_is_closed(monkeypatch) -> None:
    monkeypatch.setattr("rest_channels.engine.connection.CLOSE_TIMEOUT", 0.05)
    application = SocketApplication([path("", Echo.as_asgi())])
    async with SocketCommunicator(Failing(application, RuntimeError("?"))) as socket:
        await socket.send_json("bad")
        await socket.expect_close(4500)


@pytest.mark.parametrize(
    "arguments", [{"subprotocol": 7}, {"headers": [("a", "b")]}, {"headers": [b"ab"]}]
)
async def test_accepting_with_what_no_server_takes_is_an_error_of_connect(arguments) -> None:
    class Wrong(SocketConsumer):
        async def connect(self):
            await self.accept(**arguments)

    socket = SocketCommunicator(Wrong.as_asgi())
    await socket.connect()
    await socket.expect_close(4500)
    await socket.disconnect()
