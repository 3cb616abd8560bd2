"""Over Redis: two uvicorn processes and one Valkey, one socket speaks, 500 on both hear it.

Otherwise as the end-to-end case. In `ours` what is local does not go through the broker. Each round
measures both peers on both layers of channels_redis, so any two of them may be compared.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from ..cluster.broker import Broker, running
from ..cluster.environment import environ
from ..cluster.nodes import LAYERS, WORDS, Variant, fan_out, of_layer, variants
from ..measuring import Line, Plan, medians, over_raw
from ..peers import Peer
from .end_to_end import SOCKETS, drive, port_of, serving

PROCESSES = 2
SECONDS = 0.5
#: One message at a time, and eight.
KINDS = ("small", "20 kB", "small × 8")


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Frames per second."""
    with running() as broker:
        kinds = KINDS[: 2 if plan.quick else None]
        samples = measure(broker, variants(peers, bare=True), kinds, plan)
    lines: list[Line] = []
    for payload in kinds:
        values = medians(samples[payload])
        lines += [line(layer, payload, of_layer(layer, values)) for layer in LAYERS]
        lines.append(across(payload, samples))
    return lines


def measure(
    broker: Broker, tried: Sequence[Variant], kinds: Sequence[str], plan: Plan
) -> dict[str, Any]:
    """Start all servers at once, run the client."""
    with ExitStack() as stack:
        servers = {
            one.name: [
                stack.enter_context(serving(one.peer, environ(one.peer, one.layer, broker.url)))
                for _ in range(PROCESSES)
            ]
            for one in tried
        }
        ports = {name: [port_of(server) for server in both] for name, both in servers.items()}
        pids = {name: [server.pid for server in both] for name, both in servers.items()}
        pids = {name: [*those, broker.pid] for name, those in pids.items()}
        return drive(ports, pids, kinds, plan, SECONDS)


def line(layer: str, payload: str, values: dict[str, float]) -> Line:
    """Both peers on the same layer."""
    words = f"Redis {WORDS[layer]}, {PROCESSES} processes, {SOCKETS} sockets, fan-out {payload}"
    return Line(words, "/s", values, more_is_better=True)


def across(payload: str, samples: dict[str, Any]) -> Line:
    """Ours on the layer that we advise, raw on the one that Channels advises; and the notes."""
    values = medians(samples[payload])
    chosen = {"ours": "ours pubsub", "raw": "raw core", "bare": "bare pubsub"}
    cpu = ", ".join(f"{name} {value:.1f} µs" for name, value in cpu_of(samples, payload).items())
    return Line(
        f"Redis, the same: ours on pub/sub, raw on core, {payload}",
        "/s",
        {peer: values[name] for peer, name in chosen.items() if name in values},
        (over_raw(15),),
        more_is_better=True,
        notes=(
            f"Over Redis: the client used at most {samples['busy']:.0%} of its CPU.",
            f"Over Redis, {payload}, CPU time of servers and broker per frame: {cpu}.",
            fan_out(f"Over Redis, {payload}", "/s", samples[payload]),
        ),
    )


def cpu_of(samples: dict[str, Any], payload: str) -> dict[str, float]:
    """Microseconds per frame, by variant."""
    return medians(samples["cpu"][payload])
