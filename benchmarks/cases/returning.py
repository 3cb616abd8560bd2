"""Five thousand clients of one group come back to one uvicorn process, each with other messages.

The client is another process. The messages are kept in a Valkey, which counts the calls.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis import Redis

from ..accounting import cpu_seconds
from ..cluster.broker import running
from ..cluster.environment import environ
from ..measuring import Line, Plan, at_most, line_of
from ..peers import Peer
from ..serving import client, serving
from .idle_server import connections

CLIENTS = 5_000
#: Messages that some have missed: more than a hub has at hand, so the store has to be read.
MISSED = 80
#: Reads of the store in a second: one in 20 ms.
READS = 50


class Measured(NamedTuple):
    """A round."""

    seconds: float
    """Until the last client had all."""
    reads: int
    """Calls of the store meanwhile."""
    server: float
    """Seconds of CPU time."""
    client: float


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure the seconds until the last client has all, and the reads of the store."""
    count = min(CLIENTS, connections(plan))
    rounds = [measure(count) for _ in range(plan.count(3, 1))]
    seconds = [each.seconds for each in rounds]
    last = rounds[-1]
    name = f"{count:,} clients of one group come back to one process"
    return [
        line_of(f"{name}, until the last has all", "s", {"ours": seconds}, (at_most(2, "s"),)),
        line_of(
            f"{name}, reads of the store",
            "/s",
            {"ours": [each.reads / max(each.seconds, 1.0) for each in rounds]},
            (at_most(READS, "/s"),),
            notes=(
                f"Coming back: in the last of {len(rounds)} rounds the store was read "
                f"{last.reads} times, and the CPU time was {last.server:.2f} s of the server "
                f"and {last.client:.2f} s of the client.",
            ),
        ),
    ]


def measure(count: int) -> Measured:
    """Connect all sockets to a new server, and let all ask for what they have missed."""
    with (
        running() as broker,
        Redis.from_url(broker.url) as redis,
        serving("kept", environ("kept", "pubsub", broker.url)) as server,
        client("returning") as crowd,
    ):
        port = server.call("port")
        crowd.call("connect", port=port, path="room", count=1)
        if crowd.call("send", count=MISSED) != MISSED:
            raise RuntimeError("not all messages have arrived")
        if crowd.call("connect", port=port, path="room", count=count - 1) != count:
            raise RuntimeError("not all sockets have connected")
        reads, used = script_calls(redis), [cpu_seconds(each.pid) for each in (server, crowd)]
        seconds = crowd.call("come_back", missed=MISSED)
        used = [cpu_seconds(each.pid) - at for each, at in zip((server, crowd), used, strict=True)]
        return Measured(seconds, script_calls(redis) - reads, *used)


def script_calls(redis: Redis) -> int:
    """Return how often a script was called."""
    found: Any = redis.info("commandstats").get("cmdstat_evalsha", {"calls": 0})
    return int(found["calls"])
