"""The attributes of a connection, on which its memory and the speed of broadcasts depend."""

import asyncio
import sys
from contextlib import AsyncExitStack

import pytest
from rest_framework.authentication import BasicAuthentication

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.decorators import action, detached
from rest_channels.engine.connection import Connection
from rest_channels.engine.handler import EndedHandler
from rest_channels.engine.publish import current_hub
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

connections: list[Connection] = []


class Room(SocketView):
    def connect(self, request) -> None:
        self.join("room")
        connections.append(self.connection)

    async def receive(self, request) -> None:
        self.broadcast("room", request.data)


async def test_a_connection_has_all_its_attributes_from_the_start() -> None:
    new = Connection({"type": "websocket"}, None, None, lambda connection: EndedHandler())
    async with SocketCommunicator(Room.as_asgi()) as socket:
        await socket.send_json({"a": 1})
        assert await socket.receive_json() == {"a": 1}
        used = connections.pop()
        assert vars(used).keys() - vars(new).keys() == {"call_queue"}


async def test_a_connection_has_no_more_attributes_than_instances_share() -> None:
    new = Connection({"type": "websocket"}, None, None, lambda connection: EndedHandler())
    assert len(vars(new)) < 30  # `call_queue` follows


@pytest.mark.parametrize("application", [Room, SocketConsumer])
async def test_what_connects_a_connection_to_its_class_has_no_dict(application) -> None:
    async with SocketCommunicator(application.as_asgi()):
        (connection,) = current_hub().members.values()
        assert not hasattr(connection.handler, "__dict__")


class Member(SocketConsumer):
    groups = ["members"]

    async def connect(self):
        self.add_group("first" if self.channel_name else "second")


class Worker(AsyncAPIConsumer):
    authentication_classes = [BasicAuthentication]

    @action()
    async def work(self):
        await self.begin()
        return len(self.detached_tasks), 200

    @detached
    async def begin(self):
        await asyncio.Event().wait()


def has_own_keys(instance) -> bool:
    """Whether the names of its attributes are kept for it alone: a copy has keys of its own."""
    return sys.getsizeof(vars(instance)) >= sys.getsizeof(dict(vars(instance)))


@pytest.mark.parametrize("consumer_class", [Member, Worker])
async def test_consumers_that_connect_at_once_share_their_keys(consumer_class) -> None:
    application = consumer_class.as_asgi()
    async with AsyncExitStack() as stack:
        sockets = [SocketCommunicator(application) for _ in range(100)]
        await asyncio.gather(*(stack.enter_async_context(socket) for socket in sockets))
        for socket in sockets if consumer_class is Worker else ():
            await socket.send_json({"action": "work", "request_id": 1})
            await socket.expect_reply(1, data=1)
        consumers = [member.handler.consumer for member in current_hub().members.values()]
        assert len(consumers) == 100
        assert not any(map(has_own_keys, consumers))
