"""A client for tests, with words for what a test wants to say. No server, no daphne.

    async with SocketCommunicator(Editor.as_asgi(), user=ada, kwargs={"pk": 1}) as socket:
        call = await socket.call("save", {"title": "Nocturne"})
        await socket.expect_reply(call, status=200)
        await socket.expect_event(title="Nocturne")
        await socket.expect_nothing()

It works in pytest (with an asyncio plugin) and in the `async def` tests of Django's `TestCase`,
where handlers then run inside the test's transaction, and commit hooks run whenever the test
waits for something: so observers speak there as well.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import copy_context
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import orjson
from asgiref.sync import sync_to_async
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .concurrency.execution import shared_thread
from .concurrency.serial_queue import cancel_tasks

__all__ = ["SocketCommunicator"]

logger = logging.getLogger("rest_channels")

_MISSING = object()


class SocketCommunicator:
    """One client of an ASGI application.

    In: `path`, with a query string if wanted; `user` and `session` for the scope (`None`: the
    application finds its own, or nobody); `kwargs`, what the URL would give a view; `headers`,
    pairs of text; `dialect`, `"action"`, `"method"` or `"type"`: how `call` writes a frame;
    `timeout`, in seconds, for every expectation.

    Every `expect_…` raises `AssertionError` with what came instead.
    """

    def __init__(
        self,
        application: Callable[..., Awaitable[None]],
        path: str = "/",
        *,
        user: Any = None,
        session: Any = None,
        kwargs: Mapping[str, Any] | None = None,
        headers: Iterable[tuple[str, str]] = (),
        subprotocols: Iterable[str] = (),
        dialect: str = "method",
        timeout: float = 2.0,
    ) -> None:
        self.application = application
        self.dialect = dialect
        self.timeout = timeout
        self.scope = _scope(path, headers, subprotocols)
        given = {"user": user, "session": session}
        self.scope |= {key: value for key, value in given.items() if value is not None}
        if kwargs is not None:
            self.scope["url_route"] = {"args": (), "kwargs": dict(kwargs)}
        self._ids = itertools.count(1)
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._aside: list[Any] = []  # frames that came while another was awaited
        self._task: asyncio.Task[None] | None = None
        self._depths: dict[str, int] = {}

    # The connection.

    async def __aenter__(self) -> Self:
        accepted, detail = await self.connect()
        assert accepted, f"The handshake was refused with code {detail}."
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.disconnect()

    async def connect(self) -> tuple[bool, Any]:
        """Open it. `(True, subprotocol)` when accepted, `(False, close code)` when refused."""
        context = copy_context()  # what is set for the application is not for the test
        self._depths = await sync_to_async(_depths)()
        if self._depths:
            context.run(shared_thread.set, True)
            await self._commit()
        running: Any = self.application(self.scope, self._in.get, self._out.put)
        self._task = asyncio.create_task(running, context=context)
        self._in.put_nowait({"type": "websocket.connect"})
        message = await self._next("an answer to the handshake")
        if message["type"] == "websocket.accept":
            return True, message.get("subprotocol")
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1006})
        return False, message.get("code", 1000)

    async def disconnect(self, code: int = 1000) -> None:
        """Leave, and wait until the application has ended. Raises what the application raised."""
        if self._task is None:
            return
        self._in.put_nowait({"type": "websocket.disconnect", "code": code})
        task, self._task = self._task, None
        done, _late = await asyncio.wait({task}, timeout=max(self.timeout, 5.0))
        if not done:
            await cancel_tasks({task}, 1.0)
            raise AssertionError("The application did not end after its client had left.")
        task.result()

    # What the client says.

    async def send_to(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Send a frame as it is."""
        frame = {"text": text_data} if bytes_data is None else {"bytes": bytes_data}
        self._in.put_nowait({"type": "websocket.receive", **frame})

    async def send_json(self, content: Any) -> None:
        """Send `content` as JSON."""
        await self.send_to(orjson.dumps(content).decode())

    async def call(self, name: str, data: Any = _MISSING, **fields: Any) -> int:
        """Call a handler in the connection's dialect; the id of the call."""
        request_id = next(self._ids)
        frame = {self.dialect: name, "request_id": request_id, **fields}
        if data is not _MISSING:
            frame["data"] = data
        await self.send_json(frame)
        return request_id

    # What it hears.

    async def receive_from(self) -> str | bytes:
        """The next frame, as it is."""
        message = await self._next("a frame")
        assert message["type"] == "websocket.send", f"Expected a frame, but got {message}."
        content: str | bytes = message["bytes"] if message.get("text") is None else message["text"]
        return content

    async def receive_json(self) -> Any:
        """The next frame's content."""
        return orjson.loads(await self.receive_from())

    async def expect_reply(self, request_id: Any, **fields: Any) -> Any:
        """The answer to the call `request_id`, which has `fields`; others wait their turn."""
        frame = await self._find(lambda frame: _id(frame) == request_id, f"a reply {request_id}")
        return _checked(frame, fields)

    async def expect_event(self, content: Any = _MISSING, **fields: Any) -> Any:
        """The next frame that answers no call: it is `content`, or has `fields`."""
        frame = await self._find(lambda frame: _id(frame) is None, "an event")
        assert content is _MISSING or frame == content, f"Expected {content!r}, but got {frame!r}."
        return _checked(frame, fields)

    async def expect_nothing(self, timeout: float = 0.05) -> None:
        """Nothing has come and nothing comes within `timeout` seconds."""
        assert not self._aside, f"Expected nothing, but got {self._aside}."
        if (message := await self._wait(timeout)) is not None:
            raise AssertionError(f"Expected nothing, but got {message}.")

    async def expect_close(self, code: int | None = None) -> int:
        """The server closes, with `code` if given; frames before that are passed over."""
        while (message := await self._next("a close"))["type"] != "websocket.close":
            pass
        self._in.put_nowait({"type": "websocket.disconnect", "code": message.get("code", 1000)})
        closed = int(message.get("code", 1000))
        assert code in (None, closed), f"Expected close code {code}, but got {closed}."
        return closed

    async def _find(self, wanted: Callable[[Any], bool], what: str) -> Any:
        for frame in self._aside:
            if wanted(frame):
                self._aside.remove(frame)
                return frame
        while True:
            message = await self._next(what)
            text = message.get("text")  # a close has none, nor has a binary frame
            assert text is not None, f"Expected {what}, but got {message}."
            frame = orjson.loads(text)
            if wanted(frame):
                return frame
            self._aside.append(frame)

    async def _next(self, what: str) -> dict[str, Any]:
        assert self._task is not None, "Connect first."
        if (message := await self._wait(self.timeout)) is not None:
            return message
        if self._task.done():
            self._task.result()
        raise AssertionError(f"Expected {what}, but nothing came; put aside: {self._aside}.")

    async def _wait(self, timeout: float) -> dict[str, Any] | None:
        """The next message, if it comes in time, and before the application ends."""
        if not self._out.empty():
            return self._out.get_nowait()
        deadline = asyncio.get_running_loop().time() + timeout
        waiting = asyncio.ensure_future(self._out.get())
        tasks = {waiting} if self._task is None else {waiting, self._task}
        try:
            while not waiting.done() and (self._task is None or not self._task.done()):
                await self._commit()
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    break
                turn = min(left, TURN) if self._depths else left
                await asyncio.wait(tasks, timeout=turn, return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            waiting.cancel()

    async def _commit(self) -> None:
        """Run commit hooks where a test's transaction, which never commits, holds them back.

        Nothing of the library waits for the test, so it is looked again and again.
        """
        if self._depths:
            await sync_to_async(_run_commit_hooks)(self._depths)


def _scope(
    path: str, headers: Iterable[tuple[str, str]], subprotocols: Iterable[str]
) -> dict[str, Any]:
    parts = urlsplit(path)
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "root_path": "",
        "query_string": parts.query.encode(),
        "headers": [(b"host", b"testserver"), *map(_header, headers)],
        "client": ("127.0.0.1", 50_000),
        "server": ("testserver", 80),
        "subprotocols": list(subprotocols),
    }


