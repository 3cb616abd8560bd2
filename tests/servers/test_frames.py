"""Clients send and receive frames through a real server."""

import asyncio
import threading

import pytest
from django.urls import path

from rest_channels.consumers import SocketConsumer
from rest_channels.decorators import socket_route
from rest_channels.views import SocketRouteView, SocketView


class Echo(SocketView):
    async def receive(self, request):
        self.send_json(request.data)


class Room(SocketView):
    def connect(self, request, name):
        self.join(f"room-{name}")

    def receive(self, request, name):
        self.broadcast(f"room-{name}", request.data)


class Mirror(SocketConsumer):
    async def connect(self):
        offered = self.scope["subprotocols"]
        self.accept(offered[-1] if offered else None)

    async def receive(self, text_data=None, bytes_data=None):
        self.send(text_data, bytes_data)


class Meeting(SocketView):
    place = threading.Barrier(25)

    def receive(self, request):
        self.place.wait(10)
        self.send_json("met")


class Closing(SocketView):
    def receive(self, request):
        self.send_json("bye")
        self.close(*request.data)


class Sums(SocketRouteView):
    @socket_route
    def add(self, request, data):
        return sum(data)


urlpatterns = [
    path("echo/", Echo.as_asgi()),
    path("room/<name>/", Room.as_asgi()),
    path("mirror/", Mirror.as_asgi()),
    path("meeting/", Meeting.as_asgi()),
    path("closing/", Closing.as_asgi()),
    path("sums/", Sums.as_asgi()),
]


async def test_every_member_receives_the_messages_of_a_client_in_order(server) -> None:
    async with (
        server.connect("frames/room/a/") as ada,
        server.connect("frames/room/a/") as ben,
        server.connect("frames/room/b/") as eve,
    ):
        for number in range(20):
            await ada.send_json(number)
        assert [await ada.receive_json() for _ in range(20)] == list(range(20))
        assert [await ben.receive_json() for _ in range(20)] == list(range(20))
        await eve.send_json("alone")
        assert await eve.receive_json() == "alone"


@pytest.mark.parametrize("frame", ["grün \U0001f3bc", "x" * 60_000, b"\x00\xff", b"x" * 60_000])
async def test_text_and_bytes_arrive_unchanged(server, frame) -> None:
    async with server.connect("frames/mirror/") as client:
        await client.send(frame)
        assert await asyncio.wait_for(client.recv(), 10) == frame


async def test_the_server_accepts_the_subprotocol_that_the_consumer_chose(server) -> None:
    async with server.connect("frames/mirror/", subprotocols=["v1", "v2"]) as client:
        assert client.subprotocol == "v2"


@pytest.mark.parametrize("code", [1000, 3000, 4404, 4999])
async def test_a_client_receives_the_close_code_and_reason_after_the_last_frame(
    server, code
) -> None:
    async with server.connect("frames/closing/") as client:
        await client.send_json([code, "the end of 'ü'"])
        assert await client.receive_json() == "bye"
        # daphne sends no reasons.
        reason = "" if server.kind == "daphne" else "the end of 'ü'"
        assert await client.receive_close() == (code, reason)


@pytest.mark.parametrize("code", [1001, 1011])
async def test_on_uvicorn_a_view_can_close_with_codes_of_the_protocol_itself(
    shared_server, code
) -> None:
    # autobahn, the WebSocket library of daphne, only lets applications close with 1000 and 3000+.
    server = shared_server("uvicorn")
    async with server.connect("frames/closing/") as client:
        await client.send_json([code])
        assert await client.receive_json() == "bye"
        assert (await client.receive_close())[0] == code


async def test_def_handlers_of_fifty_connections_run_in_parallel(server) -> None:
    clients = [await server.connect("frames/meeting/") for _ in range(50)]
    for client in clients:
        await client.send_json(None)
    assert [await client.receive_json() for client in clients] == ["met"] * 50
    for client in clients:
        await client.close()


async def test_a_thousand_frames_sent_at_once_are_all_answered_in_order(server) -> None:
    async with server.connect("frames/sums/") as client:
        for number in range(1_000):
            await client.send_json({"method": "add", "data": [number, 1], "request_id": number})
        replies = [await client.receive_json() for _ in range(1_000)]
    assert [reply["request_id"] for reply in replies] == list(range(1_000))
    assert [reply["data"] for reply in replies] == list(range(1, 1_001))


async def test_the_server_answers_a_ping_on_the_path_of_a_view(server) -> None:
    async with server.connect("frames/sums/") as client:
        await client.send_json({"$ping": 1})
        assert await client.receive_json() == {"$pong": 1}


async def test_the_server_serves_http_requests_too(server) -> None:
    _response, body = await server.get("hello/")
    assert body == "hello"
