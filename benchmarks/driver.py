"""A minimal ASGI server, without a network: the same for every peer, and cheap.

It behaves as a server does: `send` never suspends, `receive` waits for a frame, and what a client
sends in reply arrives in a later turn of the event loop (`call_soon`), not within `send`.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from time import perf_counter
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.signed_cookies import SessionStore

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Nothing that is measured may take longer than this many seconds.
PATIENCE = 120

#: What is the same for all connections is shared: it shall not hide what a connection costs.
HEADERS = [
    (b"host", b"localhost"),
    (b"origin", b"http://localhost"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-version", b"13"),
    (b"user-agent", b"benchmarks"),
]

ASGI = {"version": "3.0", "spec_version": "2.4"}
SERVER = ("127.0.0.1", 80)
USER = AnonymousUser()
SESSION = SessionStore()
ROUTE: dict[str, Any] = {"args": (), "kwargs": {}}


def make_scope(port: int = 0) -> Scope:
    """The scope of one connection, as it is behind Origin check, session, user and URL routing."""
    return {
        "type": "websocket",
        "asgi": ASGI,
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": b"",
        "headers": HEADERS,
        "subprotocols": [],
        "client": ("127.0.0.1", port),
        "server": SERVER,
        "user": USER,
        "session": SESSION,
        "url_route": ROUTE,
    }


class Sink:
    """Where the messages go that applications send; `done` is set when the last one is there."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.last: Message = {}

    def take(self, socket: "Socket", message: Message) -> None:
        """One message of one socket."""
        raise NotImplementedError

    def fail(self, reason: str) -> None:
        """End the wait: what is awaited will not come."""
        if not self.done.done():
            self.done.set_exception(RuntimeError(reason))

    async def wait(self) -> None:
        """Wait for `done`, within reason."""
        async with asyncio.timeout(PATIENCE):
            await self.done


class Arrivals(Sink):
    """Counts messages until `expected` of them have come, and notes when (`at`)."""

    def __init__(self, expected: int) -> None:
        super().__init__()
        self.missing = expected
        self.at = 0.0

    def take(self, socket: "Socket", message: Message) -> None:
        self.missing -= 1
        if not self.missing:
            self.at = perf_counter()
            self.last = message
            self.done.set_result(None)


class RollCall(Sink):
    """Waits for exactly one message from each of `sockets`: who gets two, or none, is found out."""

    def __init__(self, sockets: Sequence["Socket"]) -> None:
        super().__init__()
        self.missing = set(sockets)

    def take(self, socket: "Socket", message: Message) -> None:
        if socket not in self.missing:
            self.fail(f"a second message for one member: {message!r:.200}")
            return
        self.missing.discard(socket)
        self.last = message
        if not self.missing:
            self.done.set_result(None)


class PingPong(Sink):
    """Clients that answer each message with the next frame, until `total` messages have come."""

    def __init__(self, text: str, total: int) -> None:
        super().__init__()
        self.text = text
        self.unsent = self.missing = total

    def start(self, sockets: Sequence["Socket"]) -> None:
        """Send the first frame of every socket."""
        self.unsent -= len(sockets)
        for socket in sockets:
            socket.push_text(self.text)

    def take(self, socket: "Socket", message: Message) -> None:
        self.missing -= 1
        if self.unsent:
            self.unsent -= 1
            self.loop.call_soon(socket.push_text, self.text)
        elif not self.missing:
            self.last = message
            self.done.set_result(None)


class Socket:
    """One connection to an ASGI application: `push` is the client, `sink` gets what is sent."""

    __slots__ = ("closing", "inbox", "sink", "task", "waiter")

    def __init__(self, application: Application, sink: Sink, port: int = 0) -> None:
        self.inbox: list[Message] = [{"type": "websocket.connect"}]
        self.waiter: asyncio.Future[None] | None = None
        self.sink = sink
        self.closing = False
        call = application(make_scope(port), self.receive, self.send)
        self.task: asyncio.Future[None] = asyncio.ensure_future(call, loop=sink.loop)
        self.task.add_done_callback(self.ended)

    def push(self, message: Message) -> None:
        """A message from the server's side."""
        self.inbox.append(message)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def push_text(self, text: str) -> None:
        """A text frame from the client."""
        self.push({"type": "websocket.receive", "text": text})

    async def receive(self) -> Message:
        """ASGI's `receive`."""
        while not self.inbox:
            self.waiter = asyncio.get_running_loop().create_future()
            try:
                await self.waiter
            finally:
                self.waiter = None
        return self.inbox.pop(0)

    async def send(self, message: Message) -> None:
        """ASGI's `send`: never suspends."""
        self.sink.take(self, message)

    def ended(self, task: asyncio.Future[None]) -> None:
        """The application has returned; while the socket is open that is a failure."""
        error = None if task.cancelled() else task.exception()
        if not self.closing:
            self.sink.fail(f"the application ended: {error!r}")


async def open_sockets(application: Application, count: int) -> list[Socket]:
    """Connect `count` sockets at once; returns when all are accepted."""
    accepted = RollCall(())
    sockets = [Socket(application, accepted, port) for port in range(count)]
    accepted.missing.update(sockets)
    await accepted.wait()
    if accepted.last["type"] != "websocket.accept":
        raise RuntimeError(f"not accepted: {accepted.last!r:.200}")
    return sockets


async def settle() -> None:
    """Wait until the loop has nothing left to do: two short sleeps that are not late."""
    punctual = 0
    while punctual < 2:
        start = perf_counter()
        await asyncio.sleep(0.005)
        punctual = punctual + 1 if perf_counter() - start < 0.008 else 0


async def close_sockets(sockets: Sequence[Socket]) -> None:
    """The clients leave; returns when every application has returned."""
    for socket in sockets:
        socket.closing = True
        socket.push({"type": "websocket.disconnect", "code": 1000})
    tasks = [socket.task for socket in sockets]
    _, pending = await asyncio.wait(tasks, timeout=PATIENCE)
    for task in pending:
        task.cancel()
    if pending:
        raise RuntimeError(f"{len(pending)} applications did not return after the disconnect")
    await asyncio.sleep(0)
