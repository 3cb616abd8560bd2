"""Messages to the addresses of connections, from other processes and from this one."""

import asyncio

import pytest
from django.test import override_settings

from rest_channels.cluster.nodes import node_of
from rest_channels.cluster.packet_sender import node_group
from rest_channels.cluster.packets import CommandPacket
from rest_channels.engine.publish import current_hub
from rest_channels.groups import Channel, Group
from rest_channels.protocol.messages import Event
from rest_channels.socket_consumer import SocketConsumer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from sockets.address_list import AddressList
from tests.brokers import LAYERS, layers
from tests.cluster.nodes import GRACE, Node


@pytest.fixture(params=LAYERS, ids=["core", "pubsub"])
async def grace(request, redis_url):
    """A node of another process."""
    with override_settings(CHANNEL_LAYERS=layers(request.param, redis_url)):
        async with Node(GRACE) as grace:
            yield grace


def tell(node, address, name, text):
    """Let `node`, of another process, send `text` to `address`, by the command `name`."""
    event = Event.rendered("", None, text)._replace(data="rendered")
    target = [address.partition(".")[2]] if name == "tell_each" else address
    owner = address.partition(".")[0]
    node.link.sender.put(node_group(owner), CommandPacket(name, (target, event)))


async def test_a_task_that_is_given_an_address_by_the_first_connect_reaches_it(grace) -> None:
    class Tasks(SocketView):
        async def connect(self, request):
            tell(grace, request.reply_channel.name, "tell", '"done"')

    for _connection in range(2):  # the second one after the hub has closed its link
        async with SocketCommunicator(Tasks.as_asgi()) as socket:
            await socket.expect_event("done")


@pytest.mark.parametrize("name", ["tell", "tell_each"])
async def test_a_view_that_overrides_sending_sees_what_another_process_sends_to_its_address(
    grace, name
) -> None:
    class Overriding(SocketView):
        def send_json(self, data):
            return super().send_json({"seen": data})

    async with SocketCommunicator(Overriding.as_asgi()) as socket:
        (address,) = current_hub().members
        tell(grace, address, name, '{"a": 1}')
        await socket.expect_event({"seen": {"a": 1}})
        tell(grace, address, name, "no JSON at all")
        assert await socket.receive_from() == "no JSON at all"


async def test_adding_a_connection_of_another_process_that_is_in_too_many_groups_is_acknowledged(
    grace,
) -> None:
    with override_settings(REST_CHANNELS={"MAX_SUBSCRIPTIONS": 0}):
        async with SocketCommunicator(SocketView.as_asgi()):
            (address,) = current_hub().members
            owner = address.partition(".")[0]
            assert await grace.link.send_command(owner, "enlist", address, "room", "group")


async def test_the_gap_after_an_expired_token_names_the_address_of_messages_to_it() -> None:
    class Gaps(SocketConsumer):
        async def gap(self, groups):
            await self.send_json(list(groups))

    application = Gaps()
    async with SocketCommunicator(application) as socket:
        connection = application._connection
        addresses = AddressList([connection.address])
        for send in (Channel(connection.address).send, addresses.send):
            connection.suspend()
            await send({"text": "dropped"})
            connection.resume()
            await socket.expect_event([connection.address])


async def test_an_address_that_is_none_keeps_no_message_from_the_others_of_its_process() -> None:
    async with SocketCommunicator(SocketView.as_asgi()) as socket:
        (address,) = current_hub().members
        node = address.partition(".")[0]
        addresses = [f"{node}.player", address, f"{node}.1.2"]
        await asyncio.to_thread(AddressList(addresses).send_str, '"hello"')
        await socket.expect_event("hello")


def test_a_text_that_is_too_long_for_an_address_is_none() -> None:
    assert node_of("0123456789-1.ff") == "0123456789-1"
    assert node_of(f"0123456789-1.{'f' * 100}") is None
    assert node_of(f"0123456789-{'f' * 100}.1") is None


def test_a_long_text_in_place_of_an_address_is_logged_in_short(caplog) -> None:
    Channel("x" * 100_000).send({"text": "hello"})
    Group("room").add("x" * 100_000)
    assert len(caplog.messages) == 2
    assert max(map(len, caplog.messages)) < 300
