"""`SocketConsumer`: the names of Channels' `AsyncJsonWebsocketConsumer`, on another engine."""

import asyncio
import inspect

import pytest
from channels.exceptions import AcceptConnection, DenyConnection, StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.http import HttpResponse
from rest_framework.exceptions import PermissionDenied

from rest_channels.consumers import SocketConsumer
from rest_channels.groups import Group
from rest_channels.testing import SocketCommunicator

CHANNELS_NAMES = {
    "accept",
    "close",
    "connect",
    "decode_json",
    "disconnect",
    "encode_json",
    "receive",
}
CHANNELS_NAMES |= {"receive_json", "send", "send_json", "websocket_connect", "websocket_disconnect"}
CHANNELS_NAMES |= {
    "websocket_receive",
    "as_asgi",
    "channel_layer",
    "channel_name",
    "groups",
    "scope",
}


def test_a_consumer_has_the_public_names_of_channels_and_of_dcrf() -> None:
    names = {name for name in dir(SocketConsumer) if not name.startswith("_")}
    names |= {name for name in SocketConsumer.__annotations__ if not name.startswith("_")}
    assert CHANNELS_NAMES | {"add_group", "remove_group", "gap"} == names - {
        "overrides_sending",
        "handles_gaps",
        "histories",
        "receives",
        "sends",
    }


@pytest.mark.parametrize("name", ["accept", "close", "receive", "send", "send_json"])
def test_methods_of_a_consumer_accept_the_arguments_of_channels(name) -> None:
    channels_parameters = inspect.signature(getattr(AsyncJsonWebsocketConsumer, name)).parameters
    parameters = inspect.signature(getattr(SocketConsumer, name)).parameters
    assert list(channels_parameters) == list(parameters)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_consumer_receives_and_sends_json(kind) -> None:
    class Sync(SocketConsumer):
        def receive_json(self, content):
            self.send_json({"got": content})

    class Async(SocketConsumer):
        async def receive_json(self, content):
            await self.send_json({"got": content})

    consumer = Sync if kind == "def" else Async
    async with SocketCommunicator(consumer.as_asgi()) as socket:
        await socket.send_json([1, None])
        await socket.expect_event({"got": [1, None]})


async def test_text_and_bytes_reach_receive_unchanged() -> None:
    class Echo(SocketConsumer):
        def receive(self, text_data=None, bytes_data=None):
            self.send(text_data=text_data, bytes_data=bytes_data)

    async with SocketCommunicator(Echo.as_asgi()) as socket:
        await socket.send_to("not json")
        assert await socket.receive_from() == "not json"
        await socket.send_to(bytes_data=b"\xff")
        assert await socket.receive_from() == b"\xff"


async def test_one_instance_serves_one_connection_and_knows_its_scope() -> None:
    class Counter(SocketConsumer):
        count = 0

        async def receive_json(self, content):
            self.count += 1
            self.send_json([self.count, self.scope["path"]])

    app = Counter.as_asgi()
    async with SocketCommunicator(app, "/a/") as one, SocketCommunicator(app, "/b/") as two:
        await one.send_json(None)
        await one.expect_event([1, "/a/"])
        await one.send_json(None)
        await one.expect_event([2, "/a/"])
        await two.send_json(None)
        await two.expect_event([1, "/b/"])


async def test_a_consumer_joins_its_groups_before_connect_and_handles_events_by_type() -> None:
    class SendInConnect(SocketConsumer):
        groups = ["lobby"]

        async def connect(self):
            await self.channel_layer.group_send("lobby", {"type": "some.one", "name": "ada"})

        async def some_one(self, event):
            await self.send_json({"here": event["name"]})

    async with SocketCommunicator(SendInConnect.as_asgi()) as socket:
        await socket.expect_event({"here": "ada"})
        await Group("lobby").asend({"text": '"as it is"'})
        await socket.expect_event("as it is")


async def test_the_methods_of_the_channel_layer_add_remove_and_address_connections() -> None:
    class SendByChannelName(SocketConsumer):
        def receive_json(self, content):
            if "to" in content:
                self.channel_layer.send(content["to"], {"type": "message", "text": content["text"]})
            else:
                self.channel_layer.group_add("nodes", self.channel_name)
                self.send_json(self.channel_name)
                self.channel_layer.group_discard("nodes", self.channel_name)

        def message(self, event):
            self.send_json(event["text"])

    app = SendByChannelName.as_asgi()
    async with SocketCommunicator(app) as one, SocketCommunicator(app) as two:
        await two.send_json({})
        name = await two.expect_event()
        await one.send_json({"to": name, "text": "hello"})
        await two.expect_event("hello")


async def test_an_event_for_a_missing_method_is_logged_and_the_connection_stays_open(
    caplog,
) -> None:
    class SendEventToGroup(SocketConsumer):
        groups = ["events"]

        async def receive_json(self, content):
            self.channel_layer.group_send("events", {"type": content})

        async def fine(self, event):
            self.send_json("fine")

    async with SocketCommunicator(SendEventToGroup.as_asgi()) as socket:
        await socket.send_json("no.such")
        await socket.send_json("_connection")
        await socket.send_json("fine")
        await socket.expect_event("fine")
    assert "no method 'no_such'" in caplog.text


