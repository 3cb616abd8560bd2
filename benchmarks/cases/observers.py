"""A row is saved that a thousand clients watch: until the last has it, and the queries it takes.

Ours and djangochannelsrestframework do so with `ObserverModelInstanceMixin`, raw Channels with a
signal, a group, and a consumer that queries when it is told; bare queries once. Each has a row of
its own.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from ..apart.environment import NotInstalledError
from ..apart.nodes import Node, node
from ..cluster.nodes import fan_out
from ..driver import close_sockets
from ..measuring import Line, Plan, at_most, interleave, medians, number, over, over_raw
from ..observing import Audience, Told
from ..peers import Peer

SUBSCRIBERS = 1_000


class Apart:
    """The audience of the other process."""

    name = "dcrf"

    def __init__(self, node: Node) -> None:
        self.node = node
        self.versions: str = node.ask("gather", count=SUBSCRIBERS)

    async def save(self) -> Told:
        """Let it save. This loop goes on: what it does now and then shall not be late for ours."""
        return Told(*await asyncio.to_thread(self.node.ask, "save"))


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Milliseconds, and queries."""
    here = [Audience(peer) for peer in peers]
    with apart() as (other, trouble):
        for audience in here:
            await audience.gather(SUBSCRIBERS)
        sides: list[Audience | Apart] = [*here, *([other] if other else [])]
        few = {"raw": 1 if plan.quick else 5, "dcrf": 1 if plan.quick else 3}
        told = await interleave(sides, plan.count(9, 3), save, few)
    for audience in here:
        await close_sockets(audience.sockets)
    return [in_time(told, other, trouble), in_queries(told)]


async def save(side: Audience | Apart) -> Told:
    """A sample."""
    return await side.save()


@contextmanager
def apart() -> Iterator[tuple[Apart | None, str]]:
    """The other process; or why there is none."""
    with ExitStack() as stack:
        other, trouble = None, ""
        try:
            other = Apart(stack.enter_context(node("dcrf")))
        except (NotInstalledError, RuntimeError, OSError) as error:
            trouble = str(error).splitlines()[-1]
        yield other, trouble


def in_time(told: Mapping[str, Sequence[Told]], other: Apart | None, trouble: str) -> Line:
    """Milliseconds until the last one is told. DCRF has no column: it is named with the case."""
    times = {name: [1e3 * one.told for one in some] for name, some in told.items()}
    saved = medians({name: [1e3 * one.saved for one in some] for name, some in told.items()})
    values = medians(times)
    dcrf = f"DCRF {number(values['dcrf'])} ms" if other else f"no DCRF: {trouble:.100}"
    spent = ", ".join(f"{name} {number(value)} ms" for name, value in saved.items())
    notes = [
        f"Observers: save() was back after: {spent}.",
        fan_out("Observers, until the last is told", "ms", times),
        *([f"Observers: DCRF has an environment of its own, {other.versions}."] if other else []),
    ]
    words = f"a row is saved, {SUBSCRIBERS:,} observers: the last is told ({dcrf})"
    return Line(words, "ms", values, (over_raw(50), over("dcrf", 250)), notes=notes)


def in_queries(told: Mapping[str, Sequence[Told]]) -> Line:
    """How many a save takes, its own included; those of a hub's beat may come between them."""
    counts = {name: [float(one.queries) for one in some] for name, some in told.items()}
    values = medians(counts)
    dcrf = f" (DCRF {number(values['dcrf'])})" if "dcrf" in values else ""
    notes = [fan_out("Observers, SQL", "queries", counts)]
    words = f"the same: SQL queries in all{dcrf}"
    return Line(words, "", values, (at_most(3, "queries"),), notes=notes)
