"""A row with a thousand subscribers is saved: the time until the last event, and the queries.

Ours and djangochannelsrestframework use `ObserverModelInstanceMixin`. Raw Channels uses a signal, a
group, and a consumer that queries at each event; bare queries once. Each peer has its own row.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from ..cluster.nodes import range_note
from ..cpu import started
from ..driver import close_sockets
from ..environments import NotInstalledError
from ..measuring import Line, Plan, at_most, interleave, line_of, medians, number, over, over_raw
from ..observing import SaveTiming, Subscribers
from ..peers import Peer
from ..processes import Process

SUBSCRIBERS = 1_000


class IsolatedSubscribers:
    """The subscribers in a process of their own."""

    name = "dcrf"

    def __init__(self, process: Process) -> None:
        self.process = process
        self.versions: str = process.call("versions")
        process.call("subscribe", count=SUBSCRIBERS)

    async def save(self) -> SaveTiming:
        """Save in the other process. This event loop keeps running, for our periodic tasks."""
        return SaveTiming(*await asyncio.to_thread(self.process.call, "save"))


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure milliseconds and SQL queries."""
    local = [Subscribers(peer) for peer in peers]
    with isolated() as (other, error):
        for subscribers in local:
            await subscribers.subscribe(SUBSCRIBERS)
        sides: list[Subscribers | IsolatedSubscribers] = [*local, *([other] if other else [])]
        limits = {"raw": 1 if plan.quick else 5, "dcrf": 1 if plan.quick else 3}
        timings = await interleave(sides, plan.count(9, 3), save, limits)
    for subscribers in local:
        await close_sockets(subscribers.sockets)
    return [time_line(timings, other, error), query_line(timings)]


async def save(side: Subscribers | IsolatedSubscribers) -> SaveTiming:
    """Take one sample."""
    return await side.save()


@contextmanager
def isolated() -> Iterator[tuple[IsolatedSubscribers | None, str]]:
    """Yield the process of DCRF, or None and the reason why it could not start."""
    with ExitStack() as stack:
        other, reason = None, ""
        try:
            other = IsolatedSubscribers(stack.enter_context(started("dcrf")))
        except (NotInstalledError, RuntimeError, OSError) as error:
            reason = str(error).splitlines()[-1]
        yield other, reason


def time_line(
    timings: Mapping[str, Sequence[SaveTiming]], other: IsolatedSubscribers | None, error: str
) -> Line:
    """Return the milliseconds until the last event."""
    times = {name: [1e3 * t.delivered for t in ts] for name, ts in timings.items()}
    saved = medians({name: [1e3 * t.saved for t in ts] for name, ts in timings.items()})
    save_times = ", ".join(f"{name} {number(value)} ms" for name, value in saved.items())
    notes = [
        f"Observers: save() returned after: {save_times}.",
        range_note("Observers, until the last event", "ms", times),
        f"Observers: DCRF runs in its own environment, {other.versions}."
        if other
        else f"Observers: DCRF is missing: {error:.100}",
    ]
    label = f"a row is saved, {SUBSCRIBERS:,} observers: until the last event"
    return line_of(label, "ms", times, (over_raw(50), over("dcrf", 250)), notes=notes)


def query_line(timings: Mapping[str, Sequence[SaveTiming]]) -> Line:
    """Return the SQL queries per save, with its own. Those of a heartbeat may be among them."""
    counts = {name: [float(t.queries) for t in ts] for name, ts in timings.items()}
    notes = [range_note("Observers, SQL", "queries", counts)]
    label = f"a row is saved, {SUBSCRIBERS:,} observers: all SQL queries"
    return line_of(label, "queries", counts, (at_most(3, "queries"),), notes=notes)
