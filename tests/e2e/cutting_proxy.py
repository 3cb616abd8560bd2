"""A proxy between browsers and several servers that cuts all connections now and then."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle


class CuttingProxy:
    """Sends each new connection to another server than the one before.

    Attributes:
        port: The port to connect to.
        cuts: How often connections were cut.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self.port = 0
        self.cuts = 0
        self._ports = cycle(ports)
        self._open: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield
            self._abort()

    async def cut(self, every: float) -> None:
        """Cut all connections, again and again after `every` seconds."""
        while True:
            await asyncio.sleep(every)
            self.cuts += 1
            self._abort()

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", next(self._ports))
        both = {writer, there[1]}
        self._open |= both
        with suppress(OSError):
            await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        self._open -= both


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
