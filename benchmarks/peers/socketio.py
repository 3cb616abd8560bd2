"""python-socketio, whose frames have its own protocol."""

import json
from typing import Any

import socketio  # type: ignore[import-not-found]

from ..driver import Handshake
from ..frames import DATA
from .base import Peer

server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")


@server.event  # type: ignore[untyped-decorator]
async def echo(sid: str, data: Any) -> None:
    """Answer with the same data."""
    await server.emit("echo", data, to=sid)


#: It opens a session ("0"), the client asks for a namespace ("40"), and it agrees ("40").
HANDSHAKE = Handshake(
    {"path": "/socket.io/", "query_string": b"EIO=4&transport=websocket"}, ("40",), 3
)
FRAMES = {"echo": "42" + json.dumps(["echo", DATA], separators=(",", ":"))}

PEER = Peer(
    "socketio",
    {"echo": socketio.ASGIApp(server)},
    HANDSHAKE,
    FRAMES,
    answers=FRAMES,
    packages=("python-socketio", "python-engineio"),
)
