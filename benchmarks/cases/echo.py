"""One frame in, one frame out: 1 connection, and 100 at once."""

import json
from collections.abc import Sequence
from time import perf_counter

from ..driver import PingPong, Socket, close_sockets, open_sockets
from ..measuring import Line, Plan, interleave, medians, of_bare, over_raw
from ..peers import Peer

DATA = {"id": 1, "text": "The quick brown fox", "tags": ["a", "b"], "at": 1.5}
FRAME = json.dumps({"method": "echo", "data": DATA})
ANSWER = {"method": "echo", "data": DATA, "status": 200}

#: Frames in one sample. Raw Channels gets fewer, it needs as long for them.
FRAMES = {"ours": 10_000, "raw": 1_000, "bare": 10_000}


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Microseconds per echo."""
    return [await measure(peers, plan, count) for count in (1, 100)]


async def measure(peers: Sequence[Peer], plan: Plan, count: int) -> Line:
    """One line: `count` connections, each sends its next frame when it was answered."""
    sockets = {peer.name: await open_sockets(peer["echo"], count) for peer in peers}

    async def sample(peer: Peer) -> float:
        frames = FRAMES[peer.name] // (5 if plan.quick else 1)
        return 1e6 * await exchange(sockets[peer.name], frames) / frames

    for peer in peers:
        await exchange(sockets[peer.name], 200)
    samples = await interleave(peers, plan.count(9, 5), sample)
    for peer in peers:
        await close_sockets(sockets[peer.name])
    plural = "s" if count > 1 else ""
    case = f"echo, {count} connection{plural}"
    return Line(case, "µs", medians(samples), (over_raw(10), of_bare(0.6)))


async def exchange(sockets: Sequence[Socket], frames: int) -> float:
    """Seconds for so many echoes."""
    sink = PingPong(FRAME, frames)
    for socket in sockets:
        socket.sink = sink
    start = perf_counter()
    sink.start(sockets)
    await sink.wait()
    seconds = perf_counter() - start
    if json.loads(sink.last["text"]) != ANSWER:
        raise RuntimeError(f"not an echo: {sink.last!r:.200}")
    return seconds
