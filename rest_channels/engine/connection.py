"""One WebSocket, from its handshake to its end.

    CONNECTING ──accept──▶ OPEN ──close──▶ CLOSING ──▶ CLOSED
         └──────close (refused)───────────────────────────▲   a client may leave at any time

Three things go on at once, and none waits for another: *reading* (the task that runs `serve`;
it never stops, so a departure is always seen), the two *lanes* (calls: connect, frames and
disconnect, in order; events: what groups say) and the *outbox*.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from enum import IntEnum
from typing import Any, TypeVar

from ..concurrency.awaitables import DONE, Sent
from ..concurrency.execution import own_threads
from ..concurrency.loop_bridge import Home
from ..concurrency.serial_queue import Lane
from ..exceptions import CloseCode, ProtocolViolation, check_close_code
from ..handshake.locale import locale_of
from ..protocol.messages import Event, Frame, Gap, sendable, size_of
from ..settings import api_settings
from .handler import Face
from .inbox import PING_SIZE, Inbox, ping
from .memberships import Joined
from .outbox import Outbox, accept_message, close_message, frame_message
from .publish import hub_here
from .revocation import unwatch, watch

__all__ = ["Connection", "State"]

logger = logging.getLogger("rest_channels")

T = TypeVar("T")

GRACE = 0.5
"""Seconds that work has to end by itself when its client has left, and then to be cancelled."""

FAREWELL = 5.0
"""Seconds that a client has to take what is left for it once the server closes."""


class State(IntEnum):
    """Where a connection is in its life; it only moves on."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


