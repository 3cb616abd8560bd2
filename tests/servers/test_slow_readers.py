"""A client that does not read fills only its own outbox, on uvicorn. daphne does not ensure it."""

import asyncio
import socket
import time

import pytest
from django.urls import path

from rest_channels.views import SocketView

FRAME = "x" * 20_000
FRAMES = 600


class Room(SocketView):
    async def connect(self, request, name):
        self.join(f"room-{name}")
        self.send_json("open")

    async def receive(self, request, name):
        self.broadcast(f"room-{name}", [request.data, FRAME])

    async def disconnect(self, request, name):
        self.broadcast(f"room-{name}", "one left")


urlpatterns = [path("<name>/", Room.as_asgi())]


@pytest.fixture(params=["uvicorn", "uvicorn-asyncio"])
def server(request, checked_server):
    return checked_server(request.param)


def connect_without_reading(server, where):
    """Connect a client that reads nothing, with a small receive buffer."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    narrow.connect(("127.0.0.1", server.port))
    # The client stops reading from its socket when one frame waits to be received.
    return server.connect(where, sock=narrow, max_queue=1, compression=None)


async def test_only_the_client_that_stops_reading_is_closed_with_4503(server) -> None:
    where = "slow_readers/one/"
    members = [await server.connect(where, compression=None) for _ in range(4)]
    stalled = await connect_without_reading(server, where)
    assert [await client.receive_json() for client in (*members, stalled)] == ["open"] * 5

    slowest = 0.0
    for number in range(FRAMES):
        sent = time.monotonic()
        await members[0].send_json(number)
        for member in members:
            assert await member.receive_json() == [number, FRAME]
        slowest = max(slowest, time.monotonic() - sent)
        await asyncio.sleep(0)
    assert slowest < 1

    assert await stalled.receive_close() == (4503, "You do not read fast enough. Connect again.")
    for member in members:
        assert await member.receive_json() == "one left"
        await member.close()


async def test_a_client_that_never_reads_again_is_disconnected(uvicorn) -> None:
    where = "slow_readers/two/"
    async with uvicorn.connect(where, compression=None) as member:
        stalled = await connect_without_reading(uvicorn, where)
        assert [await member.receive_json(), await stalled.receive_json()] == ["open", "open"]
        for number in range(FRAMES):
            await member.send_json(number)
            assert await member.receive_json() == [number, FRAME]
        assert await member.receive_json() == "one left"
        stalled.transport.abort()
        await stalled.wait_closed()
