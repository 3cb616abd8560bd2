"""Start the processes of a cluster, and send them commands."""

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

#: The two layers of channels_redis, and their labels.
LAYERS = ("core", "pubsub")
LABELS = {"core": "core", "pubsub": "pub/sub"}
#: Seconds for one command.
TIMEOUT = 30


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


def of_layer(layer: str, values: Mapping[str, float]) -> dict[str, float]:
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


class Node:
    """A process that runs the commands of `node.py`."""

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

    def call(self, command: str, **options: Any) -> Any:
        """Run a command, and return its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([command, options]) + "\n")
        self.process.stdin.flush()
        readable, _, _ = select.select([self.process.stdout], [], [], TIMEOUT)
        line = self.process.stdout.readline() if readable else ""
        if not line:
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
            self.log.seek(0)
            end = self.log.read()[-2_000:].decode(errors="replace")
            raise RuntimeError(f"a process of {self.variant.name!r} does not answer:\n{end}")
        return json.loads(line)


@contextmanager
def node(variant: Variant, url: str) -> Iterator[Node]:
    """Run a process during a `with` block. It is ready at its first answer."""
    with tempfile.TemporaryFile() as log:
        running = Node(variant, url, log)
        with running.process:
            try:
                yield running
            finally:
                running.process.kill()