async def test_an_http_response_of_a_handler_of_messages_is_logged_as_an_error(caplog) -> None:
    class Redirecting(SocketConsumer):
        groups = ["events"]

        async def receive_json(self, content):
            self.channel_layer.group_send("events", {"type": "enter"})

        async def enter(self, event):
            self.send_json("entered")
            return HttpResponse(status=302)

    async with SocketCommunicator(Redirecting.as_asgi()) as socket:
        await socket.send_json({})
        await socket.expect_event("entered")
    assert "which a WebSocket cannot send" in caplog.text


@pytest.mark.parametrize(
    ("error", "outcome"), [(AcceptConnection, True), (DenyConnection, False), (StopConsumer, False)]
)
async def test_channels_exceptions_keep_their_meaning_in_connect(error, outcome) -> None:
    class RaiseInConnect(SocketConsumer):
        def connect(self):
            raise error

    socket = SocketCommunicator(RaiseInConnect.as_asgi())
    accepted, _detail = await socket.connect()
    await socket.disconnect()
    assert accepted is outcome


async def test_stop_consumer_ends_an_open_connection() -> None:
    class StopOnFrame(SocketConsumer):
        async def receive_json(self, content):
            raise StopConsumer

    async with SocketCommunicator(StopOnFrame.as_asgi()) as socket:
        await socket.send_json(None)
        await socket.expect_close(1000)


async def test_close_in_connect_refuses_the_handshake_and_accept_chooses_a_subprotocol() -> None:
    class CloseInConnect(SocketConsumer):
        async def connect(self):
            await self.close(4000)

    class AcceptSubprotocol(SocketConsumer):
        async def connect(self):
            await self.accept("v2")

    socket = SocketCommunicator(CloseInConnect.as_asgi())
    assert await socket.connect() == (False, 4000)
    await socket.disconnect()
    socket = SocketCommunicator(AcceptSubprotocol.as_asgi(), subprotocols=["v1", "v2"])
    assert await socket.connect() == (True, "v2")
    await socket.disconnect()


async def test_a_drf_exception_in_connect_is_sent_after_accepting() -> None:
    class Members(SocketConsumer):
        async def connect(self):
            raise PermissionDenied("Members only.")

    async with SocketCommunicator(Members.as_asgi()) as socket:
        await socket.expect_event(detail="Members only.", status=403)
        await socket.expect_close(4403)


async def test_a_handler_that_raises_is_answered_with_500_and_the_connection_stays_open(
    caplog,
) -> None:
    class DivideByFrame(SocketConsumer):
        async def receive_json(self, content):
            self.send_json(1 / content)

    async with SocketCommunicator(DivideByFrame.as_asgi()) as socket:
        await socket.send_json(0)
        await socket.expect_event({"detail": "A server error occurred.", "status": 500})
        await socket.send_json(2)
        await socket.expect_event(0.5)
    assert "ZeroDivisionError" in caplog.text


async def test_an_overridden_encoding_is_used_for_group_messages_too() -> None:
    class WrapContent(SocketConsumer):
        groups = ["all"]

        @classmethod
        def encode_json(cls, content):
            return super().encode_json({"wrapped": content})

        async def receive_json(self, content):
            self.send_json(content)

    async with SocketCommunicator(WrapContent.as_asgi()) as socket:
        await socket.send_json(1)
        await socket.expect_event({"wrapped": 1})


def test_as_asgi_returns_an_application_that_names_its_class() -> None:
    class Named(SocketConsumer):
        """Its docstring."""

    app = Named.as_asgi()
    assert app.consumer_class is Named
    assert app.consumer_initkwargs == {}
    assert app.__doc__ == "Its docstring."


async def test_init_receives_the_arguments_of_as_asgi() -> None:
    class Named(SocketConsumer):
        def __init__(self, name):
            self.name = name

        async def connect(self):
            self.send_json(self.name)

    async with SocketCommunicator(Named.as_asgi(name="ada")) as socket:
        await socket.expect_event("ada")


async def test_async_overrides_of_sending_methods_work_from_def_and_without_await() -> None:
    class Signed(SocketConsumer):
        def receive_json(self, content):
            self.send_json(content)

        async def hello(self, event):
            self.send_json("event")

        async def send_json(self, content, close=False):
            await asyncio.sleep(0)
            await super().send_json([content, "signed"], close)

    async with SocketCommunicator(Signed.as_asgi()) as socket:
        await socket.send_json("from def")
        await socket.expect_event(["from def", "signed"])


@pytest.mark.parametrize(
    ("overridden", "overrides_sending"),
    [
        ({}, False),
        ({"receive_json": None}, False),
        ({"encode_json": classmethod(lambda cls, content: "")}, True),
        ({"send_json": lambda self, content: None}, True),
        ({"send": lambda self, text_data: None}, True),
    ],
)
def test_only_a_class_that_overrides_sending_receives_rendered_messages(
    overridden, overrides_sending
) -> None:
    assert type("Consumer", (SocketConsumer,), overridden).overrides_sending is overrides_sending
