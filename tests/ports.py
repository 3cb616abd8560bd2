"""Where the servers that tests start listen."""

import socket
import sys

_reserved: list[socket.socket] = []


def free_port() -> int:
    """Return a port for a server that this process starts, now or later, perhaps again and again.

    Tests run side by side, so it is not enough that nobody uses it now. Linux gives a port that a
    socket is bound to neither to another process that asks for any nor to a client, but lets a
    server that asks for this one listen, if both sockets have `SO_REUSEADDR`.
    """
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    port: int = probe.getsockname()[1]
    if sys.platform == "linux":
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _reserved.append(probe)
    else:
        probe.close()
    return port


def answers(port: int) -> bool:
    """Whether somebody listens on `port`."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
