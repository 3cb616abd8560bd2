"""How late answers are under mixed traffic, over a real server: wall time, as clients see it.

At the same time one socket publishes to a group of 100 members, 25 sockets call a `def` handler
that sleeps, and 25 sockets retrieve a row. The rates are fixed, and raw Channels can keep up with
each of them alone. See `benchmarks/mixed.py`.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack

from asgiref.sync import sync_to_async
from django.contrib.contenttypes.models import ContentType

from ..measuring import Line, Plan, line_of, medians, number
from ..mixed import MEMBERS, RATES, SLEEP
from ..peers import Peer
from ..serving import client, serving

#: Seconds of one sample.
SECONDS = 5.0

#: Kind of traffic → what 99 of 100 are.
LABELS = {
    "fan-out": f"deliveries to {MEMBERS} members",
    "handler": f"answers of a `def` handler that sleeps {1e3 * SLEEP:.0f} ms",
    "retrieve": "retrieved rows",
}


#: Milliseconds by kind and peer, one value for each round.
Samples = dict[str, dict[str, list[float]]]


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure the milliseconds within which 99 of 100 arrive. Bare has no serializer."""
    names = [peer.name for peer in peers if "rows" in peer.applications]
    pk = await sync_to_async(lambda: ContentType.objects.order_by("pk")[0].pk)()
    seconds = 2.0 if plan.quick else SECONDS
    late: Samples = defaultdict(lambda: defaultdict(list))
    middle: Samples = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        mix = stack.enter_context(client("mixed"))
        for name in names:
            server = stack.enter_context(serving(name))
            mix.call("connect", name=name, port=server.call("port"), pk=pk)
            mix.call("measure", name=name, seconds=0.5)
        for _ in range(plan.count(7, 3)):
            for name in names:
                for kind, delays in mix.call("measure", name=name, seconds=seconds).items():
                    late[kind][name].append(1e3 * delays["p99"])
                    middle[kind][name].append(1e3 * delays["median"])
    return [
        line_of(
            f"mixed traffic, 99 of 100 {label}",
            "ms",
            late[kind],
            notes=[note(kind, medians(middle[kind]))],
        )
        for kind, label in LABELS.items()
    ]


def note(kind: str, values: dict[str, float]) -> str:
    """Return a note with the rate and the medians."""
    texts = ", ".join(f"{name} {number(value)} ms" for name, value in values.items())
    return f"Mixed traffic, {kind}, {RATES[kind]} frames per second; medians: {texts}."
