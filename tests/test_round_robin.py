"""The proxy of `make demo-cluster`."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from scripts.round_robin import Address, RoundRobin, stop_accepting

PLENTY = 32 * 1024 * 1024  # bytes, more than all buffers on the way hold


@asynccontextmanager
async def server(handle) -> AsyncIterator[Address]:
    """A server that handles connections with `handle(reader, writer)`. They end with it."""
    async with asyncio.TaskGroup() as group:

        async def handled(reader, writer):
            try:
                await handle(reader, writer)
            finally:
                writer.transport.abort()

        tasks = []
        listening = await asyncio.start_server(
            lambda *streams: tasks.append(group.create_task(handled(*streams))), "127.0.0.1", 0
        )
        yield listening.sockets[0].getsockname()
        await stop_accepting(listening.sockets)
        listening.close()
        for task in tasks:
            task.cancel()


def shouting(name: bytes):
    """Send `name`, then all received bytes in capitals, and a dot at the end."""

    async def handle(reader, writer):
        writer.write(name)
        while data := await reader.read(100):
            writer.write(data.upper())
        writer.write(b".")
        writer.close()
        await writer.wait_closed()

    return handle


@asynccontextmanager
async def proxy(*targets: Address) -> AsyncIterator[Address]:
    listener = socket.create_server(("127.0.0.1", 0))
    async with RoundRobin(listener, targets):
        yield listener.getsockname()


@asynccontextmanager
async def client(address: Address):
    reader, writer = await asyncio.open_connection(*address)
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.transport.abort()


@asynccontextmanager
async def through_proxy(handle):
    """The streams of a client that a proxy connects with `handle`."""
    async with server(handle) as target, proxy(target) as address, client(address) as streams:
        yield streams


async def name_of_next(address: Address) -> bytes:
    async with client(address) as (reader, _writer):
        return await reader.read(1)


@pytest.fixture
async def first() -> AsyncIterator[Address]:
    async with server(shouting(b"1")) as address:
        yield address


@pytest.fixture
async def second() -> AsyncIterator[Address]:
    async with server(shouting(b"2")) as address:
        yield address


@pytest.fixture
def down() -> Address:
    """An address where no server listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()


async def test_new_connections_go_to_the_servers_in_turn(first, second) -> None:
    async with proxy(first, second) as address:
        assert {await name_of_next(address) for _ in range(2)} == {b"1", b"2"}
        assert {await name_of_next(address) for _ in range(2)} == {b"1", b"2"}


async def test_the_first_of_two_connections_of_a_page_changes_its_server(first, second) -> None:
    async with proxy(first, second) as address:
        names = [await name_of_next(address) for _ in range(4)]
        assert names[0] != names[2]


async def test_simultaneous_connections_are_shared_evenly(first, second) -> None:
    async with proxy(first, second) as address:
        names = await asyncio.gather(*(name_of_next(address) for _ in range(20)))
        assert names.count(b"1") == names.count(b"2") == 10


async def test_the_next_server_replaces_a_server_that_is_down(down, second) -> None:
    async with proxy(down, second) as address:
        assert [await name_of_next(address) for _ in range(4)] == [b"2"] * 4


async def test_the_proxy_closes_a_connection_when_no_server_is_up(down) -> None:
    async with proxy(down, down) as address, client(address) as (reader, _writer):
        assert await reader.read() == b""


async def test_the_proxy_forwards_bytes_in_both_directions(first) -> None:
    async with proxy(first) as address, client(address) as (reader, writer):
        for text in (b"this", b"and that"):
            writer.write(text)
            await reader.readuntil(text.upper())


async def test_a_client_that_has_finished_sending_still_receives_the_answer(first) -> None:
    async with proxy(first) as address, client(address) as (reader, writer):
        writer.write(b"that is all")
        writer.write_eof()
        assert await reader.read() == b"1THAT IS ALL."


async def test_a_client_whose_server_has_finished_sending_can_still_send() -> None:
    received = asyncio.get_running_loop().create_future()

    async def handle(reader, writer):
        writer.write_eof()
        received.set_result(await reader.read())

    async with through_proxy(handle) as (reader, writer):
        assert await reader.read() == b""
        writer.write(b"anyway")
        writer.write_eof()
        assert await received == b"anyway"


async def test_a_client_that_does_not_read_makes_the_server_wait() -> None:
    sent = 0

    async def handle(reader, writer):
        nonlocal sent
        while sent < PLENTY:
            writer.write(bytes(1024 * 1024))
            await writer.drain()
            sent += 1024 * 1024
        writer.write_eof()
        await reader.read()  # until the client has read all: `drain` returns earlier

    async with through_proxy(handle) as (reader, _writer):
        await reader.read(1)
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.3)
        assert sent < PLENTY
        count = 1
        while data := await reader.read(1024 * 1024):
            count += len(data)
        assert count == PLENTY


async def test_a_server_notices_that_its_client_has_left() -> None:
    noticed = asyncio.Event()

    async def handle(_reader, writer):
        try:
            while True:
                writer.write(b"Are you there?")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            noticed.set()

    async with server(handle) as target, proxy(target) as address:
        async with client(address) as (reader, _writer):
            await reader.readexactly(1)
        await noticed.wait()


async def test_a_client_notices_that_its_server_crashed() -> None:
    async def handle(_reader, writer):
        crash = struct.pack("ii", 1, 0)  # closing sends a reset
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, crash)

    async with through_proxy(handle) as (reader, _writer):
        assert await reader.read() == b""


async def test_the_proxy_leaves_no_connections_or_tasks_when_it_ends(first, second) -> None:
    before = asyncio.all_tasks()
    async with AsyncExitStack() as clients:
        async with proxy(first, second) as address:
            ends = [await clients.enter_async_context(client(address)) for _ in range(4)]
            for reader, _writer in ends:
                await reader.readexactly(1)
            tasks = asyncio.all_tasks() - before
            assert len(tasks) > 8
        for reader, _writer in ends:
            assert await reader.read() == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_a_connection_that_arrives_while_the_proxy_ends_is_closed() -> None:
    async with proxy() as address:
        arriving = socket.create_connection(address)
        for _ in range(2):  # the loop has accepted it, and is about to make its transport
            await asyncio.sleep(0)
    with arriving:
        arriving.setblocking(False)
        async with asyncio.timeout(10):
            assert await receive(arriving) == b""


async def receive(connection: socket.socket) -> bytes:
    """The next bytes, or none if the other side has closed or aborted the connection."""
    try:
        return await asyncio.get_running_loop().sock_recv(connection, 1)
    except ConnectionResetError:
        return b""
