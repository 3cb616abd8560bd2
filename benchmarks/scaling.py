"""What a number of connections needs, from measured costs: `python -m benchmarks.scaling --help`.

A model, not a measurement. It adds up the CPU time of frames, broadcasts and connects, and compares
the sum, the memory and the load of the broker with what a process, a machine and a Redis have.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from . import results
from .results import Result


@dataclass(frozen=True)
class Costs:
    """What one operation costs a server, in microseconds of CPU, and a connection in kilobytes."""

    frame: float
    """A frame that is received and answered, with the work of the server and the kernel."""
    delivery: float
    """A message of a group, sent to one member."""
    connect: float
    """A connection that is opened."""
    receipt: float
    """A message of another process, received from Redis, before it is sent to members."""
    memory: float
    """An open connection, with what the server keeps for it, in kilobytes."""


@dataclass(frozen=True)
class Capacity:
    """What is available."""

    cores: int = 8
    """CPUs of a machine; one process runs on each."""
    machine_memory: float = 32.0
    """Gigabytes of a machine."""
    process_memory: float = 0.15
    """Gigabytes of a process without connections."""
    process_connections: int = 20_000
    """Connections of a process. More than 10,000 were not measured, and all of them connect again
    when the process is replaced."""
    share: float = 0.6
    """The part of a CPU that is used: the rest is for peaks."""
    redis_messages: float = 100_000.0
    """Messages a second that one Redis sends to its subscribers."""


@dataclass(frozen=True)
class Load:
    """What clients do."""

    connections: int = 1_000_000
    frames: float = 0.05
    """Frames a second of each connection."""
    broadcasts: float = 1_000.0
    """Messages a second to groups, in all."""
    members: float = 100.0
    """Members of a group."""
    lifetime: float = 1_800.0
    """Seconds until a connection is lost, and opened again."""


@dataclass(frozen=True)
class Needs:
    """The result: what the load needs."""

    cpu: float
    """CPUs that are busy, on average."""
    memory: float
    """Gigabytes of all processes."""
    processes: int
    machines: int
    redis_messages: float
    """Messages a second that Redis sends."""
    redis: int
    """Redis servers between which the groups are divided."""
    bound_by: str
    """What decides the number of processes: `"CPU"`, `"memory"` or `"connections"`."""


def needs(load: Load, costs: Costs, capacity: Capacity) -> Needs:
    """Return what `load` needs. Members of a group are spread evenly over the processes."""
    connected = load.connections * costs.memory / 1e6
    seconds = load.connections * load.frames * costs.frame
    seconds += load.connections / load.lifetime * costs.connect
    seconds += load.broadcasts * load.members * costs.delivery
    processes = 1
    for _ in range(20):  # more processes receive more messages, so the number is found in steps
        receipts = load.broadcasts * processes_of_group(processes, load.members)
        cpu = (seconds + receipts * costs.receipt) / 1e6
        free = capacity.machine_memory / capacity.cores - capacity.process_memory
        wanted = {
            "CPU": math.ceil(cpu / capacity.share),
            "memory": math.ceil(connected / free),
            "connections": math.ceil(load.connections / capacity.process_connections),
        }
        bound_by = max(wanted, key=wanted.__getitem__)
        if processes >= (found := max(wanted[bound_by], 1)):
            break
        processes = found
    messages = receipts if processes > 1 else 0.0
    return Needs(
        cpu,
        connected + processes * capacity.process_memory,
        processes,
        math.ceil(processes / capacity.cores),
        messages,
        math.ceil(messages / capacity.redis_messages),
        bound_by,
    )


def processes_of_group(processes: int, members: float) -> float:
    """Return how many processes have a member of a group, on average."""
    return processes * (1 - (1 - 1 / processes) ** members)


#: Each cost: the case, the line and the peer's column that it is read from.
SOURCES = {
    "frame": ("e2e", "end to end, 500 sockets, echo, CPU time of the server per frame"),
    "delivery": ("e2e", "end to end, 500 sockets, fan-out small, CPU time of the server per frame"),
    "connect": (
        "idle-server",
        "10,000 idle connections, a view, tuned garbage collection: "
        "CPU time of the server per connect",
    ),
    "memory": (
        "idle-server",
        "10,000 idle connections, a view, tuned garbage collection: "
        "memory of the server per connection",
    ),
}
#: How many messages a second of another process a process receives, if it does nothing else.
RECEIPTS = ("publish", "publish, pub/sub, serving loop, until received")


def measured(committed: Mapping[str, Result]) -> Costs:
    """Return the costs in the committed results. Raise `KeyError` if one is missing."""
    found = {name: median(committed, *source) for name, source in SOURCES.items()}
    return Costs(receipt=1e6 / median(committed, *RECEIPTS), **found)


def median(committed: Mapping[str, Result], case: str, label: str) -> float:
    """Return the value of ours in one line."""
    for line in committed[case]["lines"]:
        if line["line"] == label:
            value: float = line["peers"]["ours"]["median"]
            return value
    raise KeyError(f"The results of {case} have no line {label!r}.")


HEAD = ("connections", "CPUs busy", "memory", "processes", "machines", "bound by", "from Redis")


def row(load: Load, found: Needs) -> tuple[str, ...]:
    """Return the cells of one line."""
    redis = f"{found.redis_messages:,.0f}/s" + (f", {found.redis} Redis" if found.redis else "")
    return (
        f"{load.connections:,}",
        f"{found.cpu:.1f}",
        f"{found.memory:,.1f} GB",
        str(found.processes),
        str(found.machines),
        found.bound_by,
        redis,
    )


def as_markdown(loads: Sequence[Load], costs: Costs, capacity: Capacity) -> str:
    """Return a table with a row for each load."""
    lines = [
        HEAD,
        ("---:",) * len(HEAD),
        *(row(load, needs(load, costs, capacity)) for load in loads),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def parts(load: Load) -> list[Load]:
    """Return a hundredth of a load, a tenth and the whole."""
    return [
        replace(
            load,
            connections=round(load.connections * share),
            broadcasts=load.broadcasts * share,
        )
        for share in (0.01, 0.1, 1)
    ]


def main() -> None:
    """Print the needs of a load, and of a tenth and a hundredth of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    groups: tuple[Any, ...] = (Load(), measured(results.read()), Capacity())
    for group in groups:
        for field in fields(group):
            kind, value = type(field.default), getattr(group, field.name)
            name = field.name.replace("_", "-")
            kind = int if kind is int else float
            parser.add_argument(f"--{name}", type=kind, default=value, help=f"default {value:,g}")
    given = vars(parser.parse_args())
    load, costs, capacity = (
        replace(group, **{field.name: given[field.name] for field in fields(group)})
        for group in groups
    )
    print(as_markdown(parts(load), costs, capacity))


if __name__ == "__main__":
    main()