class Connection:
    """The engine's half of one connection. `scope`, `receive` and `send` are ASGI's."""

    endings: tuple[Callable[[], Awaitable[None]], ...] = ()  # what else ends with it
    closings: tuple[Callable[[], Any], ...] = ()  # what is to be called when the server closes it
    subprotocol: str | None = None  # to accept, unless whoever accepts names another

    def __init__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
        send: Callable[[Any], Coroutine[Any, Any, None]],
        face: Callable[["Connection"], Face],
    ) -> None:
        self.scope = scope
        self.state = State.CONNECTING
        self.home = Home()
        self.hub = hub_here()
        self.address = self.hub.new_address()
        self.groups = Joined(self, self.hub, self.home, api_settings.MAX_SUBSCRIPTIONS)
        self.inbox = Inbox()
        self.outbox = Outbox(send, api_settings.OUTBOX_BYTES, self._await_departure)
        self.memory: dict[str, Any] = {}  # what a view's `state` and its sessions keep
        self.close_code: int = CloseCode.NORMAL
        self._receive = receive
        self.locale = locale_of(scope)
        self._turn = asyncio.Lock()
        self.calls: Lane[Frame | int | None]
        self.events: Lane[Event | Gap] | None = None
        self._task = asyncio.current_task()
        self.admitted = False  # whether its `connect` was called, so that `disconnect` must be
        self._closed = False  # by the server: what its client still wants is not done
        self._over = False
        self._farewell: asyncio.TimerHandle | None = None
        self.face = face(self)
        self.aside = self.face.intercepts

    # The road in.

    async def serve(self) -> None:
        """Be the connection, from `websocket.connect` until nothing of it is left."""
        self.hub.open(self)
        async with own_threads():
            self.calls = self._lane(self._call)
            code: int = CloseCode.ABNORMAL
            try:
                if (message := await self._receive())["type"] != "websocket.connect":
                    raise ValueError(f"Expected 'websocket.connect' first, not {message}.")
                self.watch()
                self.calls.put(None)
                while (message := await self._receive())["type"] != "websocket.disconnect":
                    if self.state is State.OPEN:
                        self._take(message)
                code = int(message.get("code") or CloseCode.NORMAL)
            except asyncio.CancelledError:
                if not self._over or self._task is None:
                    raise
                code = self.close_code
                self._task.uncancel()
            finally:
                try:
                    await self._end(code)
                finally:
                    unwatch(self.hub, self)  # last: until now it could become somebody else
                    await self.hub.close(self)

    def watch(self) -> None:
        """End with the session and the user in `scope`; to be called again when they change."""
        if self.state is not State.CLOSED:
            watch(self.hub, self)

    def _lane(self, work: Callable[[T], Coroutine[Any, Any, None]]) -> Lane[T]:
        lane: Lane[T] = Lane(work, self._turn, api_settings.HANDLER_TIMEOUT)
        if self.locale is not None:
            lane.context.run(self.locale.activate)
        return lane

    def _take(self, message: dict[str, Any]) -> None:
        """Queue a frame for the calls; a client that breaks the bounds is closed."""
        try:
            frame = self.inbox.admit(message)
        except ProtocolViolation as violation:
            logger.info("%r: %s", self, violation)
            self.close(violation.code, violation.reason)
            return
        text, _data, size = frame
        if size < PING_SIZE and text and '"$ping"' in text and (pong := ping(text)) is not None:
            self.inbox.handled(size)
            self.pass_on(Event.rendered("", None, pong))
        else:
            self.calls.put(frame)

    async def _call(self, item: Frame | int | None) -> None:
        """What the lane of calls does: `connect` (None), the frames, `disconnect` (a code)."""
        if isinstance(item, tuple):
            self.inbox.handled(item[2])
            if not self._closed:
                await self.face.receive(item)
        elif item is None:
            try:
                await self.face.connect()
            except BaseException:
                self.close(CloseCode.CONNECT_FAILED)
                raise
            if not self.groups.settled:
                await self.groups.settle()
            self.accept()
        else:
            await self.face.disconnect(item)

    # The road out. These may be called from the loop and from threads.

    def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Sent:
        """CONNECTING → OPEN; what was sent until now follows. Later calls change nothing."""
        if not self.home.here():
            self.home.call(self.accept, subprotocol, headers)
        elif self._move(State.OPEN):
            self.outbox.release(accept_message(subprotocol or self.subprotocol, headers))
        return DONE

    def send(self, *, text: str | None = None, data: bytes | None = None) -> Sent:
        """Send one frame. Before the connection is open it waits, after its end it is dropped."""
        size = sendable(text) if text is not None else len(data or b"")
        message = frame_message(text, data)
        if not self.home.here():
            return self.outbox.put_from_thread(message, size)
        if self.state > State.OPEN:
            return DONE
        return self.outbox.put(message, size)

    def answer(self, text: str) -> Awaitable[None]:
        """Send one frame from a lane; to await it is to wait until the server has taken it."""
        if self.state > State.OPEN:
            return DONE
        if not self.groups.settled:
            return self._answer_settled(text)
        return self.outbox.write({"type": "websocket.send", "text": text}, size_of(text))

    async def _answer_settled(self, text: str) -> None:
        """Who is told that he has joined a group can be reached there."""
        await self.groups.settle()
        await self.answer(text)

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> Sent:
        """End the connection after what was sent until now; before accepting, refuse it."""
        check_close_code(code)
        if not self.home.here():
            self.home.call(self.close, code, reason)
        elif self.state < State.CLOSING:
            refused = self.state is State.CONNECTING
            self._closed = self._move(State.CLOSING)
            self.close_code = code
            self.hub.forget(self)
            self.groups.leave_all()
            for tell in self.closings:
                tell()
            (self.outbox.refuse if refused else self.outbox.add)(close_message(code, reason))
            self._await_departure()
        return DONE

    def say(self, event: Event) -> Sent:
        """Do what `event` says: accept, send, close. For handlers, who may wait for room."""
        if event.accept:
            self.accept()
        sent = self.send(text=event.text, data=event.binary) if event.size else DONE
        if event.close is not None:
            self.close(event.close)
        return sent

    def deliver(self, event: Event | Gap) -> None:
        """Take what others say; a client that does not keep up is closed, and told to return."""
        gap = isinstance(event, Gap)
        if self.state > State.OPEN or (gap and not self.face.minds_gaps):
            return
        if isinstance(event, Gap) or self.aside or (event.data is not None and not event.size):
            self._hear(event)
        else:
            self.pass_on(event)

    def pass_on(self, event: Event) -> None:
        """Let the client have what is rendered, and do what else `event` says."""
        message, size = frame_message(event.text, event.binary), event.size
        if size and not self.outbox.offer(message, size):
            self._give_up()
        elif event.accept or event.close is not None:
            self.say(event._replace(size=0))

    def _hear(self, event: Event | Gap) -> None:
        """Queue `event` for the lane of events, which begins with the first."""
        if self.events is None:
            self.events = self.calls.context.run(self._lane, self.face.event)
        if len(self.events.items) >= api_settings.INBOX_FRAMES:
            self._give_up()
        else:
            self.events.put(event)

    def _give_up(self) -> None:
        logger.info("%r does not keep up with what it is sent.", self)
        self.close(CloseCode.TOO_SLOW, "You do not keep up. Connect again.")

    # The end.

    def _move(self, to: State) -> bool:
        """Every transition: forward, or not at all."""
        if to <= self.state:
            return False
        self.state = to
        return True

    def _await_departure(self) -> None:
        """The client is to go: after a farewell, or because nothing can be sent to it."""
        if self._farewell is None and not self._over:
            self._farewell = self.home.loop.call_later(FAREWELL, self._leave_unheard)

    def _leave_unheard(self) -> None:
        """The client did not take its farewell in time: stop listening for its answer."""
        if not self._over and self._task is not None:
            self._over = True
            self._task.cancel()

    async def _end(self, code: int) -> None:
        self._over = True
        self._move(State.CLOSED)
        self.hub.forget(self)
        self.groups.leave_all()
        await self.calls.drain(GRACE)
        for lane in (self.calls, self.events):
            if lane is not None:
                await lane.stop(GRACE)
        await self.home.end(GRACE)
        if self.admitted:
            last = self._lane(self._call) if self.calls.busy else self.calls
            last.put(code)
            await last.drain(None)
            await last.stop(GRACE)
        await self.outbox.stop()
        if self._farewell is not None:
            self._farewell.cancel()
        for end in self.endings:
            await end()

    def __repr__(self) -> str:
        return f"<Connection {self.address} {self.scope.get('path', '')} {self.state.name}>"
