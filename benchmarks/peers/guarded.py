"""Plain ASGI, with the promises of this library written by hand for these two applications.

What it costs to keep the promises, without anything that makes the code general. A frame has limits
on its size, and on the rates of frames and bytes. Reading never waits for a handler: each frame is
handled in order, in an eager task with its own context and a deadline. A new object handles it, an
error is answered, and the answer passes a bounded outbox.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from time import monotonic
from typing import Any

import orjson

from ..driver import Application, Receive, Scope, Send
from .base import Peer

FRAME_SIZE, FRAMES, BYTES = 1_048_576, 1_000, 10_485_760
FRAME_RATE, FRAME_BURST = 1_000_000.0, 1_000_000.0
BYTE_RATE, BYTE_BURST = 10_000_000_000.0, 10_000_000_000.0
OUTBOX_BYTES = 4_194_304
TIMEOUT = 30.0

current = ContextVar["Connection"]("current")


class Connection:
    """Reads the frames of one client, and sends the answers of `handler`."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, handler: type[Any]) -> None:
        self.scope, self.receive, self.transmit, self.handler = scope, receive, send, handler
        self.waiting: deque[tuple[str, int]] = deque()
        self.waiting_bytes = self.outbox_size = 0
        self.frames_full_at = self.bytes_full_at = 0.0
        self.task: asyncio.Task[None] | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.context = copy_context()
        self.context.run(current.set, self)
        self.loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Read until the client leaves."""
        await self.receive()
        await self.transmit({"type": "websocket.accept"})
        while (message := await self.receive())["type"] == "websocket.receive":
            text = message["text"]
            size = len(text) if text.isascii() else len(text.encode())
            if not self.admits(size):
                await self.transmit({"type": "websocket.close", "code": 4429})
                break
            if self.task is None:
                self.start(text)
            else:
                self.waiting.append((text, size))
                self.waiting_bytes += size
        if self.task is not None:
            self.task.cancel()

    def admits(self, size: int) -> bool:
        """Take a frame from the buckets. Return whether the limits allow it."""
        now = monotonic()
        self.frames_full_at = max(self.frames_full_at, now) + 1 / FRAME_RATE
        self.bytes_full_at = max(self.bytes_full_at, now) + size / BYTE_RATE
        return (
            size <= FRAME_SIZE
            and self.frames_full_at - now <= FRAME_BURST / FRAME_RATE
            and self.bytes_full_at - now <= BYTE_BURST / BYTE_RATE
            and len(self.waiting) < FRAMES
            and self.waiting_bytes < BYTES
        )

    def start(self, text: str) -> None:
        """Handle a frame in a task of its own, and then those that wait."""
        context = self.context.copy()
        self.watch(
            asyncio.Task(self.handle(text), loop=self.loop, context=context, eager_start=True)
        )

    def watch(self, task: "asyncio.Task[None]") -> None:
        """Give a frame that has to wait a deadline."""
        if not task.done():
            self.task = task
            self.deadline = self.loop.call_later(TIMEOUT, task.cancel)
            task.add_done_callback(self.ended)

    def ended(self, task: "asyncio.Task[None]") -> None:
        """Go on with the next frame."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.task = None
        if self.waiting:
            text, size = self.waiting.popleft()
            self.waiting_bytes -= size
            self.start(text)

    async def handle(self, text: str) -> None:
        """Answer one frame. Whatever the handler raises is answered with the status 500."""
        try:
            handler = self.handler(self.scope, orjson.loads(text))
            answer = await handler.dispatch()
        except Exception:  # noqa: BLE001 - answered
            answer = {"data": None, "status": 500}
        await self.answer(orjson.dumps(answer).decode())

    async def answer(self, text: str) -> None:
        """Send a frame, if the client reads fast enough."""
        size = len(text) if text.isascii() else len(text.encode())
        if self.outbox_size + size > OUTBOX_BYTES:
            await self.transmit({"type": "websocket.close", "code": 4503})
            return
        self.outbox_size += size
        try:
            await self.transmit({"type": "websocket.send", "text": text})
        finally:
            self.outbox_size -= size


class Everybody:
    """A permission that permits everything."""

    async def has_permission(self, scope: Scope, content: Any) -> bool:
        """Permit it."""
        return True


class Echo:
    """A new one handles each frame."""

    permissions: tuple[type[Everybody], ...] = ()

    def __init__(self, scope: Scope, content: Any) -> None:
        self.scope, self.content = scope, content

    async def dispatch(self) -> Any:
        """Check the permissions, call the method, and return the answer."""
        for permission in self.permissions:
            if not await permission().has_permission(self.scope, self.content):
                return self.answer(None, 403)
        method = self.routes.get(self.content[self.key])
        if method is None:
            return self.answer(None, 405)
        return self.answer(await method(self, self.content["data"]), 200)

    async def echo(self, data: Any) -> Any:
        """Answer with the same data."""
        return data

    key = "method"
    routes: dict[str, Callable[..., Awaitable[Any]]] = {"echo": echo}

    def answer(self, data: Any, status: int) -> Any:
        """Return the content of the answer."""
        return {"method": self.content["method"], "data": data, "status": status}


class Actions(Echo):
    """The same for actions, with one permission."""

    permissions = (Everybody,)
    key = "action"

    def answer(self, data: Any, status: int) -> Any:
        """Return the content of the answer."""
        content = self.content
        errors = [] if status == 200 else ["no"]
        return {
            "errors": errors,
            "data": data,
            "action": content["action"],
            "response_status": status,
            "request_id": content["request_id"],
        }


def make(handler: type[Echo]) -> Application:
    """Return the application whose frames `handler` handles."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await Connection(scope, receive, send, handler).serve()

    return application


PEER = Peer("guarded", {"echo": make(Echo), "actions": make(Actions)})