def _header(pair: tuple[str, str]) -> tuple[bytes, bytes]:
    return pair[0].lower().encode("latin-1"), pair[1].encode("latin-1")


def _id(frame: Any) -> Any:
    return frame.get("request_id") if isinstance(frame, dict) else None


def _checked(frame: Any, fields: dict[str, Any]) -> Any:
    for key, value in fields.items():
        given = frame.get(key) if isinstance(frame, dict) else _MISSING
        assert given == value, f"Expected {key}={value!r}, but got {frame!r}."
    return frame


TURN = 0.01
"""Seconds from one look at commit hooks to the next, in a test's transaction."""


def _depths() -> dict[str, int]:
    """The databases on which the thread that thread-sensitive code shares is in a transaction.

    With how many savepoints there are in it: it is the test's own. These connections stay open:
    `channels.db.database_sync_to_async` would take them for old ones, because they do not
    autocommit, and close the test's data away.
    """
    atomic = [one for one in connections.all(initialized_only=True) if one.in_atomic_block]
    for connection in atomic:
        _keep_open(connection)
    return {connection.alias: len(connection.savepoint_ids) for connection in atomic}


def _run_commit_hooks(depths: dict[str, int]) -> None:
    """Do what a commit would do, unless somebody is within an `atomic` of his own."""
    for alias, depth in depths.items():
        connection = connections[alias]
        while connection.run_on_commit and len(connection.savepoint_ids) <= depth:
            hooks: list[Any] = connection.run_on_commit
            connection.run_on_commit = []
            for _savepoints, hook, robust in hooks:
                try:
                    hook()
                except Exception:
                    if not robust:
                        raise
                    logger.exception("A commit hook failed.")


def _keep_open(connection: BaseDatabaseWrapper) -> None:
    if "close_if_unusable_or_obsolete" in vars(connection):
        return
    close = connection.close_if_unusable_or_obsolete

    def close_unless_atomic() -> None:
        if not connection.in_atomic_block:
            close()

    vars(connection)["close_if_unusable_or_obsolete"] = close_unless_atomic
