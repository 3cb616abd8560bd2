"""CPU time per operation: every peer in a process of its own, in interleaved, paired rounds.

A round measures each peer once, one after another. The ratio of two peers is that of the same
round, so that what slows the machine for seconds slows both. The table has medians, and the
quartiles of the ratios.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any, NamedTuple

from .environments import NotInstalledError, environ, python
from .measuring import Line, Plan, Requirement, number
from .peers import NAMES
from .processes import Process, running

#: Seconds of CPU of one sample. The clock of a process ticks in nanoseconds, but garbage is
#: collected, and caches are filled, in longer intervals.
SAMPLE = 0.3


class Spread(NamedTuple):
    """A median, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of one or more values."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, middle, high = quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)


@dataclass(frozen=True)
class Workbench:
    """A workload, and the peers that can do it."""

    workload: str
    peers: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Options of one peer.
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def options_of(self, peer: str) -> dict[str, Any]:
        """Return the options of one peer."""
        return {**self.options, **self.own.get(peer, {})}


class Measured(NamedTuple):
    """What was measured of one workload."""

    #: CPU seconds per operation, by peer, one value for each round.
    samples: Mapping[str, Sequence[float]]
    versions: Mapping[str, str]
    #: Why a peer is missing.
    missing: Mapping[str, str]

    def cpu(self, peer: str) -> Spread:
        """Return the seconds of a peer."""
        return Spread.of(self.samples[peer])

    def ratio(self, peer: str, other: str) -> Spread:
        """Return how many times the CPU of `other` is that of `peer`, from pairs of rounds."""
        pairs = zip(self.samples[peer], self.samples[other], strict=True)
        return Spread.of([second / first for first, second in pairs])


def measure(bench: Workbench, rounds: int) -> Measured:
    """Run the workload of all its peers, each in its process."""
    with ExitStack() as stack:
        processes: dict[str, Process] = {}
        missing: dict[str, str] = {}
        for peer in bench.peers:
            try:
                processes[peer] = stack.enter_context(started(peer))
            except NotInstalledError as error:
                missing[peer] = str(error)
        for peer, process in processes.items():
            process.call("open", name=bench.workload, **bench.options_of(peer))
        repeats = {peer: calibrate(process) for peer, process in processes.items()}
        samples: dict[str, list[float]] = {peer: [] for peer in processes}
        order = list(processes)
        for _ in range(rounds):
            for peer in order:
                sample = processes[peer].call("run", repeats=repeats[peer])
                samples[peer].append(sample["cpu"] / sample["operations"])
            order.append(order.pop(0))  # no peer always follows the same one
        versions = {peer: process.call("versions") for peer, process in processes.items()}
    return Measured(samples, versions, missing)


def started(peer: str) -> Any:
    """Return a context manager that runs the process of `peer`."""
    return running(peer, [python(peer), "-m", "benchmarks.worker", peer], environ(peer))


def calibrate(process: Process) -> int:
    """Warm up, and return how often the workload is to be repeated for one sample."""
    repeats = 1
    while True:
        cpu = process.call("run", repeats=repeats)["cpu"]
        if cpu >= SAMPLE / 4:
            return max(1, round(repeats * SAMPLE / cpu))
        repeats = max(repeats + 1, min(repeats * 10, round(repeats * SAMPLE / max(cpu, 1e-4))))


def line(label: str, bench: Workbench, plan: Plan, requirements: Sequence[Requirement]) -> Line:
    """Measure a workload, and return its line of the table, in microseconds of CPU."""
    measured = measure(bench, plan.count(9, 3))
    values = {peer: 1e6 * measured.cpu(peer).median for peer in measured.samples}
    others = [peer for peer in values if peer != "ours"]
    ratios = {peer: measured.ratio("ours", peer) for peer in others if "ours" in values}
    texts = [f"{peer} {number(values[peer])} µs" for peer in others if peer not in NAMES]
    spreads = [f"{peer} {ratio.low:.2f} to {ratio.high:.2f}" for peer, ratio in ratios.items()]
    notes = [
        f"{label}, CPU time of others: {', '.join(texts)}." if texts else "",
        f"{label}, quartiles of the ratio of others to ours: {', '.join(spreads)}.",
        *(f"{label}, {peer} is missing: {why}" for peer, why in measured.missing.items()),
    ]
    medians = {peer: ratio.median for peer, ratio in ratios.items()}
    notes = [note for note in notes if note]
    return Line(label, "µs", values, requirements, notes=notes, ratios=medians)
