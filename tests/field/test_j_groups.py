"""Joins that wait for a broker, and addresses of connections whose server has ended."""

import asyncio

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
