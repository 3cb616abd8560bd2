"""What a `def` may call after its connection has ended."""

import asyncio
import threading

import pytest

from rest_channels.engine import ending
from rest_channels.socket_consumer import SocketConsumer
from rest_channels.testing import SocketCommunicator

CALLS = {
    "accept": lambda room: room.accept(),
    "add": lambda room: room.add_group("news"),
    "close": lambda room: room.close(),
    "remove": lambda room: room.remove_group("lobby"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_def_that_outlives_its_connection_waits_for_no_loop_that_may_have_ended(
    name, gate, monkeypatch
) -> None:
    class Room(SocketConsumer):
        groups = ["lobby"]

        def receive_json(self, content):
            gate.pass_through()
            CALLS[name](self)
            done.set()

    monkeypatch.setattr(ending, "END_TIMEOUT", 0.01)
    done = threading.Event()
    async with SocketCommunicator(Room.as_asgi()) as socket:
        await socket.send_json(None)
        assert await asyncio.to_thread(gate.reached.wait, 5)
    gate.opened.set()
    assert done.wait(2)  # the loop does nothing meanwhile
