"""The client of the end-to-end cases, in a process of its own: picows on uvloop.

`python -m benchmarks.client OPTIONS` takes JSON (see `cases/end_to_end.py`) and prints JSON:

* frames per second: `{"echo": {"ours": [...]}, ...}`
* `"cpu"`: in the same form, the CPU time of the servers per frame in µs. It needs `/proc`.
* `"busy"`: the largest share of a CPU that the client used. Near 1, the client is the bottleneck.
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

from .frames import FRAMES, is_correct
from .workloads.sending import PAYLOADS

#: Separates a payload from its number in flight, in the name of a kind.
IN_FLIGHT_SEPARATOR = " × "
#: Seconds to wait for frames.
TIMEOUT = 60
#: How many sockets connect at once.
BATCH = 50


class ClientGroup:
    """All sockets to one application, and the frames that they have received."""

    def __init__(self) -> None:
        self.transports: list[WSTransport] = []
        self.received = 0
        self.expected = -1
        self.arrived = asyncio.Event()
        self.echoing = False
        self.last = b""

    async def connect(self, url: str, count: int) -> None:
        """Open `count` sockets in batches."""
        for _ in range(0, count, BATCH):
            await asyncio.gather(*(ws_connect(lambda: Member(self), url) for _ in range(BATCH)))

    def on_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count a frame, and answer it while echoing."""
        self.received += 1
        if self.echoing:
            transport.send(WSMsgType.TEXT, FRAME_BYTES)
        elif self.received == self.expected:
            self.last = frame.get_payload_as_bytes()
            self.arrived.set()

    async def wait_for(self, received: int) -> None:
        """Wait until `received` frames have arrived in all."""
        self.expected = received
        self.arrived.clear()
        if self.received < received:
            async with asyncio.timeout(TIMEOUT):
                await self.arrived.wait()

    async def echo(self, seconds: float) -> float:
        """Return frames per second while every socket answers each frame with the next."""
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
        """Wait until no more frames arrive, and check one last echo."""
        while before < self.received:
            before = self.received
            await asyncio.sleep(0.2)
        await self.check_echo()

    async def check_echo(self) -> None:
        """Send one frame, and check its echo."""
        self.transports[0].send(WSMsgType.TEXT, FRAME_BYTES)
        await self.wait_for(self.received + 1)
        if not is_correct("echo", self.last.decode()):
            raise RuntimeError(f"not an echo: {self.last!r:.200}")

    async def fan_out(self, payload: str, seconds: float, in_flight: int) -> float:
        """Return frames per second while one socket publishes, with `in_flight` messages at a time.

        It publishes the next when all sockets have received the oldest.
        """
        content = PAYLOADS[payload]
        frame = json.dumps(content).encode()
        start, before, published = perf_counter(), self.received, 0
        while perf_counter() - start < seconds:
            self.transports[0].send(WSMsgType.TEXT, frame)
            published += 1
            await self.wait_for(before + max(0, published - in_flight + 1) * len(self.transports))
        expected = before + published * len(self.transports)
        await self.wait_for(expected)
        elapsed = perf_counter() - start
        await asyncio.sleep(0.05)
        if self.received != expected or json.loads(self.last) != content:
            raise RuntimeError(f"{self.received} of {expected} received, last {self.last!r:.200}")
        return (expected - before) / elapsed


class Member(WSListener):
    """One socket."""

    def __init__(self, group: ClientGroup) -> None:
        self.group = group

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Add the socket to its group."""
        self.group.transports.append(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Pass on text frames, and exit when the server closes the connection."""
        if frame.msg_type == WSMsgType.TEXT:
            self.group.on_frame(transport, frame)
        elif frame.msg_type == WSMsgType.CLOSE:
            sys.exit(f"closed by the server: {frame.get_close_code()}")


FRAME_BYTES = json.dumps(FRAMES["echo"]).encode()


def cpu_time(pid: int) -> float:
    """Return the CPU seconds of a process; 0 without `/proc`."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def run(options: dict[str, Any]) -> dict[str, Any]:
    """Connect to all servers, warm up, then measure them in turns."""
    names, seconds = list(options["ports"]), options["seconds"]
    kinds, count = options["kinds"], options["sockets"]
    groups = {name: await connect(ports, count, kinds) for name, ports in options["ports"].items()}
    for name in names:
        for kind in kinds:
            await measure(groups[name], kind, 0.2)
    samples: dict[str, Any] = {kind: defaultdict(list) for kind in kinds}
    cpu: dict[str, Any] = {kind: defaultdict(list) for kind in kinds}
    busy = 0.0
    for _ in range(options["rounds"]):
        for kind in kinds:
            for name in names:
                own_cpu, start = process_time(), perf_counter()
                before = sum(map(cpu_time, options["pids"][name]))
                rate, frames = await measure(groups[name], kind, seconds)
                used = sum(map(cpu_time, options["pids"][name])) - before
                samples[kind][name].append(rate)
                cpu[kind][name].append(1e6 * used / frames)
                busy = max(busy, (process_time() - own_cpu) / (perf_counter() - start))
    return samples | {"busy": busy, "cpu": cpu}


async def connect(ports: Sequence[int], count: int, kinds: Sequence[str]) -> dict[str, ClientGroup]:
    """Connect a group to each application, spread over the servers."""
    groups = {"echo" if kind == "echo" else "room": ClientGroup() for kind in kinds}
    for path, group in groups.items():
        for port in ports:
            await group.connect(f"ws://127.0.0.1:{port}/{path}/", count // len(ports))
    if "echo" in groups:
        await groups["echo"].check_echo()
    return groups


async def measure(groups: dict[str, ClientGroup], kind: str, seconds: float) -> tuple[float, int]:
    """Return frames per second, and the number of frames."""
    group = groups["echo" if kind == "echo" else "room"]
    before = group.received
    if kind == "echo":
        return await group.echo(seconds), group.received - before
    payload, _, in_flight = kind.partition(IN_FLIGHT_SEPARATOR)
    rate = await group.fan_out(payload, seconds, int(in_flight or 1))
    return rate, group.received - before


def main() -> None:
    """Run with the options of the first argument."""
    print(json.dumps(uvloop.run(run(json.loads(sys.argv[1])))))


if __name__ == "__main__":
    main()
