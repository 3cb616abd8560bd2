"""50 connections, each in a handler that takes 10 ms: do they wait for each other?"""

import json
from collections.abc import Sequence
from time import perf_counter

from ..driver import RollCall, Socket, close_sockets, open_sockets
from ..measuring import Line, Plan, at_most, interleave, medians
from ..peers import Peer

CONNECTIONS = 50
SECONDS = 0.010

#: Application → what it is called in the table, and the most milliseconds it may take.
KINDS = {
    "blocking": ("def", 40),
    "awaiting": ("async def, database_sync_to_async", 60),
    "querying": ("async def, async ORM (SQLite)", 60),
}


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Milliseconds until all 50 are answered."""
    return [await measure(peers, plan, kind) for kind in KINDS]


async def measure(peers: Sequence[Peer], plan: Plan, kind: str) -> Line:
    """One kind of handler."""
    sockets = {peer.name: await open_sockets(peer[kind], CONNECTIONS) for peer in peers}

    async def sample(peer: Peer) -> float:
        return 1e3 * await everybody(sockets[peer.name])

    for peer in peers:
        await everybody(sockets[peer.name])
    samples = await interleave(peers, plan.count(7, 3), sample, {"raw": 1 if plan.quick else 3})
    for peer in peers:
        await close_sockets(sockets[peer.name])
    words, limit = KINDS[kind]
    case = f"{CONNECTIONS} connections in a {SECONDS * 1e3:.0f} ms handler, {words}"
    return Line(case, "ms", medians(samples), (at_most(limit, "ms"),))


async def everybody(sockets: Sequence[Socket]) -> float:
    """Seconds from the frames of all until the last answer."""
    roll = RollCall(sockets)
    for socket in sockets:
        socket.sink = roll
    frame = json.dumps({"method": "wait", "data": SECONDS})
    start = perf_counter()
    for socket in sockets:
        socket.push_text(frame)
    await roll.wait()
    seconds = perf_counter() - start
    if json.loads(roll.last["text"]) != {"method": "wait", "data": SECONDS, "status": 200}:
        raise RuntimeError(f"not the answer: {roll.last!r:.200}")
    return seconds
