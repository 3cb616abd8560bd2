"""A client whose thousands of sockets come back: `python -m benchmarks.returning` takes commands.

Each socket gets the position of its group, and then asks for the messages after another one.
"""

import asyncio
import gc
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import perf_counter

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .crowd import BATCH, PER_ADDRESS
from .processes import serve_commands

#: Seconds in which all must have been answered.
TIMEOUT = 60
#: Seconds after which a socket asks again that was told to.
PAUSE = 0.2


class Returning(WSListener):
    """One socket, as a client with a history that has missed messages."""

    def __init__(self, crowd: "ReturningCrowd") -> None:
        self.crowd = crowd
        self.tag = self.epoch = ""
        self.offset = self.end = 0
        self.transport: WSTransport

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the socket."""
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count the messages, and note when the last one is there."""
        if frame.msg_type != WSMsgType.TEXT:
            sys.exit(f"closed by the server: {frame.get_close_code()}")
        content = json.loads(frame.get_payload_as_utf8_text())
        if "$joined" in content:
            [(self.tag, (self.epoch, self.end))] = content["$joined"].items()
            self.crowd.note_joined()
        elif "$resumed" in content:
            self.answered(content["$resumed"][self.tag])
        elif "$at" in content:
            offset = int(content["$at"].rpartition(".")[2])
            if self.crowd.is_asking and offset != self.offset + 1:
                sys.exit(f"{offset} after {self.offset}")
            self.offset = offset

    def has(self, offset: int) -> bool:
        """Return whether `offset` is that of the last message."""
        return self.offset == offset

    def ask(self) -> None:
        """Ask for what follows the offset."""
        frame = {"$resume": {self.tag: [self.epoch, self.offset]}}
        self.transport.send(WSMsgType.TEXT, json.dumps(frame).encode())

    def answered(self, result: str) -> None:
        """Ask again if there is more."""
        if result == "later":
            asyncio.get_running_loop().call_later(PAUSE, self.ask)
        elif result == "more":
            self.ask()
        elif result != "ok" or self.offset != self.end:
            sys.exit(f"{result} at {self.offset} of {self.end}")
        else:
            self.crowd.note_complete()


class ReturningCrowd:
    """The commands: each public coroutine is one."""

    def __init__(self) -> None:
        self.sockets: list[Returning] = []
        self.joined = self.complete = 0
        self.is_asking = False
        self.changed = asyncio.Event()

    def note_joined(self) -> None:
        """Note that one more socket knows its position."""
        self.joined += 1
        self.changed.set()

    def note_complete(self) -> None:
        """Note that one more socket has all messages."""
        self.complete += 1
        if self.complete == len(self.sockets):
            self.changed.set()

    async def connect(self, port: int, path: str, count: int) -> int:
        """Open `count` more sockets, and return how many there are."""
        first = len(self.sockets)
        for batch in range(first, first + count, BATCH):
            numbers = range(batch, min(batch + BATCH, first + count))
            await asyncio.gather(*(self._open(port, path, number) for number in numbers))
        await self._wait(lambda: self.joined == len(self.sockets))
        return len(self.sockets)

    async def _open(self, port: int, path: str, number: int) -> None:
        socket = Returning(self)
        self.sockets.append(socket)
        url = f"ws://127.0.0.1:{port}/{path}/"
        source = (f"127.0.0.{2 + number // PER_ADDRESS}", 0)
        with suppress(OSError):  # systems other than Linux have only 127.0.0.1
            await ws_connect(lambda: socket, url, local_addr=source)
            return
        await ws_connect(lambda: socket, url)

    async def send(self, count: int) -> int:
        """Send messages with the first socket, until they have come back. Return their number."""
        sender = self.sockets[0]
        for number in range(count):
            sender.transport.send(WSMsgType.TEXT, json.dumps({"number": number}).encode())
            await self._wait(partial(sender.has, number + 1))
        sender.end = count
        return sender.offset

    async def come_back(self, missed: int) -> float:
        """Ask on all sockets at once, for 1 to `missed` messages. Return the seconds for all."""
        self.is_asking = True
        for number, socket in enumerate(self.sockets):
            socket.offset = socket.end - 1 - number % missed
        began = perf_counter()
        for socket in self.sockets:
            socket.ask()
        await self._wait(lambda: self.complete == len(self.sockets))
        return perf_counter() - began

    async def _wait(self, is_done: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT):
            while not is_done():
                self.changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await self.changed.wait()


async def main() -> None:
    """Run commands until standard input ends."""
    gc.disable()  # its stops would look like those of the server
    crowd = ReturningCrowd()
    await serve_commands(
        {"connect": crowd.connect, "send": crowd.send, "come_back": crowd.come_back}
    )


if __name__ == "__main__":
    uvloop.run(main())
