"""Joins that wait for a broker, and addresses of connections whose server has ended."""

import asyncio

from channels.layers import get_channel_layer

from rest_channels.cluster import listeners
from rest_channels.consumers import SocketConsumer
from rest_channels.engine.connection import Connection
from rest_channels.groups import Group
from rest_channels.testing import SocketCommunicator


async def test_a_join_that_begins_while_others_are_awaited_is_awaited_too() -> None:
    connections: list[Connection] = []

    class Consumer(SocketConsumer):
        async def connect(self):
            connections.append(self._connection)

    async with SocketCommunicator(Consumer.as_asgi()):
        groups = connections[0].groups
        first, second = asyncio.Future(), asyncio.Future()
        groups.add_pending(first)
        waiting = asyncio.create_task(groups.wait_joined())
        await asyncio.sleep(0)
        groups.add_pending(second)
        first.set_result(None)
        await waiting
        assert not groups.all_joined
        second.set_result(None)
        await groups.wait_joined()
        assert groups.all_joined


def test_adding_a_connection_whose_server_has_ended_does_nothing() -> None:
    addresses = []

    class Consumer(SocketConsumer):
        async def connect(self):
            addresses.append(self._connection.address)

    async def serve():
        async with SocketCommunicator(Consumer.as_asgi()):
            pass

    loop = asyncio.new_event_loop()
    loop.run_until_complete(serve())
    loop.close()
    Group("lobby").add(addresses[0])


async def test_an_outage_of_the_pubsub_layer_leaves_no_channels_in_it(
    settings, monkeypatch, settle
) -> None:
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    config = {"hosts": ["redis://127.0.0.1:1"]}  # nothing listens there
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
    attempts, open_listener = [], listeners.Listener.open

    async def counted(listener):
        attempts.append(listener)
        await open_listener(listener)

    class Consumer(SocketConsumer):
        groups = ["lobby"]

    monkeypatch.setattr(listeners, "RETRY_DELAY", 0.01)
    monkeypatch.setattr(listeners.Listener, "open", counted)
    async with SocketCommunicator(Consumer.as_asgi(), timeout=5):
        await settle(lambda: len(attempts) > 5)
        assert len(get_channel_layer().channels) < 3
    assert get_channel_layer().channels == {}
    await get_channel_layer().flush()
