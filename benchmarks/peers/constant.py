"""Plain ASGI that answers each frame with the same text: what a server and a driver cost alone."""

import json

from ..driver import Application, Receive, Scope, Send
from ..frames import DATA
from .base import Peer

ECHO = {"method": "echo", "data": DATA, "status": 200}
ACTION = {"errors": [], "data": DATA, "action": "echo", "response_status": 200, "request_id": 1}


def make(content: object) -> Application:
    """Return the application that answers with `content`."""
    text = json.dumps(content, separators=(",", ":"))

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": text})

    return application


PEER = Peer("constant", {"echo": make(ECHO), "actions": make(ACTION)})
