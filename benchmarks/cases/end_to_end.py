"""Real servers on localhost: one uvicorn process per peer, 500 sockets, one client process.

The servers use uvloop and websockets-sansio, and the client picows. They end with this process.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from ..environments import NotInstalledError
from ..measuring import Line, Plan, line_of, of_bare, over_raw
from ..peers import Peer
from ..serving import drive, serving

SOCKETS = 500
#: The kinds of traffic, their labels, and the required values of the rate.
KINDS = (
    ("echo", "echo", (over_raw(4.5),)),
    ("small", "fan-out small", (over_raw(15), of_bare(0.8))),
    ("20 kB", "fan-out 20 kB", (over_raw(80), of_bare(0.8))),
)


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure frames per second, and the CPU time of the server."""
    names = [peer.name for peer in peers] + ([] if plan.quick else ["starlette"])
    missing = []
    with ExitStack() as stack:
        servers = {}
        for name in names:
            try:
                servers[name] = [stack.enter_context(serving(name))]
            except NotInstalledError as error:
                missing.append(f"End to end, {name} is missing: {error}")
        samples = drive(servers, [kind for kind, *_ in KINDS], plan, sockets=SOCKETS)
    busy = f"End to end: the client used at most {samples['busy']:.0%} of its CPU."
    lines = []
    for kind, label, requirements in KINDS:
        case = f"end to end, {SOCKETS} sockets, {label}"
        rates, notes = samples[kind], (busy, *missing)
        lines.append(line_of(case, "/s", rates, requirements, more_is_better=True, notes=notes))
    for kind, label, _requirements in KINDS:
        case = f"end to end, {SOCKETS} sockets, {label}, CPU time of the server per frame"
        lines.append(line_of(case, "µs", cpu_of(samples, kind)))
    return lines


def cpu_of(
    samples: Mapping[str, Any], kind: str, first: int = 0, last: int | None = None
) -> dict[str, list[float]]:
    """Return microseconds per frame by name, of the watched processes from `first` to `last`."""
    return {
        name: [sum(each[first:last]) for each in rounds]
        for name, rounds in samples["cpu"][kind].items()
    }
