"""Instructions per operation, counted by valgrind: `python -m benchmarks.instructions`.

CPU time depends on the machine, and on what else runs there. The number of instructions does not:
most runs agree within one percent. A few differ by ten, because the interpreter has specialised its
code in another way, although each is warmed up for long. So even a change of one step can be seen
on a busy machine. But instructions take different times: what waits for memory is underestimated.

Needs `valgrind` on the PATH, and takes about a minute for each line.
"""

import asyncio
import gc
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from django.test import override_settings

from . import configuration, connecting, database
from .peers import Peer, load
from .workloads import Workload, make

PROJECT = Path(__file__).parent.parent


class Counted(NamedTuple):
    """A workload, its options, and how often the shorter of two measured runs repeats it."""

    workload: str
    options: dict[str, Any]
    repeats: int


CASES = {
    "echo": Counted("exchange", {"application": "echo", "connections": 1}, 600),
    "echo-100": Counted("exchange", {"application": "echo", "connections": 100}, 600),
    "action": Counted("exchange", {"application": "actions", "connections": 1}, 500),
    "action-100": Counted("exchange", {"application": "actions", "connections": 100}, 500),
    "action-open": Counted(
        "exchange", {"application": "actions", "connections": 1, "variant": " open"}, 500
    ),
    "retrieve": Counted("exchange", {"application": "rows", "connections": 1}, 40),
    "def": Counted("exchange", {"application": "noop", "connections": 1}, 100),
    "connect-view": Counted("connect", {"application": "echo"}, 3),
    "connect-consumer": Counted("connect", {"application": "consumer"}, 3),
    "fan-out": Counted("fan-out", {"members": 1_000, "payload": "small"}, 2),
    "addresses": Counted("send to addresses", {"members": 1_000}, 2),
    "observer": Counted("observer", {"members": 1_000}, 2),
}
PEERS = ("ours", "bare", "guarded", "raw")
#: How often the shorter run is repeated first: the interpreter tries a failed specialisation again
#: after up to some thousand calls.
WARM_UP = 10
#: Calls of a single step: before it is measured, and in the shorter of two measured runs.
STEP_WARM_UP, STEP_CALLS = 2_000, 100


#: The steps of `promises`.
CASES |= {
    f"{name}{variant}": CASES[case]._replace(options={**CASES[case].options, "variant": variant})
    for case, name in (("echo", "echo"), ("action", "actions"))
    for variant in (f" {number}" for number in range(9))
}


def total(dump: str) -> int:
    """Return the instructions of one dump of callgrind. Raise `ValueError` if it has no total."""
    found = re.search(r"^(?:summary|totals): (\d+)", dump, re.MULTILINE)
    if found is None:
        raise ValueError("This is no dump of callgrind: it has no total.")
    return int(found[1])


class Counter:
    """Counts the instructions of this process, which runs in valgrind with files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def count(self, peer: Peer, case: Counted) -> int:
        """Return the instructions per operation: of a run, less those of a shorter one."""
        workload = make(peer, case.workload, **case.options)
        await workload.open()
        gc.collect()
        gc.disable()  # its collections would be in one of the runs by chance
        await workload.run(WARM_UP * case.repeats)
        short = await self._run(workload, case.repeats)
        long = await self._run(workload, 3 * case.repeats)
        return round((long[0] - short[0]) / (long[1] - short[1]))

    async def _run(self, workload: Workload, repeats: int) -> tuple[int, int]:
        """Return the instructions and the operations of one run."""
        _control("--instr=on")
        _control("--zero")
        operations = await workload.run(repeats)
        return self._counted(), operations

    def count_step(self, step: Callable[[], Any]) -> float:
        """Return the instructions of one call of `step`."""
        for _ in range(STEP_WARM_UP):
            step()
        short, long = (self._count_calls(step, calls) for calls in (STEP_CALLS, 3 * STEP_CALLS))
        return (long - short) / (2 * STEP_CALLS)

    def _count_calls(self, step: Callable[[], Any], calls: int) -> int:
        _control("--instr=on")
        _control("--zero")
        for _ in range(calls):
            step()
        return self._counted()

    def _counted(self) -> int:
        """Return the instructions since the count began."""
        _control("--dump")
        _control("--instr=off")
        dumps = sorted(self.folder.glob("dump.*"))
        counted = sum(total(dump.read_text()) for dump in dumps)
        for dump in dumps:
            dump.unlink()
        return counted


def _control(option: str) -> None:
    command = ["callgrind_control", option, str(os.getpid())]
    subprocess.run(command, check=True, capture_output=True)


def measure(case: str, peer: str) -> str:
    """Run this module in valgrind, for one case and one peer. Return the number that it prints."""
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no"]
        valgrind.append(f"--callgrind-out-file={folder}/dump")
        command = [*valgrind, sys.executable, "-m", "benchmarks.instructions", case, peer, folder]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=PROJECT)
    return done.stdout.strip() or "–"


async def print_steps(counter: Counter) -> None:
    """Print the table of the steps of connecting and closing, in thousands of instructions."""
    gc.disable()
    for label, (view, consumer) in connecting.measured(counter.count_step).items():
        print(f"| {label} | {view / 1_000:.1f} | {consumer / 1_000:.1f} |")


def main(arguments: Sequence[str]) -> None:
    """Print a table of the named cases, or of all; `steps`: of the steps of a connection.

    With three arguments: run in valgrind.
    """
    if arguments == ["steps"]:
        print(measure("steps", "ours"))
        return
    if len(arguments) == 3 and Path(arguments[2]).is_dir():
        database.prepare()
        (peer,) = load([arguments[1]])
        counter = Counter(Path(arguments[2]))
        # In valgrind a run takes so long that a heartbeat would be counted with the frames.
        with override_settings(REST_CHANNELS={**configuration.REST_CHANNELS, "BEAT": None}):
            if arguments[0] == "steps":
                asyncio.run(print_steps(counter))
            else:
                print(asyncio.run(counter.count(peer, CASES[arguments[0]])))
        return
    if unknown := set(arguments) - CASES.keys():
        raise SystemExit(f"There is no case {', '.join(unknown)}. Known: {', '.join(CASES)}.")
    print(f"{'instructions':20}" + "".join(f"{peer:>12}" for peer in PEERS))
    for case in arguments or CASES:
        print(f"{case:20}" + "".join(f"{measure(case, peer):>12}" for peer in PEERS), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
