"""A TCP proxy: one address, each new connection goes to the next of several servers in turn."""

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
    """`async with RoundRobin(listener, targets):` serves `listener` as long as the block lasts."""

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
        if not self._server.is_serving():  # it was on its way in when we closed
            writer.transport.abort()
            return
        order = tuple(self._targets)
        self._targets.rotate(-1)
        task = asyncio.create_task(serve(reader, writer, order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def serve(reader: StreamReader, writer: StreamWriter, targets: Iterable[Address]) -> None:
    """Be one client's connection: to the first of `targets` that is up, until both have ended."""
    writers = [writer]
    try:
        there, back = await connect(targets)
        writers.append(back)
        async with asyncio.TaskGroup() as ways:
            ways.create_task(pump(reader, back))
            ways.create_task(pump(there, writer))
        for end in writers:
            end.close()
        for end in writers:
            await end.wait_closed()  # what is still in its buffer leaves first
    except* OSError:
        pass  # one end is gone, so the other one goes
    finally:
        for end in writers:
            end.transport.abort()


async def connect(targets: Iterable[Address]) -> tuple[StreamReader, StreamWriter]:
    """Streams to the first of `targets` that is up. Raises `ConnectionError` if none is."""
    for host, port in targets:
        with suppress(OSError):
            return await asyncio.open_connection(host, port)
    raise ConnectionRefusedError("No server is up.")


async def pump(reader: StreamReader, writer: StreamWriter) -> None:
    """Pass bytes on, no faster than they are taken, and then the end: the other way may go on."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
