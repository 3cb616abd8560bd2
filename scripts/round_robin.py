"""A TCP proxy with one address that passes each new connection to the next of several servers."""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterable
from contextlib import suppress
from typing import Self

Address = tuple[str, int]
CHUNK = 64 * 1024


class RoundRobin:
    """`async with RoundRobin(listener, targets):` serves `listener` until the block ends.

    Each round begins with another server. Otherwise a page that opens as many connections as there
    are servers would have its first one at the same server after each reload.
    """

    def __init__(self, listener: socket.socket, targets: Iterable[Address]) -> None:
        self._listener = listener
        self._targets = tuple(targets)
        self._accepted = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, sock=self._listener)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await stop_accepting(self._server.sockets)
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        if not self._server.is_serving():  # the connection arrived while the server closed
            writer.transport.abort()
            return
        finished, place = divmod(self._accepted, len(self._targets))
        first = (finished + place) % len(self._targets)
        self._accepted += 1
        order = self._targets[first:] + self._targets[:first]
        task = asyncio.create_task(serve(reader, writer, order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def stop_accepting(listeners: Iterable[socket.socket]) -> None:
    """Accept no more connections, before a server that has these sockets is closed.

    `close` of an asyncio server forgets a connection whose transport is not yet made: its client
    waits until the garbage collector closes the socket (CPython 3.13). Here it is made first.
    """
    for listener in listeners:
        asyncio.get_running_loop().remove_reader(listener.fileno())
    await asyncio.sleep(0)


async def serve(reader: StreamReader, writer: StreamWriter, targets: Iterable[Address]) -> None:
    """Connect a client to the first of `targets` that is up, until both sides have closed."""
    writers = [writer]
    try:
        target_reader, target_writer = await connect(targets)
        writers.append(target_writer)
        async with asyncio.TaskGroup() as directions:
            directions.create_task(copy(reader, target_writer))
            directions.create_task(copy(target_reader, writer))
        for end in writers:
            end.close()
        for end in writers:
            await end.wait_closed()  # sends what is still in the buffer
    except* OSError:
        pass  # one side was lost, so the other one is closed
    finally:
        for end in writers:
            end.transport.abort()


async def connect(targets: Iterable[Address]) -> tuple[StreamReader, StreamWriter]:
    """Connect to the first of `targets` that is up.

    Raises:
        ConnectionRefusedError: if none is up.
    """
    for host, port in targets:
        with suppress(OSError):
            return await asyncio.open_connection(host, port)
    raise ConnectionRefusedError("No server is up.")


async def copy(reader: StreamReader, writer: StreamWriter) -> None:
    """Copy bytes with back-pressure. At the end, close this direction only."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
