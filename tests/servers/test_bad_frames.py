"""Frames that break the protocol or a limit end one connection with a readable code."""

import pytest
from django.urls import path
from websockets.frames import Frame, Opcode

from rest_channels.views import SocketView


class Echo(SocketView):
    async def connect(self, request):
        self.send_json("open")

    async def receive(self, request):
        self.send_json(request.data)


urlpatterns = [path("echo/", Echo.as_asgi())]


async def still_serves(server) -> bool:
    async with server.connect("bad_frames/echo/") as client:
        return await client.receive_json() == "open"


def allowed_codes(server, code) -> set[int]:
    """Return the close codes that a client may receive where the protocol asks for `code`.

    daphne uses autobahn, which drops the connection (1006). Below 3000 it only lets applications
    send 1000.
    """
    return {1006} if server.kind == "daphne" else {code}


async def test_a_frame_above_the_size_limit_closes_the_connection_with_4413(
    server,
) -> None:
    async with server.connect("bad_frames/echo/") as client:
        await client.send("x" * 65 * 1024)
        code = (await client.receive_close())[0]
    assert code == 4413
    assert await still_serves(server)


async def test_the_size_limit_counts_all_fragments_of_a_message(server) -> None:
    async with server.connect("bad_frames/echo/") as client:
        await client.send(["x" * 1_000] * 100)
        code = (await client.receive_close())[0]
    assert code == 4413


@pytest.mark.parametrize(("size", "code"), [(10_000_000, 4413), (17_000_000, 1009)])
async def test_a_frame_of_megabytes_closes_the_connection(server, size, code) -> None:
    async with server.connect("bad_frames/echo/", compression=None) as client:
        client.send_raw(Frame(Opcode.TEXT, b"x" * size))  # uvicorn's own limit is 16 MiB
        assert (await client.receive_close())[0] in allowed_codes(server, code)
    assert await still_serves(server)


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_invalid_utf8_in_a_text_frame_closes_the_connection_with_1007(
    shared_server, kind
) -> None:
    server = shared_server(kind)  # unchecked: uvicorn logs a traceback for this
    server.log()
    async with server.connect("bad_frames/echo/") as client:
        client.send_raw(Frame(Opcode.TEXT, b'"\xff\xfe"'))
        assert (await client.receive_close())[0] in allowed_codes(server, 1007)
    assert await still_serves(server)
    assert "rest_channels" not in server.log()


MASK = b"\0\0\0\0"


@pytest.mark.parametrize(
    "frame",
    [
        b"\xb1\x82" + MASK + b"{}",  # extensions that were not negotiated
        b"\x80\x82" + MASK + b"{}",  # a continuation without a first frame
        b"\x89\xfe\x00\x7e" + MASK + b"x" * 126,  # a ping that is too long
        b"\x81\x02{}",  # not masked
        b"\x88\x82" + MASK + b"\x03\xe7",  # close code 999
        b"\x83\x80" + MASK,  # an unknown opcode
    ],
)
async def test_an_invalid_frame_closes_the_connection_with_1002(server, frame) -> None:
    async with server.connect("bad_frames/echo/", compression=None) as client:
        client.send_raw(frame)
        assert (await client.receive_close())[0] in allowed_codes(server, 1002)
    assert await still_serves(server)


async def test_frames_with_invalid_json_are_answered_and_the_connection_stays_open(server) -> None:
    bad = ["", "{", "NaN", "[1e999]", "[" * 10_000, '"\\ud800"', "1" * 5_000, b"", b"\xff"]
    async with server.connect("bad_frames/echo/") as client:
        assert await client.receive_json() == "open"
        for frame in bad:
            await client.send(frame)
        assert [(await client.receive_json())["status"] for _ in bad] == [400] * len(bad)
        await client.send_json("fine")
        assert await client.receive_json() == "fine"


async def test_a_flood_closes_the_connection_with_4429_and_others_are_still_served(server) -> None:
    async with server.connect("bad_frames/echo/") as client:
        frame = Frame(Opcode.TEXT, b"0").serialize(mask=True)
        client.send_raw(frame * 5_000)
        assert (await client.receive_close())[0] == 4429
    assert await still_serves(server)


async def test_a_message_may_have_control_frames_between_its_fragments(server) -> None:
    async with server.connect("bad_frames/echo/") as client:
        assert await client.receive_json() == "open"
        client.send_raw(
            Frame(Opcode.TEXT, b'"a', fin=False),
            Frame(Opcode.PING, b"?"),
            Frame(Opcode.CONT, b'b"'),
        )
        assert await client.receive_json() == "ab"
