"""What a publisher pays, and how long a message takes to the other process.

Three processes for each peer and layer: one serves and speaks (`broadcast`), one serves nothing and
speaks from threads (`Group.send`, `async_to_sync(channel_layer.group_send)`), one listens with one
socket. Nobody but the listener is in the group. After each sample everything that was said has to
be heard, or the sample says how much was.
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
from ..cluster.nodes import LAYERS, WORDS, Node, Variant, fan_out, node, of_layer, variants
from ..measuring import Line, Plan, interleave, medians, number
from ..peers import Peer

#: How is it said? The order to the process that speaks, and its options.
MANY: dict[str, tuple[str, dict[str, Any]]] = {
    "1 thread": ("shout", {"threads": 1}),
    "16 threads": ("shout", {"threads": 16}),
    "serving loop": ("burst", {}),
}
#: The same, one message each few milliseconds.
FEW: dict[str, tuple[str, dict[str, Any]]] = {
    "thread": ("shout", {"threads": 1, "pause": 0.005}),
    "serving loop": ("burst", {"pause": 0.005}),
}
#: Seconds without a message after which what is missing counts as lost.
SILENCE = 1.0


@dataclass(frozen=True)
class Trio:
    """The three processes of a peer and layer."""

    variant: Variant
    serving: Node
    shell: Node
    listener: Node

    @property
    def name(self) -> str:
        """That of the variant."""
        return self.variant.name


@dataclass(frozen=True)
class Said:
    """A sample: messages per second until they were said, and until they were heard."""

    rate: float
    heard_rate: float
    #: Microseconds of CPU time of the process that spoke, per message.
    cpu: float
    #: Of what was said, how much was heard.
    share: float
    #: Seconds from saying to hearing, of each message.
    delays: Sequence[float]


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Messages per second, and milliseconds."""
    with trios(peers) as waiting:
        lines: list[Line] = []
        for words, how in MANY.items():
            lines += rates(words, await measure(waiting, plan, how))
        for words, how in FEW.items():
            lines += delays(words, await measure(waiting, plan, how))
    return lines


@contextmanager
def trios(peers: Sequence[Peer]) -> Iterator[list[Trio]]:
    """Start all processes at once, then let the listeners listen."""
    with running() as broker, ExitStack() as stack:
        waiting = [
            Trio(one, *(stack.enter_context(node(one, broker.url)) for _ in range(3)))
            for one in variants(peers)
        ]
        for trio in waiting:
            trio.listener.ask("gather", groups=[[ROOM]])
            trio.serving.ask("serve")
        yield waiting


async def measure(
    waiting: Sequence[Trio], plan: Plan, how: tuple[str, dict[str, Any]]
) -> dict[str, list[Said]]:
    """Rounds of one way to speak."""
    order, options = how

    async def sample(trio: Trio) -> Said:
        return speak(trio, order, {**options, "seconds": 0.25 if plan.quick else 0.5})

    for trio in waiting:
        speak(trio, order, {**options, "seconds": 0.1})
    return await interleave(waiting, plan.count(5, 3), sample)


def speak(trio: Trio, order: str, options: dict[str, Any]) -> Said:
    """Let one process speak, and wait until the other has heard it."""
    trio.listener.ask("forget", attentive="pause" in options)
    speaker = trio.serving if order == "burst" else trio.shell
    said = speaker.ask(order, **options)
    heard = wait(trio.listener, said["said"])
    times = trio.listener.ask("heard").get(ROOM, [])
    return Said(
        said["said"] / said["seconds"],
        heard["count"] / max(heard["at"] - said["began"], 1e-9),
        1e6 * said["cpu"] / said["said"],
        heard["count"] / said["said"],
        [at - before for before, at in times],
    )


def wait(listener: Node, expected: int) -> dict[str, Any]:
    """What was heard, as soon as it is all, or nothing comes any more."""
    last, since = -1, perf_counter()
    while True:
        heard: dict[str, Any] = listener.ask("counted")
        if heard["count"] > expected:
            raise RuntimeError(f"{heard['count']} of {expected} messages heard")
        if heard["count"] == expected or perf_counter() - since > SILENCE:
            return heard
        if heard["count"] != last:
            last, since = heard["count"], perf_counter()
        time.sleep(0.01)


def rates(words: str, samples: dict[str, list[Said]]) -> list[Line]:
    """Messages per second."""
    said = {name: [one.rate for one in some] for name, some in samples.items()}
    heard = {name: [one.heard_rate for one in some] for name, some in samples.items()}
    cpu = {name: median(one.cpu for one in some) for name, some in samples.items()}
    share = {name: min(one.share for one in some) for name, some in samples.items()}
    spent = ", ".join(f"{name} {number(value)} µs" for name, value in cpu.items())
    lost = ", ".join(f"{name} {value:.1%}" for name, value in share.items() if value < 1)
    notes = (
        f"Publish, {words}, CPU time of the publisher per message: {spent}.",
        fan_out(f"Publish, {words}", "/s", said),
        *([f"Publish, {words}, only heard in part (worst round): {lost}."] if lost else []),
    )
    kinds = {words: medians(said)}
    if words == "serving loop":  # whose words wait for their turn; those of threads are out
        kinds[f"{words}, until it is heard"] = medians(heard)
    return [
        Line(f"publish, {WORDS[layer]}, {what}", "/s", of_layer(layer, values), (), True, notes)
        for layer in LAYERS
        for what, values in kinds.items()
    ]


def delays(words: str, samples: dict[str, list[Said]]) -> list[Line]:
    """Milliseconds from saying in one process to hearing in another."""
    middle = {name: [1e3 * median(one.delays) for one in some] for name, some in samples.items()}
    worst = {
        name: 1e3 * quantiles([delay for one in some for delay in one.delays], n=100)[98]
        for name, some in samples.items()
    }
    late = ", ".join(f"{name} {number(value)} ms" for name, value in worst.items())
    notes = (
        f"One message, {words}, 99 of 100 take at most: {late}.",
        fan_out(f"One message, {words}, median", "ms", middle),
    )
    return [
        Line(
            f"one message to the other process, {WORDS[layer]}, from a {words}",
            "ms",
            of_layer(layer, medians(middle)),
            notes=notes,
        )
        for layer in LAYERS
    ]
