"""One uvicorn process for one peer: `python -m benchmarks.server ours`.

It prints its port, and serves until its standard input ends, so it cannot outlive its parent.
"""

import os
import sys
import threading
from typing import Any, cast

import uvicorn
from django.urls import path

from .driver import Receive, Scope, Send
from .peers import Peer, load


def application(peer: Peer) -> Any:
    """Return echo and room behind the peer's own routing, as in a deployment."""
    patterns: list[Any] = [path(f"{name}/", cast("Any", peer[name])) for name in ("echo", "room")]
    if peer.name == "ours":
        from rest_channels.routing import SocketApplication

        return SocketApplication(patterns)
    if peer.name == "raw":
        from channels.routing import URLRouter

        return URLRouter(patterns)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        await peer[scope["path"].strip("/")](scope, receive, send)

    return route


def leave_with_parent() -> None:
    """Exit when standard input ends."""
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Serve on a free local port."""
    (peer,) = load(sys.argv[1:2])
    config = uvicorn.Config(
        application(peer),
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="warning",
        backlog=4096,
    )
    sock = config.bind_socket()
    sock.listen(config.backlog)
    threading.Thread(target=leave_with_parent, daemon=True).start()
    print(sock.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main()
