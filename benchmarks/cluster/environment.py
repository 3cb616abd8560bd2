"""The channel layer of a process, configured by an environment variable."""

import json
import os
from typing import Any

VARIABLE = "BENCHMARKS_LAYER"

BACKENDS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}


def environ(peer: str, layer: str, url: str) -> dict[str, str]:
    """Return the environment variables of a process. Each variant has its own key prefix.

    The capacity of core drops nothing, like that of the in-memory layer. Core waits for messages
    five seconds at a time, and redis-py 8 times out after five. Without the longer timeout, raw
    consumers would fail after five seconds without a message.
    """
    config: dict[str, Any] = {"hosts": [url], "prefix": f"{peer}-{layer}-"}
    if layer == "core":
        config["hosts"] = [{"address": url, "socket_timeout": 10}]
        config["capacity"] = 1_000_000
    return {**os.environ, VARIABLE: json.dumps({"BACKEND": BACKENDS[layer], "CONFIG": config})}


def layer_from_environment() -> dict[str, Any] | None:
    """Return the configuration of the layer, or None."""
    text = os.environ.get(VARIABLE)
    return json.loads(text) if text else None
