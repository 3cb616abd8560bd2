"""Live queries: how soon clients are told, and what many queries, long lists and saves cost.

All other cases run without a live class, which would make this process note what it writes. So the
lists are in a process of their own. What a save costs without lists is measured in another one.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median

from ..cluster.nodes import range_note
from ..environments import environ, python
from ..measuring import Line, Plan, Requirement, at_most, line_of, number
from ..peers import Peer
from ..processes import Process, running

SUBSCRIBERS, QUERIES, CHANGES, SAVES = 1_000, 10_000, 30, 500


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure milliseconds, SQL queries, microseconds and kilobytes."""
    queries = QUERIES // (10 if plan.quick else 1)
    with ExitStack() as stack:
        ours, without = (stack.enter_context(started(name)) for name in ("lists", "without"))
        lines = [nobody_listens(ours, without, plan), *window(ours, plan), *readers(ours, plan)]
        lines += [memory(ours), *changes(ours, without, queries, plan)]
    return lines


@contextmanager
def started(name: str) -> Iterator[Process]:
    """Run a process, with live lists or without."""
    with running(name, [python("ours"), "-m", "benchmarks.live", name], environ("ours")) as process:
        process.call("open")
        yield process


def nobody_listens(ours: Process, without: Process, plan: Plan) -> Line:
    """Compare saves with a live class and no client with saves without a live class."""
    samples = alternate({"ours": ours, "without": without}, "save", plan.count(9, 5), count=SAVES)
    times = {name: [1e6 * cpu / SAVES for cpu in values] for name, values in samples.items()}
    added = median(a - b for a, b in zip(times["ours"], times["without"], strict=True))

    def test(line: Line) -> bool:
        return added <= 20

    label = "a row is saved, a live list that nobody has: CPU time"
    notes = [f"Live queries: a save without clients takes {number(max(added, 0))} µs more."]
    return line_of(label, "µs", times, (Requirement("≤ 20 µs more", test),), notes=notes)


def window(ours: Process, plan: Plan) -> list[Line]:
    """Measure how soon the last client of a window is told after the commit, and the queries."""
    ours.call("watch_window", count=SUBSCRIBERS)
    rounds = [ours.call("change_window") for _ in range(plan.count(15, 5))]
    ours.call("leave")
    told = {"ours": [1e3 * each["told"] for each in rounds]}
    statements = {"ours": [float(each["statements"]) for each in rounds]}
    case, floor = f"a window of 50 rows, {SUBSCRIBERS:,} clients", at_most(20, "ms")
    notes = [range_note("Live queries, until the last client is told", "ms", told)]
    return [
        line_of(f"{case}: from the commit until the last", "ms", told, (floor,), notes=notes),
        line_of(f"{case}: SQL queries", "queries", statements, (at_most(3, "queries"),)),
    ]


def readers(ours: Process, plan: Plan) -> list[Line]:
    """Measure what a change costs of a row that is in a different list of each of many users."""
    ours.call("watch_own", count=SUBSCRIBERS)
    rounds = [ours.call("change_own") for _ in range(plan.count(9, 3))]
    ours.call("leave")
    case = f"a row in the different lists of {SUBSCRIBERS:,} users, with `viewers`"
    told, cpu = ({"ours": [1e3 * each[name] for each in rounds]} for name in ("told", "cpu"))
    statements = {"ours": [float(each["statements"]) for each in rounds]}
    return [
        line_of(f"{case}: from the commit until the last", "ms", told),
        line_of(f"{case}: CPU time", "ms", cpu),
        line_of(f"{case}: SQL queries", "queries", statements, (at_most(3, "queries"),)),
    ]


def memory(ours: Process) -> Line:
    """Measure the Python memory of a query of 1,000 rows, with its only client's subscription."""
    size = ours.call("memory")
    ours.call("leave")
    label = "a live query of 1,000 rows: memory"
    return Line(label, "kB", {"ours": size / 1e3}, (at_most(150, "kB"),))


def changes(ours: Process, without: Process, queries: int, plan: Plan) -> list[Line]:
    """Measure what a change costs that concerns none of many queries, or one."""
    ours.call("watch_rooms", count=queries)
    none: list[float] = []
    one: list[float] = []
    for _ in range(plan.count(5, 3)):
        alone = without.call("change", count=CHANGES, room=0)
        none.append(1e3 * (ours.call("change", count=CHANGES, room=0) - alone) / CHANGES)
        one.append(1e3 * (ours.call("change", count=CHANGES, room=7) - alone) / CHANGES)
    label = f"{queries:,} different indexed queries, a change that concerns"
    floor = (at_most(1, "ms"),)
    return [
        line_of(f"{label} none: CPU time", "ms", {"ours": none}, floor),
        line_of(f"{label} one: CPU time", "ms", {"ours": one}, floor),
    ]


def alternate(
    processes: dict[str, Process], command: str, rounds: int, **options: int
) -> dict[str, list[float]]:
    """Run a command in the processes in turn. No process always follows the same one."""
    samples: dict[str, list[float]] = {name: [] for name in processes}
    order = list(processes)
    for _ in range(rounds):
        for name in order:
            samples[name].append(processes[name].call(command, **options))
        order.append(order.pop(0))
    return samples
