"""How a process learns of its channel layer: through its environment."""

import json
import os
from typing import Any

NAME = "BENCHMARKS_LAYER"

BACKENDS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}


def environ(peer: str, layer: str, url: str) -> dict[str, str]:
    """The environment of a process. Every variant has names of its own in the broker.

    The capacity of core is out of the way, as that of the in-memory layer is: nothing is dropped.
    Core waits for five seconds at a time, and redis-py, from 8 on, gives up after five: without the
    longer timeout raw consumers would die when nobody has spoken to them for so long.
    """
    config: dict[str, Any] = {"hosts": [url], "prefix": f"{peer}-{layer}-"}
    if layer == "core":
        config["hosts"] = [{"address": url, "socket_timeout": 10}]
        config["capacity"] = 1_000_000
    return {**os.environ, NAME: json.dumps({"BACKEND": BACKENDS[layer], "CONFIG": config})}


def given() -> dict[str, Any] | None:
    """The layer that this process was given, if it was."""
    text = os.environ.get(NAME)
    return json.loads(text) if text else None
