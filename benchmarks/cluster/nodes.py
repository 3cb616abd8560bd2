"""Start the processes of a cluster, and send them commands."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from ..measuring import number
from ..peers import Peer
from ..processes import Process, running
from .environment import environ

Value = TypeVar("Value")

#: The two layers of channels_redis, and their labels.
LAYERS = ("core", "pubsub")
LABELS = {"core": "core", "pubsub": "pub/sub"}


@dataclass(frozen=True)
class Variant:
    """A peer with a channel layer."""

    peer: str
    layer: str

    @property
    def name(self) -> str:
        """The key of its samples."""
        return f"{self.peer} {self.layer}"


def variants(peers: Sequence[Peer], bare: bool = False) -> list[Variant]:
    """Return all variants, in the order in which they are measured.

    *bare* has no channel layer. With `bare=True` it uses Redis pub/sub directly.
    """
    return [
        Variant(peer.name, layer)
        for layer in LAYERS
        for peer in peers
        if peer.name != "bare" or (bare and layer == "pubsub")
    ]


def of_layer(layer: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values of one layer by peer, from values by variant."""
    pairs = [(name.split(" "), value) for name, value in values.items()]
    return {peer: value for (peer, its_layer), value in pairs if its_layer == layer}


def range_note(label: str, unit: str, samples: Mapping[str, Sequence[float]]) -> str:
    """Return a note with the lowest and the highest round."""
    texts = [
        f"{name} {number(min(values))}–{number(max(values))}"
        for name, values in samples.items()
        if values
    ]
    return f"{label}, lowest to highest round: {', '.join(texts)} {unit}."


@contextmanager
def node(variant: Variant, url: str) -> Iterator[Process]:
    """Run a process with the commands of `node.py` during a `with` block."""
    command = [sys.executable, "-m", "benchmarks.cluster.node", variant.peer]
    with running(variant.name, command, environ(variant.peer, variant.layer, url)) as process:
        yield process
