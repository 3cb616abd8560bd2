"""Ten thousand idle connections to one uvicorn process, with another process as the client.

A round starts a new server of each variant, connects all sockets, and sends a little traffic on a
few of them. The longest stop of the event loop is mostly that of a collection of garbage, so each
variant is measured with the collector as Python has it, and with the tuning that `TUNINGS` names.
"""

import resource
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..accounting import cpu_seconds, resident_bytes
from ..measuring import Line, Plan, line_of
from ..peers import Peer
from ..serving import client, serving

CONNECTIONS = 10_000
#: Files that a process needs beside its sockets.
OTHER_FILES = 200
#: Sockets that connect first, so that everything is imported.
FIRST = 100
#: Seconds of traffic, and the sockets that send it.
SECONDS, TALKERS = 3.0, 50

#: Label → the dotted name of a function that the server calls before it serves.
TUNINGS = {
    "default garbage collection": "",
    "tuned garbage collection": "rest_channels.garbage_collection.tune_garbage_collection",
}


@dataclass(frozen=True)
class Variant:
    """An application of a peer, and the frames that it answers."""

    peer: str
    application: str
    label: str


#: Each is a peer in a line. Those of raw and bare are in the lines of views and of consumers.
VIEW = "a view"
CONSUMER = "an AsyncAPIConsumer"
VARIANTS = (
    Variant("ours", "echo", VIEW),
    Variant("ours", "actions", CONSUMER),
    Variant("raw", "echo", ""),
    Variant("bare", "echo", ""),
)

#: The values of a round: their labels and units.
VALUES = {
    "memory": ("memory of the server per connection", "kB"),
    "cpu": ("CPU time of the server per connect", "µs"),
    "connecting": ("longest stop of the loop while all connect", "ms"),
    "after": ("longest stop of the loop afterwards", "ms"),
}


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure memory, CPU time and the stops of the event loop."""
    count, names = connections(plan), [peer.name for peer in peers]
    variants = [variant for variant in VARIANTS if variant.peer in names]
    samples: dict[tuple[str, Variant], dict[str, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for _ in range(plan.count(3, 1)):
        for tuning, function in TUNINGS.items():
            for variant in variants:
                measured = measure(variant, function, count, plan)
                for value, number in measured.items():
                    samples[tuning, variant][value].append(number)
    by_value = {
        (value, tuning): {variant: samples[tuning, variant][value] for variant in variants}
        for value in VALUES
        for tuning in TUNINGS
    }
    return [
        line
        for (value, tuning), taken in by_value.items()
        for line in lines_of(f"{count:,} idle connections", value, tuning, taken)
    ]


def connections(plan: Plan) -> int:
    """Return how many sockets to open: at most as many as a process may have."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(CONNECTIONS // (10 if plan.quick else 1), limit - OTHER_FILES)


def measure(variant: Variant, tuning: str, count: int, plan: Plan) -> dict[str, float]:
    """Connect all sockets to a new server."""
    name = variant.application
    with serving(variant.peer, heartbeat=True, tuning=tuning) as server, client("crowd") as crowd:
        port = server.call("port")
        crowd.call("connect", port=port, path=name, count=FIRST)
        crowd.call("exchange", application=name, seconds=0.2, sockets=FIRST)
        server.call("longest_stop")
        memory, cpu = resident_bytes(server.pid), cpu_seconds(server.pid)
        if crowd.call("connect", port=port, path=name, count=count - FIRST) != count:
            raise RuntimeError(f"not all sockets of {variant.peer} have connected")
        cpu = cpu_seconds(server.pid) - cpu
        connecting = server.call("longest_stop")
        memory = resident_bytes(server.pid) - memory
        seconds = SECONDS / (3 if plan.quick else 1)
        crowd.call("exchange", application=name, seconds=seconds, sockets=TALKERS)
        after = server.call("longest_stop")
    new = count - FIRST
    return {
        "memory": memory / new / 1e3,
        "cpu": 1e6 * cpu / new,
        "connecting": 1e3 * connecting,
        "after": 1e3 * after,
    }


def lines_of(
    case: str, value: str, tuning: str, samples: Mapping[Variant, Sequence[float]]
) -> Iterator[Line]:
    """Yield one line for views, and one for consumers. Both have the values of the other peers."""
    label, unit = VALUES[value]
    others = {variant.peer: taken for variant, taken in samples.items() if variant.peer != "ours"}
    for kind in (VIEW, CONSUMER):
        ours = [taken for variant, taken in samples.items() if variant.label == kind]
        taken = {**others, "ours": ours[0] if ours else []}
        yield line_of(f"{case}, {kind}, {tuning}: {label}", unit, taken)
