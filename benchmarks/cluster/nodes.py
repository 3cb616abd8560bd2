"""Processes of a cluster, as those that start them see them."""

import json
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from ..measuring import number
from ..peers import Peer
from .environment import environ

#: The two layers of channels_redis, by what they are called here.
LAYERS = ("core", "pubsub")
WORDS = {"core": "core", "pubsub": "pub/sub"}
PATIENCE = 30


@dataclass(frozen=True)
class Variant:
    """A peer on a layer."""

    peer: str
    layer: str

    @property
    def name(self) -> str:
        """Both, in a word."""
        return f"{self.peer} {self.layer}"


def variants(peers: Sequence[Peer], bare: bool = False) -> list[Variant]:
    """All of them, in the order of their turns.

    *bare* knows no layers. Where it takes part it uses Redis pub/sub by hand.
    """
    return [
        Variant(peer.name, layer)
        for layer in LAYERS
        for peer in peers
        if peer.name != "bare" or (bare and layer == "pubsub")
    ]


def of_layer(layer: str, values: Mapping[str, float]) -> dict[str, float]:
    """Values by variant → those of one layer, by peer."""
    pairs = [(name.split(" "), value) for name, value in values.items()]
    return {peer: value for (peer, on), value in pairs if on == layer}


def fan_out(words: str, unit: str, samples: Mapping[str, Sequence[float]]) -> str:
    """A note: from the lowest to the highest round."""
    texts = [
        f"{name} {number(min(values))}–{number(max(values))}"
        for name, values in samples.items()
        if values
    ]
    return f"{words}, lowest to highest round: {', '.join(texts)} {unit}."


class Node:
    """A process that does as it is told, see `node.py`."""

    def __init__(self, variant: Variant, url: str, log: IO[bytes]) -> None:
        self.variant = variant
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.cluster.node", variant.peer],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environ(variant.peer, variant.layer, url),
            text=True,
        )

    def tell(self, order: str, **options: Any) -> None:
        """Give an order; `answer` is to be asked for later."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([order, options]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """What comes of the oldest order that was not answered. Waits for half a minute."""
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if readable else ""
        if not line:
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
            self.log.seek(0)
            end = self.log.read()[-2_000:].decode(errors="replace")
            raise RuntimeError(f"a process of {self.variant.name!r} does not answer:\n{end}")
        return json.loads(line)

    def ask(self, order: str, **options: Any) -> Any:
        """Give an order, and wait for its answer."""
        self.tell(order, **options)
        return self.answer()


@contextmanager
def node(variant: Variant, url: str) -> Iterator[Node]:
    """A process for this long; it is there when it first answers."""
    with tempfile.TemporaryFile() as log:
        one = Node(variant, url, log)
        with one.process:
            try:
                yield one
            finally:
                one.process.kill()
