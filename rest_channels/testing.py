"""`SocketCommunicator`: a client for tests, without a server.

    async with SocketCommunicator(Editor.as_asgi(), user=ada, kwargs={"pk": 1}) as socket:
        call = await socket.call("save", {"title": "Nocturne"})
        await socket.expect_reply(call, status=200)
        await socket.expect_event(title="Nocturne")
        await socket.expect_nothing()

If a test has a transaction, handlers run in it. Commit hooks run while the test waits for a frame.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import copy_context
from typing import Any, Self

import orjson
from asgiref.sync import sync_to_async

from .concurrency.tasks import cancel_tasks
from .concurrency.testcase import (
    COMMIT_INTERVAL,
    open_transactions,
    run_commit_hooks,
    shared_thread,
)
from .testing_frames import (
    DIALECTS,
    MISSING,
    Headers,
    Validator,
    frame_validator,
    has_status,
    keeping_in,
    name_in,
    new_scope,
    parsed,
    request_id_of,
    with_fields,
)

__all__ = ["SocketCommunicator"]


class SocketCommunicator:
    """One client of an ASGI application. A failed `expect_…` shows what came instead.

    Args:
        user, session: For the scope. `None`: the application finds its own, if any.
        kwargs: The named groups of the route, for a view without a router.
        dialect: `"action"`, `"method"` or `"type"`, the dialect of `call`; others: `ValueError`.
        timeout: For every expectation, in seconds.
        recovery: Whether to show what `client.js` needs to get what it missed: `$joined`, `$at`.
    """

    _validator: Validator | None = None

    def __init__(
        self,
        application: Callable[..., Awaitable[None]],
        path: str = "/",
        *,
        user: Any = None,
        session: Any = None,
        kwargs: Mapping[str, Any] | None = None,
        headers: Headers = (),
        subprotocols: Iterable[str] = (),
        dialect: str = "method",
        timeout: float = 2.0,
        recovery: bool = False,
    ) -> None:
        if dialect not in DIALECTS:
            raise ValueError(f"dialect is {dialect!r}. Use one of: {', '.join(DIALECTS)}.")
        self.application, self.dialect = application, dialect
        self.timeout, self.recovery = timeout, recovery
        self.scope = new_scope(path, headers, subprotocols)
        given = {"user": user, "session": session}
        self.scope |= {key: value for key, value in given.items() if value is not None}
        self.scope |= {} if kwargs is None else {"url_route": {"args": (), "kwargs": dict(kwargs)}}
        self._ids = itertools.count(1)
        self._to_application: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_application: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._set_aside: list[tuple[Any, bool]] = []  # frames not awaited yet: is each an event?
        self._calls: dict[str, tuple[Any, bool]] = {}  # by request_id: name, and whether answered
        self._task: asyncio.Task[None] | None = None
        self._savepoints: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        accepted, detail = await self.connect()
        assert accepted, f"The handshake was refused with code {detail}."
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.disconnect()

    async def connect(self) -> tuple[bool, Any]:
        """Connect. Returns `(True, subprotocol)` if accepted, `(False, close code)` if refused."""
        assert self._task is None, "It is connected already."
        context = copy_context()  # the test does not see the application's context variables
        self._savepoints = await open_transactions()
        if self._savepoints:
            context.run(shared_thread.set, True)
            await self._commit()
        self._validator = await frame_validator(self.application, self.scope)
        send = keeping_in(self._from_application, recovery=self.recovery)
        running: Any = self.application(self.scope, self._to_application.get, send)
        self._task = asyncio.create_task(running, context=context)
        self._to_application.put_nowait({"type": "websocket.connect"})
        message = await self._next("an answer to the handshake")
        if message["type"] == "websocket.accept":
            return True, message.get("subprotocol")
        self._to_application.put_nowait({"type": "websocket.disconnect", "code": 1006})
        return False, message.get("code", 1000)

    async def disconnect(self, code: int = 1000) -> None:
        """Disconnect, and wait until the application has ended. Raises what it raised."""
        if self._task is None:
            return
        self._to_application.put_nowait({"type": "websocket.disconnect", "code": code})
        task, self._task = self._task, None
        done, _pending = await asyncio.wait({task}, timeout=max(self.timeout, 5.0))
        if not done:
            await cancel_tasks({task}, 1.0)
            raise AssertionError("The application did not end after its client had left.")
        task.result()
        while not self._from_application.empty():
            self._validate(self._from_application.get_nowait())

    async def send_to(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Send a frame unchanged."""
        assert self._task is not None, "Connect first."
        content = parsed(text_data or "")
        if (request_id := request_id_of(content)) is not None:
            self._calls[repr(request_id)] = (name_in(content), False)
        if self._validator is not None:
            self._validator.note_sent(content)
        frame = {"text": text_data} if bytes_data is None else {"bytes": bytes_data}
        self._to_application.put_nowait({"type": "websocket.receive", **frame})

    async def send_json(self, content: Any) -> None:
        """Send `content` as JSON."""
        await self.send_to(orjson.dumps(content).decode())

    async def call(self, name: str, data: Any = MISSING, **fields: Any) -> Any:
        """Call a handler in the client's dialect. Returns the `request_id` of the frame."""
        frame = {self.dialect: name, "request_id": next(self._ids), **fields}
        if data is not MISSING:
            frame["data"] = data
        await self.send_json(frame)
        return frame["request_id"]

    async def receive_from(self) -> str | bytes:
        """Return the next frame, unchanged."""
        message = await self._next("a frame")
        assert message["type"] == "websocket.send", f"Expected a frame, but got {message}."
        content: str | bytes = message["bytes"] if message.get("text") is None else message["text"]
        self._is_event(parsed(content))
        return content

    async def receive_json(self) -> Any:
        """Return the content of the next frame, which is JSON."""
        return orjson.loads(await self.receive_from())

    async def expect_reply(self, request_id: Any, **fields: Any) -> Any:
        """Return the answer to the call `request_id`, and check its `fields`. Keep other frames.

        `status` is checked in every dialect. A frame without one counts as 200, or as any error if
        its type is ERROR.
        """
        expected = f"a reply {request_id}"
        frame = await self._find(lambda frame, _: request_id_of(frame) == request_id, expected)
        status = fields.pop("status", MISSING)
        same = status is MISSING or has_status(frame, status)
        assert same, f"Expected status={status!r}, but got {frame!r}."
        return with_fields(frame, fields)

    async def expect_event(self, content: Any = MISSING, **fields: Any) -> Any:
        """Return the next frame that answers no call. Check its `content`, or its `fields`.

        An event of an observer has the `request_id` of the call that subscribed, but is not the
        answer to it. The answer is the first frame with that id and the name of the call.
        """
        frame = await self._find(lambda _, is_event: is_event, "an event")
        assert content is MISSING or frame == content, f"Expected {content!r}, but got {frame!r}."
        return with_fields(frame, fields)

    async def expect_nothing(self, timeout: float = 0.05) -> None:
        """Check that no frame is left, and that none comes within `timeout` seconds."""
        kept = [frame for frame, _is_event in self._set_aside]
        assert not kept, f"Expected nothing, but got {kept}."
        message = await self._wait(timeout)
        assert message is None, f"Expected nothing, but got {message}."

    async def expect_close(self, code: int | None = None) -> int:
        """Wait until the server closes, and return the code. Check `code` if given. Drop frames."""
        while (message := await self._next("a close"))["type"] != "websocket.close":
            pass
        closed = int(message.get("code", 1000))
        self._to_application.put_nowait({"type": "websocket.disconnect", "code": closed})
        assert code in (None, closed), f"Expected close code {code}, but got {closed}."
        return closed

    async def _find(self, matches: Callable[[Any, bool], bool], expected: str) -> Any:
        for kept in self._set_aside:
            if matches(*kept):
                self._set_aside.remove(kept)
                return kept[0]
        while True:
            message = await self._next(expected)
            text = message.get("text")  # a close has none, nor has a binary frame
            assert text is not None, f"Expected {expected}, but got {message}."
            frame = orjson.loads(text)
            is_event = self._is_event(frame)
            if matches(frame, is_event):
                return frame
            self._set_aside.append((frame, is_event))

    def _is_event(self, frame: Any) -> bool:
        """Return whether `frame` answers no call. The call that it answers is answered then."""
        if (request_id := request_id_of(frame)) is None:
            return True
        called, answered = self._calls.get(repr(request_id), (None, False))
        if answered or (called is not None and name_in(frame) not in (None, called, "ERROR")):
            return True
        if repr(request_id) in self._calls:
            self._calls[repr(request_id)] = (called, True)
        return False

    async def _next(self, expected: str) -> dict[str, Any]:
        assert self._task is not None, "Connect first."
        if (message := await self._wait(self.timeout)) is not None:
            self._validate(message)
            return message
        if self._task.done():
            self._task.result()
        raise AssertionError(
            f"Expected {expected}, but nothing came; kept: {[kept[0] for kept in self._set_aside]}."
        )

    def _validate(self, message: dict[str, Any]) -> None:
        """Raise `AssertionError` for a frame that the schema does not have, if it is checked."""
        if self._validator is not None and (content := parsed(message.get("text") or "")):
            self._validator.check_received(content)

    async def _wait(self, timeout: float) -> dict[str, Any] | None:
        """Return the next message, or `None` if the time or the application ends before."""
        if not self._from_application.empty():
            return self._from_application.get_nowait()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        waiting = asyncio.ensure_future(self._from_application.get())
        tasks = {waiting} if self._task is None else {waiting, self._task}
        try:
            while not waiting.done() and (self._task is None or not self._task.done()):
                await self._commit()
                if (remaining := deadline - loop.time()) <= 0:
                    break
                pause = min(remaining, COMMIT_INTERVAL) if self._savepoints else remaining
                await asyncio.wait(tasks, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            waiting.cancel()

    async def _commit(self) -> None:
        """Run the commit hooks that a test's transaction, which never commits, holds back."""
        if self._savepoints:
            await sync_to_async(run_commit_hooks)(self._savepoints)
