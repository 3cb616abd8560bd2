"""The cases by name. Each is a coroutine function `run(peers, plan) -> lines`."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from ..measuring import Line, Plan
from ..peers import Peer
from . import (
    actions,
    connections,
    echo,
    end_to_end,
    fanout,
    handlers,
    imports,
    observers,
    outage,
    over_redis,
    publish,
    routed,
)

Case = Callable[[Sequence[Peer], Plan], Coroutine[Any, Any, list[Line]]]

CASES: dict[str, Case] = {
    "echo": echo.run,
    "fanout": fanout.run,
    "handlers": handlers.run,
    "idle": connections.run_idle,
    "connect": connections.run_connect,
    "import": imports.run,
    "e2e": end_to_end.run,
    "redis": over_redis.run,
    "publish": publish.run,
    "sockets": routed.run,
    "actions": actions.run,
    "observers": observers.run,
    "outage": outage.run,
}
