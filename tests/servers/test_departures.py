"""A client that disconnects or vanishes leaves nothing behind."""

import asyncio
import socket
import struct
import threading

import pytest
from django.urls import path

from rest_channels.engine.publish import current_hub
from rest_channels.views import SocketView

may_end = threading.Event()


class Leaving(SocketView):
    """Its handlers hang, and send their end to the monitor of the client."""

    async def connect(self, request, name):
        self.join(f"leaving-{name}")
        self.send_json("open")

    async def disconnect(self, request, name):
        print(f"{name} disconnected", flush=True)
        self.broadcast(f"monitor-{name}", "disconnected")


class Hanging(Leaving):
    async def receive(self, request, name):
        self.send_json("hanging")
        try:
            await asyncio.Event().wait()
        finally:
            self.broadcast(f"monitor-{name}", "cancelled")


class HangingInThread(Leaving):
    def receive(self, request, name):
        self.send_json("hanging")
        may_end.wait(30)


class Monitor(SocketView):
    """Receives the end of the client `name`. On request it counts the members of its group."""

    async def connect(self, request, name):
        self.join(f"monitor-{name}")
        self.send_json("open")

    async def receive(self, request, name):
        may_end.set()
        self.send_json(len(current_hub().groups.get(f"leaving-{name}", ())))


urlpatterns = [
    path("async/<name>/", Hanging.as_asgi()),
    path("def/<name>/", HangingInThread.as_asgi()),
    path("monitor/<name>/", Monitor.as_asgi()),
]


def cut(client) -> None:
    """End the TCP connection without a close frame."""
    client.transport.abort()


def reset(client) -> None:
    """End the TCP connection with a reset."""
    linger = struct.pack("ii", 1, 0)
    client.transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, linger
    )
    client.transport.abort()


@pytest.mark.parametrize("leave", [cut, reset])
async def test_a_lost_connection_cancels_the_handler_and_runs_disconnect_once(
    server, leave
) -> None:
    async with server.connect("departures/monitor/ada/") as monitor:
        assert await monitor.receive_json() == "open"
        client = await server.connect("departures/async/ada/")
        await client.send_json(None)
        assert [await client.receive_json(), await client.receive_json()] == ["open", "hanging"]
        leave(client)
        assert [await monitor.receive_json(), await monitor.receive_json()] == [
            "cancelled",
            "disconnected",
        ]
        await monitor.send_json("count the members")
        assert await monitor.receive_json() == 0
        await client.wait_closed()


@pytest.mark.parametrize("leave", [cut, reset])
async def test_a_def_handler_that_hangs_keeps_no_membership_and_disconnect_runs(
    server, leave
) -> None:
    async with server.connect("departures/monitor/ben/") as monitor:
        assert await monitor.receive_json() == "open"
        client = await server.connect("departures/def/ben/")
        await client.send_json(None)
        assert [await client.receive_json(), await client.receive_json()] == ["open", "hanging"]
        leave(client)
        assert await monitor.receive_json() == "disconnected"
        await monitor.send_json("count the members")
        assert await monitor.receive_json() == 0
        await client.wait_closed()


async def test_fifty_clients_that_vanish_together_all_disconnect(server) -> None:
    async with server.connect("departures/monitor/all/") as monitor:
        assert await monitor.receive_json() == "open"
        clients = [await server.connect("departures/async/all/") for _ in range(50)]
        assert [await client.receive_json() for client in clients] == ["open"] * 50
        for client in clients:
            reset(client)
        assert [await monitor.receive_json() for _ in clients] == ["disconnected"] * 50
        await monitor.send_json("count the members")
        assert await monitor.receive_json() == 0
        for client in clients:
            await client.wait_closed()
