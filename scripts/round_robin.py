"""A TCP proxy that forwards each new connection to the next of several servers in turn."""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Self

Address = tuple[str, int]
CHUNK = 64 * 1024


class RoundRobin:
    """`async with RoundRobin(listener, targets):` serves `listener` inside the block."""

    def __init__(self, listener: socket.socket, targets: Iterable[Address]) -> None:
        self._listener = listener
        self._targets = deque(targets)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, sock=self._listener)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        if not self._server.is_serving():  # accepted while the proxy was closing
            writer.transport.abort()
            return
        order = tuple(self._targets)
        self._targets.rotate(-1)
        task = asyncio.create_task(serve(reader, writer, order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def serve(reader: StreamReader, writer: StreamWriter, targets: Iterable[Address]) -> None:
    """Forward one client to the first of `targets` that is up, until both directions have ended."""
    writers = [writer]
    try:
        target_reader, target_writer = await connect(targets)
        writers.append(target_writer)
        async with asyncio.TaskGroup() as group:
            group.create_task(pump(reader, target_writer))
            group.create_task(pump(target_reader, writer))
        for open_writer in writers:
            open_writer.close()
        for open_writer in writers:
            await open_writer.wait_closed()  # after sending its buffer
    except* OSError:
        pass  # one end is gone: the other is closed below
    finally:
        for open_writer in writers:
            open_writer.transport.abort()


async def connect(targets: Iterable[Address]) -> tuple[StreamReader, StreamWriter]:
    """Connect to the first of `targets` that is up. Raises `ConnectionError` if none is."""
    for host, port in targets:
        with suppress(OSError):
            return await asyncio.open_connection(host, port)
    raise ConnectionRefusedError("No server is up.")


async def pump(reader: StreamReader, writer: StreamWriter) -> None:
    """Forward bytes at the speed of the receiver, then the end of one direction."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
