"""The ports of the servers that tests start."""

import socket
import sys

_reserved: list[socket.socket] = []


def free_port() -> int:
    """Return a port for a server that this process starts, now or later, perhaps several times.

    Tests run in parallel, so the port must stay reserved. On Linux, a socket that is bound to a
    port keeps it from other processes: at all addresses, because Valkey looks whether all are free.
    A server that asks for this port may still listen, if both sockets have `SO_REUSEADDR`.
    """
    probe = socket.socket()
    probe.bind(("", 0))
    port: int = probe.getsockname()[1]
    if sys.platform == "linux":
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _reserved.append(probe)
    else:
        probe.close()
    return port


def answers(port: int) -> bool:
    """Return whether a server listens on `port`."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
