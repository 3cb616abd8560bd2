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
from ..measuring import Line, Plan, line_of, medians, over_raw
from ..peers import Peer
from ..serving import drive, serving
from .end_to_end import SOCKETS, cpu_of

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
        lines += [line(layer, payload, of_layer(layer, samples[payload])) for layer in LAYERS]
        lines.append(best_layers(payload, samples))
    for payload in kinds:
        cpu = cpu_of(samples, payload, last=PROCESSES)
        lines += [cpu_line(layer, payload, of_layer(layer, cpu)) for layer in LAYERS]
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
        watched = {name: [broker.pid] for name in servers}
        return drive(servers, kinds, plan, watched=watched, seconds=SECONDS, sockets=SOCKETS)


def line(layer: str, payload: str, rates: dict[str, list[float]]) -> Line:
    """Return the rates of all peers on the same layer."""
    return line_of(label(layer, payload), "/s", rates, more_is_better=True)


def cpu_line(layer: str, payload: str, cpu: dict[str, list[float]]) -> Line:
    """Return the CPU time of both servers for each frame that a client receives."""
    return line_of(f"{label(layer, payload)}, CPU time of both servers per frame", "µs", cpu)


def label(layer: str, payload: str) -> str:
    """Return the label of a layer and a payload."""
    return f"Redis {LABELS[layer]}, {PROCESSES} processes, {SOCKETS} sockets, fan-out {payload}"


def best_layers(payload: str, samples: dict[str, Any]) -> Line:
    """Return ours on the layer that we recommend, raw on the one that Channels recommends."""
    rates = samples[payload]
    chosen = {"ours": "ours pubsub", "raw": "raw core", "bare": "bare pubsub"}
    broker = medians(cpu_of(samples, payload, first=PROCESSES))
    cpu = ", ".join(f"{name} {value:.1f} µs" for name, value in broker.items())
    return line_of(
        f"Redis, the same: ours on pub/sub, raw on core, {payload}",
        "/s",
        {peer: rates[name] for peer, name in chosen.items() if name in rates},
        (over_raw(15),),
        more_is_better=True,
        notes=(
            f"Over Redis: the client used at most {samples['busy']:.0%} of its CPU.",
            f"Over Redis, {payload}, CPU time of the broker per frame: {cpu}.",
            range_note(f"Over Redis, {payload}", "/s", rates),
        ),
    )
