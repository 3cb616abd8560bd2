"""Limits for one client on real servers: sockets of an address, bytes, handshakes."""

import asyncio

import pytest
from websockets.frames import Frame, Opcode

from .conftest import TIMEOUT, Server

NO_LIMITS_OF_WEBSOCKETS = {
    "WEBSOCKETS_MAX_LINE_LENGTH": "1048576",
    "WEBSOCKETS_MAX_NUM_HEADERS": "100000",
}
"""The environment of docs/deployment.md."""

UPGRADE = (
    b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def still_serves(server: Server) -> bool:
    async with server.connect("bad_frames/echo/") as client:
        return await client.receive_json() == "open"


async def first_line(server: Server, *pieces: bytes) -> bytes:
    """The first line of the answer to a request that is sent in pieces."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.05)  # nothing tells that the server has read it
    async with asyncio.timeout(TIMEOUT):
        line = await reader.readline()
    writer.close()
    return line


@pytest.mark.parametrize("kind", ["uvicorn", "uvicorn-asyncio", "daphne"])
async def test_one_socket_more_than_an_address_may_have_is_told_and_closed(
    start_server, kind
) -> None:
    server = start_server(kind, TEST_MAX_SOCKETS_PER_ADDRESS="2")
    server.wait_until_ready()
    async with server.connect("bad_frames/echo/"), server.connect("bad_frames/echo/") as second:
        async with server.connect("bad_frames/echo/") as third:
            assert (await third.receive_json())["retry_after"] == 30
            assert (await third.receive_close())[0] == 4429
        await second.close()
        async with asyncio.timeout(TIMEOUT):
            while not await still_serves(server):
                pass  # the server has not ended the other socket yet


TEXT = "x" * 60_000
FRAME = Frame(Opcode.TEXT, f'"{TEXT}"'.encode()).serialize(mask=True)


@pytest.mark.parametrize("kind", ["uvicorn", "uvicorn-asyncio"])
async def test_uvicorn_slows_down_a_flood_of_bytes_and_still_serves_others(
    checked_server, kind
) -> None:
    server = checked_server(kind)
    async with server.connect("bad_frames/echo/", max_size=None) as client:
        assert await client.receive_json() == "open"
        client.send_raw(FRAME * 110)
        assert await still_serves(server)
        assert [await client.receive_json() for _ in range(110)] == [TEXT] * 110


async def test_daphne_reads_a_flood_of_bytes_so_its_client_is_closed_and_others_are_served(
    checked_server,
) -> None:
    server = checked_server("daphne")
    async with server.connect("bad_frames/echo/", max_size=None) as client:
        assert await client.receive_json() == "open"
        client.send_raw(FRAME * 440)  # so much that also a slow daphne reads it for too long
        assert await still_serves(server)
        assert (await client.receive_close())[0] == 4429


@pytest.mark.parametrize("line", [b"GET /%s HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nCookie: a=%s\r\n"])
async def test_uvicorn_answers_handshakes_with_long_lines_as_the_page_configures_it(
    shared_server, line
) -> None:
    server = shared_server("uvicorn-long-lines", **NO_LIMITS_OF_WEBSOCKETS)
    for size in (9_000, 60_000):
        request = line % (b"x" * size) + UPGRADE
        assert b" 403 " in await first_line(server, request[:size], request[size:])
    assert b" 403 " in await first_line(server, line % b"" + b"x: y\r\n" * 500 + UPGRADE)
