"""What each promise of this library costs, written by hand: `python -m benchmarks.promises`.

It prints a table: the CPU time of a frame for a constant answer, for *bare*, then with one promise
more in each row, up to all of them, then for *ours*. Each row has a process of its own, and rounds
are interleaved.

With `--instructions` the table has the thousands of instructions instead, for one connection
(valgrind; a few minutes). With `--server`: the CPU time of uvicorn processes with 500 sockets.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from statistics import median, quantiles
from typing import NamedTuple

from . import cpu, database, instructions, serving
from .cases import end_to_end
from .measuring import Plan
from .peers import promises
from .processes import Process

ROUNDS = 9


class Row(NamedTuple):
    """A row of the table: the peer, and the variant of its applications."""

    label: str
    peer: str
    variant: str = ""

    def has(self, application: str) -> bool:
        """Return whether the row has a value for `application`."""
        return self.peer != "promises" or application + self.variant in promises.PEER.applications


ROWS = (
    Row("an answer that is always the same", "constant"),
    Row("bare: JSON is parsed, the method compared, the answer rendered", "bare"),
    *(
        Row(f"+ {label}", "promises", f" {number}")
        for number, (label, *_) in enumerate(promises.STEPS)
    ),
    Row("ours", "ours"),
)

#: The rows of the table of a real server. Its samples vary more, so it has more rounds.
SERVER_ROUNDS = 31
SERVER_ROWS = (
    Row("an answer that is always the same", "constant"),
    Row("bare", "bare"),
    Row("by hand, without steps that a class may override", "promises", " 7"),
    Row("by hand, with these steps", "promises", " 8"),
    Row("ours", "ours"),
)

#: The label of a column, the application and the connections.
COLUMNS = (
    ("echo, 1", "echo", 1),
    ("echo, 100", "echo", 100),
    ("action, 1", "actions", 1),
    ("action, 100", "actions", 100),
)


def cpu_times(application: str, connections: int) -> dict[Row, float]:
    """Return the microseconds of CPU of a frame: the median of all rounds."""
    with ExitStack() as stack:
        processes: dict[Row, Process] = {}
        for row in ROWS:
            if row.has(application):
                processes[row] = process = stack.enter_context(cpu.started(row.peer))
                options = {"application": application, "connections": connections}
                process.call("open", name="exchange", variant=row.variant, **options)
        repeats = {row: cpu.calibrate(process, cpu.SAMPLE) for row, process in processes.items()}
        samples: dict[Row, list[float]] = {row: [] for row in processes}
        order = list(processes)
        for _ in range(ROUNDS):
            for row in order:
                sample = processes[row].call("run", repeats=repeats[row])
                samples[row].append(1e6 * sample["cpu"] / sample["operations"])
            order.append(order.pop(0))
    return {row: median(values) for row, values in samples.items()}


def counted(application: str, connections: int) -> dict[Row, float]:
    """Return the thousands of instructions of a frame."""
    case = "action" if application == "actions" else application
    found = {}
    for row in ROWS:
        if row.has(application):
            name = f"{application}{row.variant}" if row.variant else case
            found[row] = int(instructions.measure(name, row.peer)) / 1000
    return found


def server_times() -> str:
    """Return a table of the CPU time of uvicorn for an echo, of 500 sockets."""
    rows = {row.peer + row.variant: row for row in SERVER_ROWS}
    with ExitStack() as stack:
        servers = {
            name: [stack.enter_context(serving.serving(row.peer, name=name, variant=row.variant))]
            for name, row in rows.items()
        }
        plan = Plan(rounds=SERVER_ROUNDS)
        samples = serving.drive(servers, ["echo"], plan, sockets=end_to_end.SOCKETS)
    times = end_to_end.cpu_of(samples, "echo")
    lines = ["| | µs | × bare | quartiles |", "| --- | ---: | ---: | ---: |"]
    for name, row in rows.items():
        ratios = [own / bare for own, bare in zip(times[name], times["bare"], strict=True)]
        low, middle, high = quantiles(ratios)
        cells = f"{median(times[name]):.1f} | {middle:.2f} | {low:.2f} to {high:.2f}"
        lines.append(f"| {row.label} | {cells} |")
    return "\n".join(lines)


def table(
    columns: Sequence[tuple[str, str, int]],
    measure: Callable[[str, int], Mapping[Row, float]],
    form: str,
) -> str:
    """Return the table, with the measured values and what each row adds."""
    measured = [measure(application, connections) for _label, application, connections in columns]
    lines = [
        f"| | {' | '.join(label for label, *_ in columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    before = [0.0] * len(columns)
    for row in ROWS:
        cells = []
        for number, values in enumerate(measured):
            value = values.get(row)
            if value is None:
                cells.append("–")
                continue
            added = f" (+{value - before[number]:{form}})" if before[number] else ""
            cells.append(f"{value:{form}}{added}".replace("+-", "−"))
            before[number] = value
        lines.append(f"| {row.label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    if "--server" in arguments:
        print(server_times())
    elif "--instructions" in arguments:
        print(table([each for each in COLUMNS if each[2] == 1], counted, ".1f"))
    else:
        print(table(COLUMNS, cpu_times, ".2f"))


if __name__ == "__main__":
    database.prepare()
    main(sys.argv[1:])
