"""The cost of a connection: the CPU time to open and close it, and the memory of an idle one."""

from collections.abc import Sequence

from ..cpu import Workbench, line, started
from ..measuring import Line, Plan, of_raw_at_most, over_raw
from ..peers import Peer

#: Connections of one sample of memory.
IDLE = 2_000


async def run_connect(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure microseconds of CPU from connecting until the application has returned."""
    view = Workbench("connect", ("ours", "bare", "raw", "starlette"), {"application": "echo"})
    consumer = Workbench("connect", ("ours", "raw", "dcrf"), {"application": "consumer"})
    return [
        line("connect and close, a view", view, plan, (over_raw(8),)),
        line("connect and close, an AsyncAPIConsumer", consumer, plan, (over_raw(7),)),
    ]


async def run_idle(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure the bytes of Python memory per open connection.

    This includes the scope, task and socket of the driver, which are the same for all peers.
    """
    count = IDLE // (4 if plan.quick else 1)
    return [
        Line(label, "bytes", idle_bytes(application, names, count), (of_raw_at_most(0.45),))
        for label, application, names in (
            ("idle connection, a view", "echo", ("ours", "raw", "bare")),
            ("idle connection, an AsyncAPIConsumer", "consumer", ("ours", "raw")),
        )
    ]


def idle_bytes(application: str, names: Sequence[str], count: int) -> dict[str, float]:
    """Return the bytes of each peer."""
    values = {}
    for name in names:
        with started(name) as process:
            values[name] = process.call("idle_bytes", application=application, count=count)
    return values
