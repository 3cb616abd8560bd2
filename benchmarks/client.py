"""The client of the end-to-end cases, in a process of its own: picows on uvloop.

`python -m benchmarks.client OPTIONS` takes JSON (see `serving.drive`) and prints JSON:

* frames per second: `{"echo": {"ours": [...]}, ...}`
* `"cpu"`: in the same form, the CPU time per frame in µs, of each process that `"pids"` names.
* `"memory"`: by server, the resident bytes that each socket added, from its connect to the end.
* `"busy"`: the largest share of a CPU that the client used. Near 1, the client is the bottleneck.
"""

import asyncio
import json
import sys
import zlib
from collections import defaultdict
from collections.abc import Sequence
from time import perf_counter, process_time
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .accounting import cpu_seconds, resident_bytes
from .frames import FRAMES, is_correct
from .workloads.sending import PAYLOADS

#: Separates a payload from its number in flight, in the name of a kind.
IN_FLIGHT_SEPARATOR = " × "
#: Seconds to wait for frames.
TIMEOUT = 60
#: How many sockets connect at once.
BATCH = 50
#: Sockets of each group that connect before the memory is measured.
FIRST = 10
#: What a client sends that takes compressed frames. It sends none itself.
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate"}


class ClientGroup:
    """All sockets to one application, and the frames that they have received."""

    def __init__(self, deflate: bool = False) -> None:
        self.deflate = deflate
        self.transports: list[WSTransport] = []
        self.received = 0
        self.expected = -1
        self.arrived = asyncio.Event()
        self.echoing = False
        self.last = b""
        self.first = b""
        self.decompressor = zlib.decompressobj(wbits=-zlib.MAX_WBITS)

    async def connect(self, url: str, count: int) -> None:
        """Open `count` sockets in batches."""
        headers = OFFER if self.deflate else None
        for first in range(0, count, BATCH):
            batch = range(first, min(first + BATCH, count))
            connecting = (ws_connect(self.make_member, url, extra_headers=headers) for _ in batch)
            await asyncio.gather(*connecting)

    def make_member(self) -> "Member":
        """Return a new socket."""
        return Member(self)

    def on_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count a frame, and answer it while echoing. Only the first socket decompresses."""
        self.received += 1
        if self.deflate and transport is self.transports[0]:
            self.first = self.inflate(frame)
        if self.echoing:
            transport.send(WSMsgType.TEXT, FRAME_BYTES)
        elif self.received == self.expected:
            self.last = self.first if self.deflate else frame.get_payload_as_bytes()
            self.arrived.set()

    def inflate(self, frame: WSFrame) -> bytes:
        """Return the decompressed payload of a frame of the first socket."""
        if not frame.rsv1:
            sys.exit("the server does not compress")
        return self.decompressor.decompress(frame.get_payload_as_bytes() + DEFLATE_END)

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


#: What a sender leaves out at the end of each compressed message (RFC 7692).
DEFLATE_END = b"\x00\x00\xff\xff"
FRAME_BYTES = json.dumps(FRAMES["echo"]).encode()


async def run(options: dict[str, Any]) -> dict[str, Any]:
    """Connect to all servers, warm up, then measure them in turns."""
    seconds, pids = options["seconds"], options["pids"]
    kinds, names = options["kinds"], list(options["ports"])
    groups, before = {}, {}
    for name in names:
        groups[name] = make_groups(kinds, options["deflate"])
        await connect(groups[name], options["ports"][name], FIRST)
        await warm_up(groups[name], kinds)
        before[name] = resident_bytes(pids[name][0])
        await connect(groups[name], options["ports"][name], options["sockets"] - FIRST)
    for name in names:
        await warm_up(groups[name], kinds)
    samples: dict[str, Any] = {kind: defaultdict(list) for kind in kinds}
    cpu: dict[str, Any] = {kind: defaultdict(list) for kind in kinds}
    busy = 0.0
    for _ in range(options["rounds"]):
        for kind in kinds:
            for name in names:
                own_cpu, start = process_time(), perf_counter()
                clocks = [cpu_seconds(pid) for pid in pids[name]]
                rate, frames = await measure(groups[name], kind, seconds)
                pairs = zip(pids[name], clocks, strict=True)
                used = [cpu_seconds(pid) - clock for pid, clock in pairs]
                samples[kind][name].append(rate)
                cpu[kind][name].append([1e6 * each / frames for each in used])
                busy = max(busy, (process_time() - own_cpu) / (perf_counter() - start))
    added = len(groups[names[0]]) * (options["sockets"] - FIRST) / len(options["ports"][names[0]])
    memory = {name: (resident_bytes(pids[name][0]) - before[name]) / added for name in names}
    return samples | {"busy": busy, "cpu": cpu, "memory": memory}


def make_groups(kinds: Sequence[str], deflate: bool) -> dict[str, ClientGroup]:
    """Return a group for each application, by its path."""
    return {"echo" if kind == "echo" else "room": ClientGroup(deflate) for kind in kinds}


async def connect(groups: dict[str, ClientGroup], ports: Sequence[int], count: int) -> None:
    """Connect `count` sockets to each application, spread over the servers."""
    for path, group in groups.items():
        for port in ports:
            await group.connect(f"ws://127.0.0.1:{port}/{path}/", count // len(ports))
    if "echo" in groups:
        await groups["echo"].check_echo()


async def warm_up(groups: dict[str, ClientGroup], kinds: Sequence[str]) -> None:
    """Send all kinds once, without measuring."""
    for kind in kinds:
        await measure(groups, kind, 0.2)


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
