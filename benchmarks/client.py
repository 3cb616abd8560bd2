"""The client of the end-to-end cases, in a process of its own: picows on uvloop.

`python -m benchmarks.client ORDER` (JSON, see `cases/end_to_end.py`)
prints the samples as JSON, frames per second: `{"echo": {"ours": [...]}, ...}`; under `"cpu"` the
same with the CPU time of the servers per frame, in µs (with `"pids"`, where there is a `/proc`),
which other work on the machine disturbs less. `"busy"` is the largest share of a CPU that the
client itself took: near 1, it would be the bottleneck.
"""

import asyncio
import json
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .cases.echo import ANSWER, FRAME
from .cases.fanout import PAYLOADS

#: Between a payload and how many of it are to be in flight at a time, in the name of a kind.
STREAM = " × "
PATIENCE = 60
BATCH = 50


class Crowd:
    """All sockets to one application of one server, and what they have received."""

    def __init__(self) -> None:
        self.transports: list[WSTransport] = []
        self.received = 0
        self.waited_for = -1
        self.arrived = asyncio.Event()
        self.echoing = False
        self.last = b""

    async def connect(self, url: str, count: int) -> None:
        """Open `count` sockets, some at a time."""
        for _ in range(0, count, BATCH):
            await asyncio.gather(*(ws_connect(lambda: Member(self), url) for _ in range(BATCH)))

    def take(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame of one socket."""
        self.received += 1
        if self.echoing:
            transport.send(WSMsgType.TEXT, FRAME_BYTES)
        elif self.received == self.waited_for:
            self.last = frame.get_payload_as_bytes()
            self.arrived.set()

    async def until(self, received: int) -> None:
        """Wait until so many frames have been received."""
        self.waited_for = received
        self.arrived.clear()
        if self.received < received:
            async with asyncio.timeout(PATIENCE):
                await self.arrived.wait()

    async def echo(self, seconds: float) -> float:
        """Frames per second while every socket sends its next frame when it was answered."""
        before = self.received
        self.echoing = True
        for transport in self.transports:
            transport.send(WSMsgType.TEXT, FRAME_BYTES)
        await asyncio.sleep(seconds / 5)
        start, count = perf_counter(), self.received
        await asyncio.sleep(seconds)
        rate = (self.received - count) / (perf_counter() - start)
        self.echoing = False
        await asyncio.sleep(0.1)
        await self.settle(before)
        return rate

    async def settle(self, before: int) -> None:
        """Wait until nothing is under way, and look at one last echo."""
        while before < self.received:
            before = self.received
            await asyncio.sleep(0.2)
        await self.probe()

    async def probe(self) -> None:
        """One echo; it must be right."""
        self.transports[0].send(WSMsgType.TEXT, FRAME_BYTES)
        await self.until(self.received + 1)
        if json.loads(self.last) != ANSWER:
            raise RuntimeError(f"not an echo: {self.last!r:.200}")

    async def fan_out(self, payload: str, seconds: float, in_flight: int) -> float:
        """Frames per second while one socket publishes, `in_flight` at a time.

        It publishes again when all sockets have received the first of them.
        """
        content = PAYLOADS[payload]
        frame = json.dumps(content).encode()
        start, before, published = perf_counter(), self.received, 0
        while perf_counter() - start < seconds:
            self.transports[0].send(WSMsgType.TEXT, frame)
            published += 1
            await self.until(before + max(0, published - in_flight + 1) * len(self.transports))
        expected = before + published * len(self.transports)
        await self.until(expected)
        elapsed = perf_counter() - start
        await asyncio.sleep(0.05)
        if self.received != expected or json.loads(self.last) != content:
            raise RuntimeError(f"{self.received} of {expected} received, last {self.last!r:.200}")
        return (expected - before) / elapsed


class Member(WSListener):
    """One socket."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is over."""
        self.crowd.transports.append(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Only text frames are expected; anything else ends the benchmark."""
        if frame.msg_type == WSMsgType.TEXT:
            self.crowd.take(transport, frame)
        elif frame.msg_type == WSMsgType.CLOSE:
            sys.exit(f"closed by the server: {frame.get_close_code()}")


FRAME_BYTES = FRAME.encode()


def cpu_time(pid: int) -> float:
    """Seconds of CPU that a process has used; 0 where nobody can say."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def run(order: dict[str, Any]) -> dict[str, Any]:
    """Connect to all servers, warm up, then measure in turns."""
    names, seconds = list(order["ports"]), order["seconds"]
    kinds, count = order["kinds"], order["sockets"]
    crowds = {name: await connect(ports, count, kinds) for name, ports in order["ports"].items()}
    for name in names:
        for kind in kinds:
            await measure(crowds[name], kind, 0.2)
    samples: dict[str, Any] = {kind: defaultdict(list) for kind in kinds}
    cpu: dict[str, Any] = {kind: defaultdict(list) for kind in kinds}
    busy = 0.0
    for _ in range(order["rounds"]):
        for kind in kinds:
            for name in names:
                own, start = process_time(), perf_counter()
                before = sum(map(cpu_time, order["pids"][name]))
                rate, frames = await measure(crowds[name], kind, seconds)
                used = sum(map(cpu_time, order["pids"][name])) - before
                samples[kind][name].append(rate)
                cpu[kind][name].append(1e6 * used / frames)
                busy = max(busy, (process_time() - own) / (perf_counter() - start))
    return samples | {"busy": busy, "cpu": cpu}


async def connect(ports: Sequence[int], count: int, kinds: Sequence[str]) -> dict[str, Crowd]:
    """A crowd at each application that is to be measured, spread over the servers."""
    crowds = {"echo" if kind == "echo" else "room": Crowd() for kind in kinds}
    for path, crowd in crowds.items():
        for port in ports:
            await crowd.connect(f"ws://127.0.0.1:{port}/{path}/", count // len(ports))
    if "echo" in crowds:
        await crowds["echo"].probe()
    return crowds


async def measure(crowds: dict[str, Crowd], kind: str, seconds: float) -> tuple[float, int]:
    """Frames per second, and how many there were in all."""
    crowd = crowds["echo" if kind == "echo" else "room"]
    before = crowd.received
    if kind == "echo":
        return await crowd.echo(seconds), crowd.received - before
    payload, _, in_flight = kind.partition(STREAM)
    rate = await crowd.fan_out(payload, seconds, int(in_flight or 1))
    return rate, crowd.received - before


def main() -> None:
    """Do as the first argument says."""
    print(json.dumps(uvloop.run(run(json.loads(sys.argv[1])))))


if __name__ == "__main__":
    main()
