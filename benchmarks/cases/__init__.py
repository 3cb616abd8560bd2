"""The cases by name. Each is a coroutine function `run(peers, plan) -> lines`."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from ..measuring import Line, Plan
from ..peers import Peer
from . import (
    connections,
    deflate,
    end_to_end,
    frames,
    handlers,
    history,
    idle_server,
    imports,
    latency,
    lists,
    live,
    observers,
    outage,
    over_redis,
    postgresql,
    publish,
    returning,
    sending,
)

Case = Callable[[Sequence[Peer], Plan], Coroutine[Any, Any, list[Line]]]

CASES: dict[str, Case] = {
    "frames": frames.run,
    "sending": sending.run,
    "connect": connections.run_connect,
    "idle": connections.run_idle,
    "handlers": handlers.run,
    "import": imports.run,
    "e2e": end_to_end.run,
    "redis": over_redis.run,
    "publish": publish.run,
    "lists": lists.run,
    "observers": observers.run,
    "live": live.run,
    "outage": outage.run,
    "latency": latency.run,
    "idle-server": idle_server.run,
    "deflate": deflate.run,
    "postgresql": postgresql.run,
    "history": history.run,
    "returning": returning.run,
}

#: The cases of `make bench-quick`.
SHORT = ("frames", "sending", "connect")
