"""A client with thousands of sockets that are idle: `python -m benchmarks.crowd` takes commands.

The sockets connect from several addresses of localhost, because each has only some 28,000 ports.
"""

import asyncio
import gc
import json
import sys
from contextlib import suppress

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .frames import FRAMES, is_correct
from .processes import serve_commands

#: How many sockets connect at once.
BATCH = 100
#: How many sockets connect from one address.
PER_ADDRESS = 2_500
#: Seconds between two frames of one socket.
PAUSE = 0.05


class Idler(WSListener):
    """One socket. It ends this process when the server closes it."""

    def __init__(self, crowd: "Crowd") -> None:
        self.crowd = crowd

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the socket."""
        self.crowd.transports.append(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count answers."""
        if frame.msg_type == WSMsgType.TEXT:
            self.crowd.answers += 1
            self.crowd.last = frame.get_payload_as_utf8_text()
        elif frame.msg_type == WSMsgType.CLOSE:
            sys.exit(f"closed by the server: {frame.get_close_code()}")


class Crowd:
    """The commands: each public method is one."""

    def __init__(self) -> None:
        self.transports: list[WSTransport] = []
        self.answers = 0
        self.last = ""

    async def connect(self, port: int, path: str, count: int) -> int:
        """Open `count` more sockets, and return how many there are."""
        first = len(self.transports)
        for batch in range(first, first + count, BATCH):
            numbers = range(batch, min(batch + BATCH, first + count))
            await asyncio.gather(*(self.open(port, path, number) for number in numbers))
        return len(self.transports)

    async def open(self, port: int, path: str, number: int) -> None:
        """Open one socket, from an address that its number chooses."""
        url = f"ws://127.0.0.1:{port}/{path}/"
        source = (f"127.0.0.{2 + number // PER_ADDRESS}", 0)
        with suppress(OSError):  # systems other than Linux have only 127.0.0.1
            await ws_connect(lambda: Idler(self), url, local_addr=source)
            return
        await ws_connect(lambda: Idler(self), url)

    async def exchange(self, application: str, seconds: float, sockets: int) -> int:
        """Send a frame on some of the sockets every `PAUSE` seconds. Return the answers."""
        self.answers = 0
        frame = json.dumps(FRAMES[application]).encode()
        for _ in range(round(seconds / PAUSE)):
            for transport in self.transports[:sockets]:
                transport.send(WSMsgType.TEXT, frame)
            await asyncio.sleep(PAUSE)
        if not is_correct(application, self.last):
            raise RuntimeError(f"wrong answer: {self.last!r:.200}")
        return self.answers


async def main() -> None:
    """Run commands until standard input ends."""
    gc.disable()  # its stops would look like those of the server
    crowd = Crowd()
    await serve_commands({"connect": crowd.connect, "exchange": crowd.exchange})


if __name__ == "__main__":
    uvloop.run(main())
