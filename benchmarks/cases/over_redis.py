"""Over Redis: one socket sends through two uvicorn processes and one Valkey to 500 sockets.

Otherwise it is the end-to-end case. In `ours`, local messages do not go through the broker. Each
round measures both peers on both layers of channels_redis, so any two of them can be compared.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from ..cluster.broker import Broker, running
from ..cluster.environment import environ
from ..cluster.nodes import LABELS, LAYERS, Variant, of_layer, range_note, variants
from ..measuring import Line, Plan, medians, over_raw
from ..peers import Peer
from .end_to_end import SOCKETS, drive, port_of, serving

PROCESSES = 2
SECONDS = 0.5
#: Payloads with one message in flight, and with eight.
KINDS = ("small", "20 kB", "small × 8")


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure frames per second."""
    with running() as broker:
        kinds = KINDS[: 2 if plan.quick else None]
        samples = measure(broker, variants(peers, bare=True), kinds, plan)
    lines: list[Line] = []
    for payload in kinds:
        values = medians(samples[payload])
        lines += [line(layer, payload, of_layer(layer, values)) for layer in LAYERS]
        lines.append(best_layers(payload, samples))
    return lines


def measure(
    broker: Broker, measured: Sequence[Variant], kinds: Sequence[str], plan: Plan
) -> dict[str, Any]:
    """Start all servers at once, then run the client."""
    with ExitStack() as stack:
        servers = {
            variant.name: [
                stack.enter_context(
                    serving(variant.peer, environ(variant.peer, variant.layer, broker.url))
                )
                for _ in range(PROCESSES)
            ]
            for variant in measured
        }
        ports = {name: [port_of(server) for server in group] for name, group in servers.items()}
        pids = {name: [server.pid for server in group] for name, group in servers.items()}
        pids = {name: [*server_pids, broker.pid] for name, server_pids in pids.items()}
        return drive(ports, pids, kinds, plan, SECONDS)


def line(layer: str, payload: str, values: dict[str, float]) -> Line:
    """Return both peers on the same layer."""
    label = f"Redis {LABELS[layer]}, {PROCESSES} processes, {SOCKETS} sockets, fan-out {payload}"
    return Line(label, "/s", values, more_is_better=True)


def best_layers(payload: str, samples: dict[str, Any]) -> Line:
    """Return ours on the layer that we recommend, raw on the one that Channels recommends."""
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
            range_note(f"Over Redis, {payload}", "/s", samples[payload]),
        ),
    )


def cpu_of(samples: dict[str, Any], payload: str) -> dict[str, float]:
    """Return the CPU time per frame in microseconds, by variant."""
    return medians(samples["cpu"][payload])
