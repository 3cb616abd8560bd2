"""A minimal ASGI server, without a network: the same for every peer, and cheap.

It behaves like a server: `send` never suspends, and `receive` waits for a frame. A client's reply
arrives in a later iteration of the event loop (`call_soon`), not within `send`.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.signed_cookies import SessionStore

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: The most seconds that any measurement may take.
TIMEOUT = 120

#: Connections share these values, so that they do not add to the memory of a connection.
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
    """Return a scope as it is after the Origin check, session, user and URL routing."""
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


class Handshake(NamedTuple):
    """What a protocol on top of WebSocket does when a socket connects."""

    #: Values of the scope, in place of those of `make_scope`.
    scope: dict[str, Any] = {}
    #: Frames that the client sends at once.
    frames: tuple[str, ...] = ()
    #: Messages that the application sends, with the first, which accepts.
    messages: int = 1


PLAIN = Handshake()


class Sink:
    """Receives the messages that applications send; `done` is set by the last one."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.last: Message = {}

    def add(self, socket: "Socket", message: Message) -> None:
        """Receive one message of one socket."""
        raise NotImplementedError

    def fail(self, reason: str) -> None:
        """Make `wait` raise an error."""
        if not self.done.done():
            self.done.set_exception(RuntimeError(reason))

    async def wait(self) -> None:
        """Wait for `done`, at most `TIMEOUT` seconds."""
        async with asyncio.timeout(TIMEOUT):
            await self.done


class Arrivals(Sink):
    """Counts messages until `expected` have arrived, and notes the time in `at`."""

    def __init__(self, expected: int) -> None:
        super().__init__()
        self.missing = expected
        self.at = 0.0

    def add(self, socket: "Socket", message: Message) -> None:
        self.missing -= 1
        if not self.missing:
            self.at = perf_counter()
            self.last = message
            self.done.set_result(None)


class OneMessageEach(Sink):
    """Waits for exactly one message at each of `sockets`. A second one is an error."""

    def __init__(self, sockets: Sequence["Socket"]) -> None:
        super().__init__()
        self.missing = set(sockets)

    def add(self, socket: "Socket", message: Message) -> None:
        if socket not in self.missing:
            self.fail(f"a second message for one member: {message!r:.200}")
            return
        self.missing.discard(socket)
        self.last = message
        if not self.missing:
            self.done.set_result(None)


class Accepted(Sink):
    """Waits until each of `expected` sockets has connected, with `messages` messages each."""

    def __init__(self, expected: int, messages: int) -> None:
        super().__init__()
        self.missing = expected * messages

    def add(self, socket: "Socket", message: Message) -> None:
        if message["type"] == "websocket.close":
            self.fail(f"not accepted: {message!r:.200}")
        self.missing -= 1
        if not self.missing:
            self.done.set_result(None)


class PingPong(Sink):
    """Clients that answer each message with the next frame, until `total` messages have arrived."""

    def __init__(self, text: str, total: int) -> None:
        super().__init__()
        self.text = text
        self.unsent = self.missing = total

    def start(self, sockets: Sequence["Socket"]) -> None:
        """Send the first frame of every socket."""
        self.unsent -= len(sockets)
        for socket in sockets:
            socket.push_text(self.text)

    def add(self, socket: "Socket", message: Message) -> None:
        self.missing -= 1
        if self.unsent:
            self.unsent -= 1
            self.loop.call_soon(socket.push_text, self.text)
        elif not self.missing:
            self.last = message
            self.done.set_result(None)


class Socket:
    """One connection: `push` sends to the ASGI application, `sink` receives its messages."""

    __slots__ = ("closing", "inbox", "sink", "task", "waiter")

    def __init__(
        self, application: Application, sink: Sink, port: int = 0, handshake: Handshake = PLAIN
    ) -> None:
        self.inbox: list[Message] = [{"type": "websocket.connect"}]
        for text in handshake.frames:
            self.inbox.append({"type": "websocket.receive", "text": text})
        self.waiter: asyncio.Future[None] | None = None
        self.sink = sink
        self.closing = False
        scope = {**make_scope(port), **handshake.scope}
        call = application(scope, self.receive, self.send)
        self.task: asyncio.Future[None] = asyncio.ensure_future(call, loop=sink.loop)
        self.task.add_done_callback(self.ended)

    def push(self, message: Message) -> None:
        """Pass an ASGI message to the application."""
        self.inbox.append(message)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def push_text(self, text: str) -> None:
        """Pass a text frame of the client to the application."""
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
        self.sink.add(self, message)

    def ended(self, task: asyncio.Future[None]) -> None:
        """Fail if the application has returned before the socket was closed."""
        error = None if task.cancelled() else task.exception()
        if not self.closing:
            self.sink.fail(f"the application ended: {error!r}")


async def open_sockets(
    application: Application, count: int, handshake: Handshake = PLAIN
) -> list[Socket]:
    """Connect `count` sockets at once; returns when all are accepted."""
    accepted = Accepted(count, handshake.messages)
    sockets = [Socket(application, accepted, port, handshake) for port in range(count)]
    await accepted.wait()
    return sockets


async def settle() -> None:
    """Wait until the loop is idle: until two short sleeps in a row are not late."""
    on_time_count = 0
    while on_time_count < 2:
        start = perf_counter()
        await asyncio.sleep(0.005)
        on_time_count = on_time_count + 1 if perf_counter() - start < 0.008 else 0


async def close_sockets(sockets: Sequence[Socket]) -> None:
    """Disconnect all clients; returns when every application has returned."""
    for socket in sockets:
        socket.closing = True
        socket.push({"type": "websocket.disconnect", "code": 1000})
    tasks = [socket.task for socket in sockets]
    _, pending = await asyncio.wait(tasks, timeout=TIMEOUT)
    for task in pending:
        task.cancel()
    if pending:
        raise RuntimeError(f"{len(pending)} applications did not return after the disconnect")
    await asyncio.sleep(0)
