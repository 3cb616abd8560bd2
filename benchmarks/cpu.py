"""CPU time per operation: every peer in a process of its own, in interleaved, paired rounds.

A round measures each peer once, one after another. The ratio of two peers is that of the same
round, so that what slows the machine for seconds slows both. The table has medians, and the
quartiles of the ratios.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .environments import NotInstalledError, environ, python
from .measuring import Line, Plan, Requirement, line_of
from .peers import NAMES
from .processes import Process, running

#: Seconds of CPU of one sample. The clock of a process ticks in nanoseconds, but garbage is
#: collected, and caches are filled, in longer intervals.
SAMPLE = 0.3


@dataclass(frozen=True)
class Workbench:
    """A workload, and the peers that can do it."""

    workload: str
    peers: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Environment variables of the processes.
    env: Mapping[str, str] = field(default_factory=dict)

    def peers_of(self, plan: Plan) -> list[str]:
        """Return the peers to measure. A quick run leaves out those with an own environment."""
        return [peer for peer in self.peers if not plan.quick or peer in NAMES]


class Measured(NamedTuple):
    """What was measured of one workload."""

    #: CPU seconds per operation, by peer, one value for each round.
    samples: Mapping[str, Sequence[float]]
    #: Why a peer is missing.
    missing: Mapping[str, str]


def measure(bench: Workbench, plan: Plan) -> Measured:
    """Run the workload of all its peers, each in its process."""
    seconds = SAMPLE / (2 if plan.quick else 1)
    with ExitStack() as stack:
        processes: dict[str, Process] = {}
        missing: dict[str, str] = {}
        for peer in bench.peers_of(plan):
            try:
                processes[peer] = stack.enter_context(started(peer, bench.env))
            except NotInstalledError as error:
                missing[peer] = str(error)
        for process in processes.values():
            process.call("open", name=bench.workload, **bench.options)
        repeats = {peer: calibrate(process, seconds) for peer, process in processes.items()}
        samples: dict[str, list[float]] = {peer: [] for peer in processes}
        order = list(processes)
        for _ in range(plan.count(9, 5)):
            for peer in order:
                sample = processes[peer].call("run", repeats=repeats[peer])
                samples[peer].append(sample["cpu"] / sample["operations"])
            order.append(order.pop(0))  # no peer always follows the same one
    return Measured(samples, missing)


def started(peer: str, env: Mapping[str, str] | None = None) -> Any:
    """Return a context manager that runs the process of `peer`."""
    command = [python(peer), "-m", "benchmarks.worker", peer]
    return running(peer, command, {**environ(peer), **(env or {})})


def calibrate(process: Process, seconds: float) -> int:
    """Warm up, and return how often the workload is to be repeated to take `seconds` of CPU."""
    repeats = 1
    while True:
        cpu: float = process.call("run", repeats=repeats)["cpu"]
        if cpu >= seconds / 4:
            return max(1, round(repeats * seconds / cpu))
        repeats = max(repeats + 1, min(repeats * 10, round(repeats * seconds / max(cpu, 1e-4))))


def line(label: str, bench: Workbench, plan: Plan, requirements: Sequence[Requirement]) -> Line:
    """Measure a workload, and return its line of the table, in microseconds of CPU."""
    measured = measure(bench, plan)
    samples = {peer: [1e6 * cpu for cpu in values] for peer, values in measured.samples.items()}
    missing = [f"{label}, {peer} is missing: {why}" for peer, why in measured.missing.items()]
    return line_of(label, "µs", samples, requirements, notes=missing)
