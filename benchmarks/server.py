"""One uvicorn process for one peer: `python -m benchmarks.server ours '{"deflate": true}'`.

It answers the commands of `processes.py`, in a thread: the event loop only serves. It ends when its
standard input ends, so it cannot outlive its parent.
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, cast

import uvicorn
import uvloop
from django.urls import path
from django.utils.module_loading import import_string

from . import database
from .driver import Receive, Scope, Send
from .peers import Peer, load

#: The applications that are served, of those that a peer has.
NAMES = ("echo", "room", "actions", "rows", "blocking")
#: Seconds between two beats of the heartbeat. A stop shorter than that can be missed.
PERIOD = 0.005


class Heartbeat:
    """Notices when the event loop stops, because something runs for long."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def beat(self) -> None:
        """Sleep again and again, and note the longest delay."""
        while True:
            start = perf_counter()
            await asyncio.sleep(PERIOD)
            self.longest = max(self.longest, perf_counter() - start - PERIOD)

    def take(self) -> float:
        """Return the longest delay in seconds since the last call."""
        longest, self.longest = self.longest, 0.0
        return longest


def application(peer: Peer, variant: str) -> Any:
    """Return the applications behind the peer's own routing, as in a deployment."""
    names = [name for name in NAMES if name + variant in peer.applications]
    patterns: list[Any] = [path(f"{name}/", cast("Any", peer[name + variant])) for name in names]
    if peer.name == "ours":
        from rest_channels.routing import SocketApplication

        return SocketApplication(patterns)
    if peer.name == "raw":
        from channels.routing import URLRouter

        return URLRouter(patterns)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        await peer[scope["path"].strip("/") + variant]({**scope, "path": "/"}, receive, send)

    return route


def answer_commands(commands: Mapping[str, Callable[[], float]]) -> None:
    """Answer lines of JSON until standard input ends, then exit."""
    for line in sys.stdin:
        name, _options = json.loads(line)
        print(json.dumps(commands[name]()), flush=True)
    os._exit(0)


async def serve(config: uvicorn.Config, heartbeat: Heartbeat | None, tuning: str) -> None:
    """Serve on a free local port. `tuning` names a function that is called when all is loaded."""
    sock = config.bind_socket()
    sock.listen(config.backlog)
    config.load()
    if tuning:
        import_string(tuning)()
    commands: dict[str, Callable[[], float]] = {"port": lambda: sock.getsockname()[1]}
    if heartbeat:
        commands["longest_stop"] = heartbeat.take
        beating = asyncio.create_task(heartbeat.beat())
        beating.add_done_callback(lambda task: os._exit(1))
    threading.Thread(target=answer_commands, args=(commands,), daemon=True).start()
    await uvicorn.Server(config).serve(sockets=[sock])


def main(
    name: str,
    deflate: bool = False,
    heartbeat: bool = False,
    tuning: str = "",
    ws: str = "websockets-sansio",
    variant: str = "",
) -> None:
    """Serve one peer.

    Args:
        name: The peer.
        deflate: Whether to offer permessage-deflate.
        heartbeat: Whether to measure how long the event loop stops.
        tuning: The dotted name of a function to call before serving.
        ws: uvicorn's option: what implements the protocol.
        variant: Which of the peer's applications are served: what follows their names.
    """
    (peer,) = load([name])
    config = uvicorn.Config(
        application(peer, variant),
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        ws=ws,
        ws_per_message_deflate=deflate,
        lifespan="off",
        log_level="warning",
        backlog=4096,
    )
    uvloop.run(serve(config, Heartbeat() if heartbeat else None, tuning))


if __name__ == "__main__":
    database.prepare()
    main(sys.argv[1], **json.loads(sys.argv[2]))
