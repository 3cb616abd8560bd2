"""A client that sends different frames at the same time, for the case `latency`.

`python -m benchmarks.mixed` takes commands. It sends at fixed times, whether earlier frames were
answered or not, as independent users do. So a server that stops for a while is late for all frames
that arrive meanwhile.
"""

import asyncio
import gc
import json
from collections import defaultdict, deque
from collections.abc import Callable
from statistics import quantiles
from time import perf_counter

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .processes import serve_commands

MEMBERS = 100
#: Kind of traffic → frames per second. A published message is delivered to all members.
RATES = {"fan-out": 5, "handler": 40, "retrieve": 50}
#: Kind of traffic → the application, and the number of sockets.
SOCKETS = {"fan-out": ("room", MEMBERS), "handler": ("blocking", 25), "retrieve": ("rows", 25)}
#: Seconds that a `def` handler sleeps.
SLEEP = 0.010
#: Seconds to wait for late answers.
TIMEOUT = 30.0


class Traffic(WSListener):
    """All sockets of one kind to one server, and the delays of their answers."""

    def __init__(self, frame: Callable[[float], bytes]) -> None:
        self.frame = frame
        self.transports: list[WSTransport] = []
        #: When the frames that a socket has not yet had answered were sent.
        self.sent: dict[WSTransport, deque[float]] = defaultdict(deque)
        self.delays: list[float] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Add a socket."""
        self.transports.append(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Note the delay of an answer. A socket receives its answers in the order of its frames."""
        if frame.msg_type != WSMsgType.TEXT:
            return
        now = perf_counter()
        content = json.loads(frame.get_payload_as_bytes())
        sent = content["at"] if "at" in content else self.sent[transport].popleft()
        if content.get("status", content.get("response_status", 200)) != 200:
            raise RuntimeError(f"wrong answer: {content!r:.200}")
        self.delays.append(now - sent)

    def send(self, number: int) -> None:
        """Send a frame on the next socket."""
        transport, now = self.transports[number % len(self.transports)], perf_counter()
        self.sent[transport].append(now)
        transport.send(WSMsgType.TEXT, self.frame(now))

    async def send_at(self, rate: int, seconds: float) -> int:
        """Send `rate` frames per second for `seconds`, and return their number."""
        start, count = perf_counter(), round(rate * seconds)
        for number in range(count):
            await asyncio.sleep(start + number / rate - perf_counter())
            self.send(number)
        return count

    async def wait_for(self, count: int) -> list[float]:
        """Return the delays when there are `count`."""
        async with asyncio.timeout(TIMEOUT):
            while len(self.delays) < count:  # noqa: ASYNC110 - an event would cost time per frame
                await asyncio.sleep(0.01)
        delays, self.delays = self.delays, []
        self.sent.clear()
        return delays


class Mix:
    """The commands: each public method is one."""

    def __init__(self) -> None:
        self.servers: dict[str, dict[str, Traffic]] = {}

    async def connect(self, name: str, port: int, pk: int) -> None:
        """Open all sockets to a server."""
        retrieve = json.dumps({"action": "retrieve", "request_id": 1, "pk": pk}).encode()
        wait = json.dumps({"method": "wait", "data": SLEEP}).encode()
        self.servers[name] = traffics = {
            "fan-out": Traffic(lambda now: json.dumps({"at": now, "text": "hello"}).encode()),
            "handler": Traffic(lambda now: wait),
            "retrieve": Traffic(lambda now: retrieve),
        }
        for kind, traffic in traffics.items():
            path, count = SOCKETS[kind]
            url = f"ws://127.0.0.1:{port}/{path}/"
            for _ in range(count):
                await ws_connect(lambda traffic=traffic: traffic, url)

    async def measure(self, name: str, seconds: float) -> dict[str, dict[str, float]]:
        """Send all kinds at once. Return the median and the 99th percentile of each in seconds."""
        traffics = self.servers[name]
        gc.collect()
        gc.disable()
        sending = [traffic.send_at(RATES[kind], seconds) for kind, traffic in traffics.items()]
        counts = dict(zip(traffics, await asyncio.gather(*sending), strict=True))
        counts["fan-out"] *= MEMBERS
        delays = {kind: await traffics[kind].wait_for(counts[kind]) for kind in traffics}
        gc.enable()
        return {kind: percentiles(values) for kind, values in delays.items()}


def percentiles(delays: list[float]) -> dict[str, float]:
    """Return the median and the 99th percentile."""
    cuts = quantiles(delays, n=100, method="inclusive")
    return {"median": cuts[49], "p99": cuts[98]}


async def main() -> None:
    """Run commands until standard input ends."""
    mix = Mix()
    await serve_commands({"connect": mix.connect, "measure": mix.measure})


if __name__ == "__main__":
    uvloop.run(main())
