"""Whether handlers run at the same time: 50 connections, each in a handler that takes 10 ms."""

import json
from collections.abc import Sequence
from time import perf_counter

from ..driver import OneMessageEach, Socket, close_sockets, open_sockets
from ..measuring import Line, Plan, at_most, interleave, line_of
from ..peers import Peer

CONNECTIONS = 50
SECONDS = 0.010

#: Application → its label in the table, and the most milliseconds it may take.
KINDS = {
    "blocking": ("def", 40),
    "awaiting": ("async def, database_sync_to_async", 60),
    "querying": ("async def, async ORM (SQLite)", 60),
}


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure the milliseconds until all 50 are answered."""
    return [await measure(peers, plan, kind) for kind in KINDS]


async def measure(peers: Sequence[Peer], plan: Plan, kind: str) -> Line:
    """Measure one kind of handler."""
    sockets = {peer.name: await open_sockets(peer[kind], CONNECTIONS) for peer in peers}

    async def sample(peer: Peer) -> float:
        return 1e3 * await answer_time(sockets[peer.name])

    for peer in peers:
        await answer_time(sockets[peer.name])
    samples = await interleave(peers, plan.count(7, 3), sample, {"raw": 1 if plan.quick else 3})
    for peer in peers:
        await close_sockets(sockets[peer.name])
    label, limit = KINDS[kind]
    case = f"{CONNECTIONS} connections in a {SECONDS * 1e3:.0f} ms handler, {label}"
    return line_of(case, "ms", samples, (at_most(limit, "ms"),))


async def answer_time(sockets: Sequence[Socket]) -> float:
    """Return the seconds from sending all frames until the last answer."""
    sink = OneMessageEach(sockets)
    for socket in sockets:
        socket.sink = sink
    frame = json.dumps({"method": "wait", "data": SECONDS})
    start = perf_counter()
    for socket in sockets:
        socket.push_text(frame)
    await sink.wait()
    seconds = perf_counter() - start
    if json.loads(sink.last["text"]) != {"method": "wait", "data": SECONDS, "status": 200}:
        raise RuntimeError(f"wrong answer: {sink.last!r:.200}")
    return seconds
