"""What a connection costs: the memory of an idle one, and opening and closing it."""

import gc
import tracemalloc
from collections.abc import Sequence
from time import perf_counter

from ..driver import close_sockets, open_sockets
from ..exchanges import exchange
from ..measuring import Line, Plan, interleave, medians, of_raw_at_most, over_raw
from ..peers import Peer
from .echo import CONTENT, right

#: Connections of one sample.
IDLE = 2_000
BATCH = 100


async def run_idle(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Bytes of Python memory per open connection that was used once, the driver's part included.

    The driver's part (scope, task, socket) is the same for all; what `bare` takes is nearly only
    that.
    """

    async def sample(peer: Peer) -> float:
        return await resident(peer, IDLE // (4 if plan.quick else 1))

    for peer in peers:
        await resident(peer, BATCH)
    samples = await interleave(peers, plan.count(1, 1), sample)
    return [Line("idle connection", "bytes", medians(samples), (of_raw_at_most(0.5),))]


async def resident(peer: Peer, count: int) -> float:
    """Traced bytes per connection: after opening `count` of them, less before."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    sockets = await open_sockets(peer["echo"], count)
    await exchange(sockets, CONTENT, right, count)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await close_sockets(sockets)
    return (after - before) / count


async def run_connect(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Connections per second: connect, accept, disconnect, and the application has returned."""

    async def sample(peer: Peer) -> float:
        repeats = 2 if peer.name == "raw" else 10
        start = perf_counter()
        for _ in range(repeats):
            await close_sockets(await open_sockets(peer["echo"], BATCH))
        return repeats * BATCH / (perf_counter() - start)

    for peer in peers:
        await close_sockets(await open_sockets(peer["echo"], BATCH))
    samples = await interleave(peers, plan.count(9, 5), sample)
    words = f"connect, accept, disconnect ({BATCH} at once)"
    return [Line(words, "/s", medians(samples), (over_raw(8),), more_is_better=True)]
