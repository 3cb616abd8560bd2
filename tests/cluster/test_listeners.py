"""Plain Channels code and consumers of the library in one group, on every layer."""

import asyncio
import time

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from django.test import override_settings

from rest_channels.cluster import listeners
from rest_channels.consumers import SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.groups import Group
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from tests.brokers import LAYERS, Broker, layers

# Channels checks for old database connections in a thread before every message.
pytestmark = pytest.mark.django_db(transaction=True)

MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest.fixture(params=["memory", *LAYERS], ids=["memory", "core", "pubsub"])
async def layer(request, redis_url):
    """The shared channel layer."""
    config = MEMORY if request.param == "memory" else layers(request.param, redis_url)
    with override_settings(CHANNEL_LAYERS=config):
        yield get_channel_layer()
        await get_channel_layer().flush()


class LibraryConsumer(SocketConsumer):
    groups = ["mixed"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("mixed", {"type": "mixed.line", "text": content})

    def mixed_line(self, event):
        self.send_json({"library": event.pop("text")})


class PlainConsumer(AsyncJsonWebsocketConsumer):
    groups = ["mixed"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("mixed", {"type": "mixed.line", "text": content})

    async def mixed_line(self, event):
        await self.send_json({"plain": event["text"]})


async def test_library_and_plain_consumers_receive_each_message_of_a_group_once(layer) -> None:
    async with (
        SocketCommunicator(LibraryConsumer.as_asgi()) as library,
        SocketCommunicator(LibraryConsumer.as_asgi()) as another,
        SocketCommunicator(PlainConsumer.as_asgi()) as plain,
    ):
        for number, sender in enumerate((library, another, plain)):
            await sender.send_json(number)
            for client in (library, another):
                await client.expect_event({"library": number})
            await plain.expect_event({"plain": number})
        for client in (library, another, plain):
            await client.expect_nothing()


async def test_a_message_sent_with_the_layers_own_method_reaches_a_consumer(layer) -> None:
    async with SocketCommunicator(LibraryConsumer.as_asgi()) as library:
        await layer.group_send("mixed", {"type": "mixed.line", "text": "from afar"})
        await library.expect_event({"library": "from afar"})


async def test_a_message_sent_with_a_consumers_layer_reaches_members_of_every_kind(layer) -> None:
    class View(SocketView):
        def connect(self, request):
            self.join("mixed")

    class Member(SocketConsumer):
        async def connect(self):
            Group("mixed").add(self.channel_layer.connection.address)

        async def mixed_line(self, event):
            self.send_json({"member": event["text"]})

    async with (
        SocketCommunicator(LibraryConsumer.as_asgi()) as library,
        SocketCommunicator(Member.as_asgi()) as member,
        SocketCommunicator(View.as_asgi()) as view,
    ):
        await library.send_json("to all")
        await library.expect_event({"library": "to all"})
        await member.expect_event({"member": "to all"})
        await Group("mixed").asend({"text": '"plain"'})
        for client in (library, member, view):
            await client.expect_event("plain")
            await client.expect_nothing()


async def test_a_channel_name_can_join_a_group_and_receive_messages(layer) -> None:
    class Named(SocketConsumer):
        async def connect(self):
            self.send_json(self.channel_name)

        async def line(self, event):
            self.send_json(event["text"])

    async with SocketCommunicator(Named.as_asgi()) as socket:
        name = await socket.receive_json()
        await layer.send(name, {"type": "line", "text": "by name"})
        await socket.expect_event("by name")
        await layer.group_add("named", name)
        await layer.group_send("named", {"type": "line", "text": "by group"})
        await socket.expect_event("by group")


async def test_a_channel_that_only_disconnect_names_ends_with_its_connection(layer, settle) -> None:
    consumers = []

    class Late(SocketConsumer):
        async def disconnect(self, code):
            consumers.append(self)
            assert self.channel_name != self._connection.address

    async with SocketCommunicator(Late.as_asgi()):
        pass
    await settle(lambda: consumers and consumers[0]._connection.has_ended)
    assert consumers[0]._channel._reader.done()


async def test_a_name_that_is_asked_for_after_the_end_opens_no_channel(layer, settle) -> None:
    consumers = []

    class Kept(SocketConsumer):
        async def connect(self):
            consumers.append(self)

    async with SocketCommunicator(Kept.as_asgi()):
        pass
    (consumer,) = consumers
    await settle(lambda: consumer._connection.has_ended)
    known = consumer._channel  # a layer that is slow to name channels has done so
    assert known or consumer.channel_name == consumer._connection.address
    assert consumer._channel is known


@pytest.mark.parametrize("which", ["channel_name", "address"])
async def test_a_consumer_added_by_its_address_or_channel_name_receives_once_until_discarded(
    layer, which
) -> None:
    class Adding(SocketConsumer):
        async def receive_json(self, verb):
            own = {"channel_name": self.channel_name, "address": self._connection.address}[which]
            await getattr(self.channel_layer, verb)("added", own)
            self.send_json("done")

        async def line(self, event):
            self.send_json(event["text"])

    async with SocketCommunicator(Adding.as_asgi()) as socket:
        await socket.send_json("group_add")
        await socket.expect_event("done")
        await layer.group_send("added", {"type": "line", "text": "once"})
        await socket.expect_event("once")
        await socket.send_json("group_discard")
        await socket.expect_event("done")
        await layer.group_send("added", {"type": "line", "text": "never"})
        await socket.expect_nothing()


async def test_a_library_consumer_can_add_a_plain_consumer_to_a_group(layer) -> None:
    class Plain(AsyncJsonWebsocketConsumer):
        async def connect(self):
            await self.accept()
            await self.send_json(self.channel_name)

        async def line(self, event):
            await self.send_json(event["text"])

    class Adder(SocketConsumer):
        async def receive_json(self, name):
            await self.channel_layer.group_add("guests", name)
            await self.channel_layer.group_send("guests", {"type": "line", "text": "welcome"})
            await self.channel_layer.send(name, {"type": "line", "text": "you, too"})

    async with (
        SocketCommunicator(Plain.as_asgi()) as plain,
        SocketCommunicator(Adder.as_asgi()) as adder,
    ):
        await adder.send_json(await plain.receive_json())
        await plain.expect_event("welcome")
        await plain.expect_event("you, too")


async def test_a_consumer_that_has_disconnected_leaves_nothing_in_the_layer(layer) -> None:
    async with SocketCommunicator(LibraryConsumer.as_asgi()) as library:
        await library.send_json("hello")
        await library.expect_event({"library": "hello"})
    probe = await layer.new_channel()
    await layer.group_add("mixed", probe)
    await layer.group_send("mixed", {"type": "mixed.line", "text": "anybody?"})
    message = await asyncio.wait_for(layer.receive(probe), 1)
    await layer.group_discard("mixed", probe)
    assert message["text"] == "anybody?"
    assert current_hub().listeners._groups == {}


async def test_the_heartbeat_renews_memberships(monkeypatch) -> None:
    monkeypatch.setattr(listeners, "group_expiry", lambda layer: 0.1)
    with override_settings(CHANNEL_LAYERS=MEMORY, REST_CHANNELS={"BEAT": 0.02}):
        layer = get_channel_layer()
        async with SocketCommunicator(LibraryConsumer.as_asgi()) as library:
            layer.groups.clear()  # as if the memberships had expired
            await asyncio.sleep(0.2)
            await layer.group_send("mixed", {"type": "mixed.line", "text": "still here"})
            await library.expect_event({"library": "still here"})


@pytest.mark.parametrize("name", LAYERS)
async def test_without_a_broker_consumers_connect_and_receive_local_messages(
    name, monkeypatch
) -> None:
    monkeypatch.setattr(listeners, "RETRY_DELAY", 0.05)
    broker = Broker()  # not started
    with override_settings(CHANNEL_LAYERS=layers(name, broker.url)):
        async with SocketCommunicator(LibraryConsumer.as_asgi(), timeout=5) as library:
            began = time.monotonic()
            for number in range(5):
                await library.send_json(number)
                await library.expect_event({"library": number})
            assert time.monotonic() - began < 4
        if name == LAYERS[1]:
            await get_channel_layer().flush()  # closes its connections


async def test_without_a_broker_reading_the_channel_name_logs_the_reason_for_its_absence(
    caplog,
) -> None:
    class ReadChannelName(SocketConsumer):
        async def receive_json(self, content):
            self.send_json(self.channel_name)

    with override_settings(CHANNEL_LAYERS=layers(LAYERS[1], Broker().url)):
        async with SocketCommunicator(ReadChannelName.as_asgi(), timeout=5) as socket:
            await socket.send_json("name?")
            await socket.expect_event(status=500)
        await get_channel_layer().flush()
    assert "did not answer when this connection began" in caplog.text


@pytest.mark.parametrize("slow", [True, False])
async def test_a_message_that_is_changed_after_sending_arrives_as_it_was_sent(layer, slow) -> None:
    class Counting(SocketConsumer):
        groups = ["counting"]

        async def receive_json(self, content):
            message = {"type": "count", "numbers": []}
            for number in range(5):
                message["numbers"].append(number)
                await self.channel_layer.group_send("counting", message)

        async def count(self, event):
            await asyncio.sleep(0.01 if slow else 0)
            self.send_json(len(event["numbers"]))

    async with SocketCommunicator(Counting.as_asgi()) as socket:
        await socket.send_json("go")
        assert [await socket.receive_json() for _ in range(5)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "wrong", [{"scores": {1: 10}}, {"at": object()}, {"big": 2**64}, {"deep": [{"of": {1}}]}]
)
@pytest.mark.parametrize("name", LAYERS)
async def test_sending_a_message_that_cannot_be_serialized_raises_a_type_error(
    name, redis_url, wrong
) -> None:
    class Wrong(SocketConsumer):
        async def receive_json(self, content):
            try:
                await self.channel_layer.group_send("mixed", {"type": "line", **wrong})
            except TypeError as error:
                self.send_json(str(error))

    with override_settings(CHANNEL_LAYERS=layers(name, redis_url)):
        async with SocketCommunicator(Wrong.as_asgi()) as socket:
            await socket.send_json("go")
            assert "A message" in await socket.receive_json()
        await get_channel_layer().flush()


async def test_a_consumer_in_many_groups_receives_the_messages_of_all(layer) -> None:
    class Many(SocketConsumer):
        groups = [f"many-{number}" for number in range(120)]

        async def line(self, event):
            self.send_json(event["number"])

    async with SocketCommunicator(Many.as_asgi(), timeout=10) as socket:
        for number in range(120):
            await layer.group_send(f"many-{number}", {"type": "line", "number": number})
        received = {await socket.receive_json() for _ in range(120)}
        assert received == set(range(120))


async def test_the_channel_name_can_be_read_while_the_layer_is_busy(layer) -> None:
    class SendsItsName(SocketConsumer):
        async def receive_json(self, content):
            sending = asyncio.create_task(layer.group_send("others", {"type": "line"}))
            await asyncio.sleep(0)  # it waits for the broker
            await self.send_json(self.channel_name)
            await sending

    app = SendsItsName.as_asgi()
    async with (
        SocketCommunicator(app),  # the first one connects the layer to its broker
        SocketCommunicator(app),
        SocketCommunicator(app) as socket,
    ):
        await socket.send_json(None)
        assert isinstance(await socket.receive_json(), str)
