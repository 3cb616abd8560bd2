"""Fan-out within one process: one frame in, and one frame out for each member of the group.

The time is from the arrival of the frame until the `send` of the last member is called. The CPU
time is that of the whole process until it is idle again: raw Channels has much work left after the
last `send`. It uses the in-memory layer, with a capacity that drops nothing.
"""

import json
import sys
from collections.abc import Sequence
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple

from ..driver import Arrivals, OneMessageEach, Socket, close_sockets, open_sockets, settle
from ..measuring import Line, Plan, Requirement, interleave, medians, over_raw
from ..peers import Peer

SMALL = {"type": "note", "text": "hello", "id": 1}
#: A page of about a hundred rows, as from a model serializer.
LARGE = {
    "type": "page",
    "rows": [
        {
            "id": number,
            "title": f"Composition no. {number}",
            "owner": number % 7,
            "tempo": 96.5,
            "published": number % 3 == 0,
            "created": "2026-11-21T10:53:49.123456Z",
            "updated": "2026-11-21T10:55:02.654321Z",
            "tags": [number % 5, number % 3 + 7],
        }
        for number in range(105)
    ],
}
PAYLOADS = {"small": SMALL, "20 kB": LARGE}

#: The required factor over raw, by the number of members. Python 3.12 added eager tasks.
REQUIRED_FACTORS = (
    {1_000: 200, 5_000: 1_000} if sys.version_info >= (3, 12) else {1_000: 80, 5_000: 400}
)


class Timing(NamedTuple):
    """Seconds per publish."""

    wall: float
    cpu: float


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure milliseconds per publish, and the CPU time per delivery."""
    lines: list[Line] = []
    cpu: dict[tuple[str, int], dict[str, float]] = {}
    for members in (100, 1_000, 5_000):
        present = [p for p in peers if not (plan.quick and members > 1_000 and p.name == "raw")]
        sockets = {peer.name: await open_sockets(peer["room"], members) for peer in present}
        for payload in PAYLOADS:
            timings = await measure(present, plan, sockets, payload)
            cpu[payload, members] = {n: median(t.cpu for t in ts) for n, ts in timings.items()}
            lines.append(wall_line(members, payload, timings))
        for peer in present:
            await close_sockets(sockets[peer.name])
    return lines + [cpu_line(payload, cpu) for payload in PAYLOADS]


async def measure(
    peers: Sequence[Peer], plan: Plan, sockets: dict[str, list[Socket]], payload: str
) -> dict[str, list[Timing]]:
    """Return samples of one group size and payload."""
    members = len(next(iter(sockets.values())))
    content = PAYLOADS[payload]

    async def sample(peer: Peer) -> Timing:
        if peer.name == "raw":
            return await publish(sockets[peer.name], content)
        await publish(sockets[peer.name], content)  # refill the caches after garbage collection
        return await publish(sockets[peer.name], content, max(5, 10_000 // members))

    for peer in peers:
        if peer.name != "raw" or members < 1_000:
            await check_delivery(sockets[peer.name], content)
    raw_rounds = {100: 5, 1_000: 1 if plan.quick else 3, 5_000: 1}[members]
    return await interleave(peers, plan.count(9, 3), sample, {"raw": raw_rounds})


async def publish(sockets: Sequence[Socket], content: Any, repeats: int = 1) -> Timing:
    """Publish `repeats` times in sequence, and return the average time."""
    text = json.dumps(content)
    wall, cpu = 0.0, process_time()
    for _ in range(repeats):
        arrivals = Arrivals(len(sockets))
        for socket in sockets:
            socket.sink = arrivals
        start = perf_counter()
        sockets[0].push_text(text)
        await arrivals.wait()
        wall += arrivals.at - start
        if json.loads(arrivals.last["text"]) != content:
            raise RuntimeError(f"not the published content: {arrivals.last!r:.200}")
    await settle()
    return Timing(wall / repeats, (process_time() - cpu) / repeats)


async def check_delivery(sockets: Sequence[Socket], content: Any) -> None:
    """Warm up, and check that every member receives the message exactly once."""
    sink = OneMessageEach(sockets)
    for socket in sockets:
        socket.sink = sink
    sockets[0].push_text(json.dumps(content))
    await sink.wait()
    await settle()


def wall_line(members: int, payload: str, timings: dict[str, list[Timing]]) -> Line:
    """Return the milliseconds until the `send` of the last member."""
    values = medians({name: [1e3 * t.wall for t in ts] for name, ts in timings.items()})
    requirements = [over_raw(REQUIRED_FACTORS[members])] if members in REQUIRED_FACTORS else []
    return Line(f"fan-out, {members:,} members, {payload}", "ms", values, requirements)


def cpu_line(payload: str, cpu: dict[tuple[str, int], dict[str, float]]) -> Line:
    """Return the CPU time per delivery at 5,000 members: at most 1.5 times that at 100."""
    few, many = cpu[payload, 100], cpu[payload, 5_000]

    def flat(line: Line) -> bool | None:
        return "ours" in many and many["ours"] / 50 <= 1.5 * few["ours"]

    growth = ", ".join(f"{name} {many[name] / 50 / few[name]:.2f}" for name in many)
    return Line(
        f"fan-out, 5,000 members, {payload}: CPU per delivery",
        "µs",
        {name: 1e6 * many[name] / 5_000 for name in many},
        (Requirement("≤ 1.5× that of 100 (flat)", flat),),
        notes=(f"CPU per delivery, {payload}, at 5,000 members relative to 100: {growth}.",),
    )
