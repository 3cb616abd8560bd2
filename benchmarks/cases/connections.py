"""The cost of a connection: the memory of an idle one, and the time to open and close it."""

import gc
import tracemalloc
from collections.abc import Sequence
from time import perf_counter

from ..driver import close_sockets, open_sockets
from ..exchanges import exchange
from ..measuring import Line, Plan, interleave, medians, of_raw_at_most, over_raw
from ..peers import Peer
from .echo import CONTENT, is_correct

#: Connections of one sample.
IDLE = 2_000
BATCH = 100


async def run_idle(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure the bytes of Python memory per open connection that was used once.

    This includes the scope, task and socket of the driver, which are the same for all peers.
    `bare` uses little more than those.
    """

    async def sample(peer: Peer) -> float:
        return await bytes_per_connection(peer, IDLE // (4 if plan.quick else 1))

    for peer in peers:
        await bytes_per_connection(peer, BATCH)
    samples = await interleave(peers, plan.count(1, 1), sample)
    return [Line("idle connection", "bytes", medians(samples), (of_raw_at_most(0.5),))]


async def bytes_per_connection(peer: Peer, count: int) -> float:
    """Return the traced bytes of `count` open connections, divided by `count`."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    sockets = await open_sockets(peer["echo"], count)
    await exchange(sockets, CONTENT, is_correct, count)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await close_sockets(sockets)
    return (after - before) / count


async def run_connect(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure connections per second: from connecting until the application has returned."""

    async def sample(peer: Peer) -> float:
        repeats = 2 if peer.name == "raw" else 10
        start = perf_counter()
        for _ in range(repeats):
            await close_sockets(await open_sockets(peer["echo"], BATCH))
        return repeats * BATCH / (perf_counter() - start)

    for peer in peers:
        await close_sockets(await open_sockets(peer["echo"], BATCH))
    samples = await interleave(peers, plan.count(9, 5), sample)
    label = f"connect, accept, disconnect ({BATCH} at once)"
    return [Line(label, "/s", medians(samples), (over_raw(8),), more_is_better=True)]
