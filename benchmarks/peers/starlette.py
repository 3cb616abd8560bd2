"""Starlette, with its `WebSocketEndpoint` and orjson."""

import orjson
from starlette.endpoints import WebSocketEndpoint  # type: ignore[import-not-found]
from starlette.routing import Router, WebSocketRoute  # type: ignore[import-not-found]
from starlette.websockets import WebSocket  # type: ignore[import-not-found]

from .base import Peer

MEMBERS: set[WebSocket] = set()


class Echo(WebSocketEndpoint):  # type: ignore[misc]
    """Answers `{"method", "data"}` with the same and a status."""

    encoding = "text"

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        content = orjson.loads(data)
        if content["method"] == "echo":
            answer = {"method": "echo", "data": content["data"], "status": 200}
        else:
            answer = {"method": content["method"], "data": None, "status": 405}
        await websocket.send_text(orjson.dumps(answer).decode())


class Room(WebSocketEndpoint):  # type: ignore[misc]
    """Sends each frame to all members."""

    encoding = "text"

    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        MEMBERS.add(websocket)

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        MEMBERS.discard(websocket)

    async def on_receive(self, websocket: WebSocket, data: str) -> None:
        text = orjson.dumps(orjson.loads(data)).decode()
        for member in tuple(MEMBERS):
            await member.send_text(text)


def application(endpoint: type) -> Router:
    """Return an ASGI application that routes to `endpoint`."""
    return Router([WebSocketRoute("/", endpoint)])


PEER = Peer(
    "starlette", {"echo": application(Echo), "room": application(Room)}, packages=("starlette",)
)
