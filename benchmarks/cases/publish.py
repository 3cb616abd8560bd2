"""The cost of publishing, and the delay of a message to another process.

Each peer and layer has three processes. One serves and sends (`broadcast`). One serves nothing and
sends from threads (`Group.send`, `async_to_sync(channel_layer.group_send)`). The third receives
with one socket, the only member of the group. A sample also has the share of messages received.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter
from typing import Any

from ..cluster.broker import running
from ..cluster.node import ROOM
from ..cluster.nodes import LABELS, LAYERS, Variant, node, of_layer, range_note, variants
from ..measuring import Line, Plan, interleave, line_of, number
from ..peers import Peer
from ..processes import Process

#: Ways to send: the command to the sending process, and its options.
CONTINUOUS: dict[str, tuple[str, dict[str, Any]]] = {
    "1 thread": ("send_from_threads", {"threads": 1}),
    "16 threads": ("send_from_threads", {"threads": 16}),
    "serving loop": ("send_from_loop", {}),
}
#: The same with one message every 5 ms.
PACED: dict[str, tuple[str, dict[str, Any]]] = {
    "thread": ("send_from_threads", {"threads": 1, "pause": 0.005}),
    "serving loop": ("send_from_loop", {"pause": 0.005}),
}
#: After this many seconds without a message, missing messages count as lost.
SILENCE = 1.0


@dataclass(frozen=True)
class Trio:
    """The three processes of a peer and layer."""

    variant: Variant
    serving: Process
    shell: Process
    receiver: Process

    @property
    def name(self) -> str:
        """The name of the variant."""
        return self.variant.name


@dataclass(frozen=True)
class Sample:
    """Messages per second: those sent, and those received."""

    sent_rate: float
    received_rate: float
    #: CPU time of the sending process in microseconds per message.
    cpu: float
    #: The share of sent messages that were received.
    share: float
    #: Seconds from sending to receiving, for each message.
    delays: Sequence[float]


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure messages per second, and milliseconds of delay."""
    with trios(peers) as all_processes:
        lines: list[Line] = []
        for label, way in CONTINUOUS.items():
            lines += rates(label, await measure(all_processes, plan, way))
        for label, way in PACED.items():
            lines += delays(label, await measure(all_processes, plan, way))
    return lines


@contextmanager
def trios(peers: Sequence[Peer]) -> Iterator[list[Trio]]:
    """Start all processes at once, then join the group and open the senders."""
    with running() as broker, ExitStack() as stack:
        all_processes = [
            Trio(variant, *(stack.enter_context(node(variant, broker.url)) for _ in range(3)))
            for variant in variants(peers)
        ]
        for trio in all_processes:
            trio.receiver.call("join_groups", groups=[[ROOM]])
            trio.serving.call("open_sender")
        yield all_processes


async def measure(
    all_processes: Sequence[Trio], plan: Plan, way: tuple[str, dict[str, Any]]
) -> dict[str, list[Sample]]:
    """Return the samples of one way to send."""
    command, options = way

    async def sample(trio: Trio) -> Sample:
        return send(trio, command, {**options, "seconds": 0.25 if plan.quick else 0.5})

    for trio in all_processes:
        send(trio, command, {**options, "seconds": 0.1})
    return await interleave(all_processes, plan.count(5, 3), sample)


def send(trio: Trio, command: str, options: dict[str, Any]) -> Sample:
    """Let one process send, and wait until the other has received everything."""
    trio.receiver.call("reset", record_times="pause" in options)
    sender = trio.serving if command == "send_from_loop" else trio.shell
    sent = sender.call(command, **options)
    received = wait(trio.receiver, sent["sent"])
    times = trio.receiver.call("received_times").get(ROOM, [])
    return Sample(
        sent["sent"] / sent["seconds"],
        received["count"] / max(received["at"] - sent["began"], 1e-9),
        1e6 * sent["cpu"] / sent["sent"],
        received["count"] / sent["sent"],
        [at - before for before, at in times],
    )


def wait(receiver: Process, expected: int) -> dict[str, Any]:
    """Return the count when all are received, or when no more arrive."""
    last, since = -1, perf_counter()
    while True:
        received: dict[str, Any] = receiver.call("received_count")
        if received["count"] > expected:
            raise RuntimeError(f"{received['count']} of {expected} messages received")
        if received["count"] == expected or perf_counter() - since > SILENCE:
            return received
        if received["count"] != last:
            last, since = received["count"], perf_counter()
        time.sleep(0.01)


def rates(label: str, samples: dict[str, list[Sample]]) -> list[Line]:
    """Return messages per second."""
    sent = {name: [s.sent_rate for s in taken] for name, taken in samples.items()}
    received = {name: [s.received_rate for s in taken] for name, taken in samples.items()}
    cpu = {name: median(s.cpu for s in taken) for name, taken in samples.items()}
    share = {name: min(s.share for s in taken) for name, taken in samples.items()}
    cpu_times = ", ".join(f"{name} {number(value)} µs" for name, value in cpu.items())
    lost = ", ".join(f"{name} {value:.1%}" for name, value in share.items() if value < 1)
    notes = (
        f"Publish, {label}, CPU time of the publisher per message: {cpu_times}.",
        range_note(f"Publish, {label}", "/s", sent),
        *([f"Publish, {label}, messages received in the worst round: {lost}."] if lost else []),
    )
    kinds = {label: sent}
    if label == "serving loop":  # it queues messages, while threads have sent theirs
        kinds[f"{label}, until received"] = received
    return [
        line_of(
            f"publish, {LABELS[layer]}, {kind}",
            "/s",
            of_layer(layer, values),
            more_is_better=True,
            notes=notes,
        )
        for layer in LAYERS
        for kind, values in kinds.items()
    ]


def delays(label: str, samples: dict[str, list[Sample]]) -> list[Line]:
    """Return the milliseconds from sending in one process to receiving in another."""
    middle = {name: [1e3 * median(s.delays) for s in taken] for name, taken in samples.items()}
    worst = {
        name: 1e3 * quantiles([delay for s in taken for delay in s.delays], n=100)[98]
        for name, taken in samples.items()
    }
    late = ", ".join(f"{name} {number(value)} ms" for name, value in worst.items())
    notes = (
        f"One message, {label}, 99 of 100 take at most: {late}.",
        range_note(f"One message, {label}, median", "ms", middle),
    )
    return [
        line_of(
            f"one message to the other process, {LABELS[layer]}, from a {label}",
            "ms",
            of_layer(layer, middle),
            notes=notes,
        )
        for layer in LAYERS
    ]
