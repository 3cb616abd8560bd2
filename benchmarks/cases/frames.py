"""One frame in, one frame out: the CPU time of the process."""

from collections.abc import Sequence

from ..cpu import Workbench, line
from ..measuring import Line, Plan, Requirement, of_bare, over_raw
from ..peers import Peer

#: The label, the application, the connections, the peers and the requirements of each line.
EXCHANGES: tuple[tuple[str, str, int, Sequence[str], Sequence[Requirement]], ...] = (
    (
        "echo, 1 connection",
        "echo",
        1,
        ("ours", "bare", "guarded", "raw", "starlette", "chanx", "socketio"),
        (of_bare(0.6),),
    ),
    (
        "echo, 100 connections",
        "echo",
        100,
        ("ours", "bare", "guarded", "raw", "starlette"),
        (of_bare(0.53),),
    ),
    (
        "action, 1 connection",
        "actions",
        1,
        ("ours", "bare", "guarded", "raw", "dcrf"),
        (of_bare(0.5),),
    ),
    (
        "action, 100 connections",
        "actions",
        100,
        ("ours", "bare", "guarded", "raw", "dcrf"),
        (of_bare(0.4),),
    ),
    (
        "action 'retrieve' with a ModelSerializer",
        "rows",
        1,
        ("ours", "raw", "dcrf"),
        (over_raw(1.4),),
    ),
    ("`def` handler that does nothing", "noop", 1, ("ours", "raw"), (over_raw(2),)),
    ("100 routes, exact", "dispatch", 1, ("ours", "bare", "raw"), (over_raw(8),)),
    ("100 routes, by pattern", "patterns", 1, ("ours", "bare", "raw"), (over_raw(8),)),
)

#: What a quick run leaves out, because other lines show nearly the same.
NOT_QUICK = {"echo, 100 connections", "100 routes, exact"}


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure microseconds of CPU per frame and answer."""
    lines = []
    for label, application, connections, names, requirements in EXCHANGES:
        if plan.quick and label in NOT_QUICK:
            continue
        options = {"application": application, "connections": connections}
        bench = Workbench("exchange", names, options)
        lines.append(line(label, bench, plan, requirements))
    return lines
