"""The attributes of a connection, on which its memory and the speed of broadcasts depend."""

import pytest

from rest_channels.consumers import SocketConsumer
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
