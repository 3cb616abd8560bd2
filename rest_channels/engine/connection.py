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
from ..concurrency.execution import use_thread_pool
from ..concurrency.loop_bridge import LoopBridge
from ..concurrency.serial_queue import SerialQueue
from ..exceptions import CloseCode, ProtocolViolation, check_close_code
from ..handshake.locale import locale_of
from ..protocol.messages import Event, Frame, Gap, encoded_size, utf8_size
from ..settings import api_settings
from .handler import Handler
from .inbox import PING_SIZE, Inbox, ping
from .memberships import GroupMemberships
from .outbox import Outbox, accept_message, close_message, frame_message
from .publish import current_hub
from .revocation import forget_connection, index_connection

__all__ = ["Connection", "State"]

logger = logging.getLogger("rest_channels")

T = TypeVar("T")

GRACE = 0.5
"""Seconds that work has to end by itself when its client has left, and then to be cancelled."""

CLOSE_TIMEOUT = 5.0
"""Seconds that a client has to take what is left for it once the server closes."""


class State(IntEnum):
    """Where a connection is in its life; it only moves on."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


class Connection:
    """The engine's half of one connection. `scope`, `receive` and `send` are ASGI's."""

    on_ended: tuple[Callable[[], Awaitable[None]], ...] = ()  # what else ends with it
    on_closing: tuple[Callable[[], Any], ...] = ()  # what is to be called when the server closes it
    subprotocol: str | None = None  # to accept, unless whoever accepts names another

    def __init__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
        send: Callable[[Any], Coroutine[Any, Any, None]],
        handler: Callable[["Connection"], Handler],
    ) -> None:
        self.scope = scope
        self.state = State.CONNECTING
        self.loop_bridge = LoopBridge()
        self.hub = current_hub()
        self.address = self.hub.new_address()
        self.groups = GroupMemberships(
            self, self.hub, self.loop_bridge, api_settings.MAX_SUBSCRIPTIONS
        )
        self.inbox = Inbox()
        self.outbox = Outbox(send, api_settings.OUTBOX_BYTES, self._start_close_timer)
        self.memory: dict[str, Any] = {}  # what a view's `state` and its sessions keep
        self.close_code: int = CloseCode.NORMAL
        self._receive = receive
        self.locale = locale_of(scope)
        self._handler_lock = asyncio.Lock()
        self.call_queue: SerialQueue[Frame | int | None]
        self.event_queue: SerialQueue[Event | Gap] | None = None
        self._task = asyncio.current_task()
        self.connect_called = (
            False  # whether its `connect` was called, so that `disconnect` must be
        )
        self._closed = False  # by the server: what its client still wants is not done
        self._over = False
        self._close_timer: asyncio.TimerHandle | None = None
        self.handler = handler(self)
        self.needs_queue = self.handler.overrides_sending

    # The road in.

    async def serve(self) -> None:
        """Be the connection, from `websocket.connect` until nothing of it is left."""
        self.hub.add_connection(self)
        async with use_thread_pool():
            self.call_queue = self._queue(self._call)
            code: int = CloseCode.ABNORMAL
            try:
                if (message := await self._receive())["type"] != "websocket.connect":
                    raise ValueError(f"Expected 'websocket.connect' first, not {message}.")
                self.watch_account()
                self.call_queue.put(None)
                while (message := await self._receive())["type"] != "websocket.disconnect":
                    if self.state is State.OPEN:
                        self._enqueue_frame(message)
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
                    forget_connection(
                        self.hub, self
                    )  # last: until now it could become somebody else
                    await self.hub.remove_connection(self)

    def watch_account(self) -> None:
        """End with the session and the user in `scope`; to be called again when they change."""
        if self.state is not State.CLOSED:
            index_connection(self.hub, self)

    def _queue(self, work: Callable[[T], Coroutine[Any, Any, None]]) -> SerialQueue[T]:
        queue: SerialQueue[T] = SerialQueue(work, self._handler_lock, api_settings.HANDLER_TIMEOUT)
        if self.locale is not None:
            queue.context.run(self.locale.activate)
        return queue

    def _enqueue_frame(self, message: dict[str, Any]) -> None:
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
            self.send_rendered(Event.rendered("", None, pong))
        else:
            self.call_queue.put(frame)

    async def _call(self, item: Frame | int | None) -> None:
        """What the lane of calls does: `connect` (None), the frames, `disconnect` (a code)."""
        if isinstance(item, tuple):
            self.inbox.handled(item[2])
            if not self._closed:
                await self.handler.receive(item)
        elif item is None:
            try:
                await self.handler.connect()
            except BaseException:
                self.close(CloseCode.CONNECT_FAILED)
                raise
            if not self.groups.all_joined:
                await self.groups.wait_joined()
            self.accept()
        else:
            await self.handler.disconnect(item)

    # The road out. These may be called from the loop and from threads.

    def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Sent:
        """CONNECTING → OPEN; what was sent until now follows. Later calls change nothing."""
        if not self.loop_bridge.on_loop():
            self.loop_bridge.call(self.accept, subprotocol, headers)
        elif self._advance_to(State.OPEN):
            self.outbox.release(accept_message(subprotocol or self.subprotocol, headers))
        return DONE

    def send(self, *, text: str | None = None, data: bytes | None = None) -> Sent:
        """Send one frame. Before the connection is open it waits, after its end it is dropped."""
        size = encoded_size(text) if text is not None else len(data or b"")
        message = frame_message(text, data)
        if not self.loop_bridge.on_loop():
            return self.outbox.put_from_thread(message, size)
        if self.state > State.OPEN:
            return DONE
        return self.outbox.put(message, size)

    def answer(self, text: str) -> Awaitable[None]:
        """Send one frame from a lane; to await it is to wait until the server has taken it."""
        if self.state > State.OPEN:
            return DONE
        if not self.groups.all_joined:
            return self._answer_settled(text)
        return self.outbox.write({"type": "websocket.send", "text": text}, utf8_size(text))

    async def _answer_settled(self, text: str) -> None:
        """Who is told that he has joined a group can be reached there."""
        await self.groups.wait_joined()
        await self.answer(text)

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> Sent:
        """End the connection after what was sent until now; before accepting, refuse it."""
        check_close_code(code)
        if not self.loop_bridge.on_loop():
            self.loop_bridge.call(self.close, code, reason)
        elif self.state < State.CLOSING:
            refused = self.state is State.CONNECTING
            self._closed = self._advance_to(State.CLOSING)
            self.close_code = code
            self.hub.remove_address(self)
            self.groups.leave_all()
            for tell in self.on_closing:
                tell()
            (self.outbox.refuse if refused else self.outbox.add)(close_message(code, reason))
            self._start_close_timer()
        return DONE

    def send_event(self, event: Event) -> Sent:
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
        if self.state > State.OPEN or (gap and not self.handler.handles_gaps):
            return
        if (
            isinstance(event, Gap)
            or self.needs_queue
            or (event.data is not None and not event.size)
        ):
            self._queue_event(event)
        else:
            self.send_rendered(event)

    def send_rendered(self, event: Event) -> None:
        """Let the client have what is rendered, and do what else `event` says."""
        message, size = frame_message(event.text, event.binary), event.size
        if size and not self.outbox.offer(message, size):
            self._close_slow_client()
        elif event.accept or event.close is not None:
            self.send_event(event._replace(size=0))

    def _queue_event(self, event: Event | Gap) -> None:
        """Queue `event` for the lane of events, which begins with the first."""
        if self.event_queue is None:
            self.event_queue = self.call_queue.context.run(self._queue, self.handler.event)
        if len(self.event_queue.items) >= api_settings.INBOX_FRAMES:
            self._close_slow_client()
        else:
            self.event_queue.put(event)

    def _close_slow_client(self) -> None:
        logger.info("%r does not keep up with what it is sent.", self)
        self.close(CloseCode.TOO_SLOW, "You do not keep up. Connect again.")

    # The end.

    def _advance_to(self, to: State) -> bool:
        """Every transition: forward, or not at all."""
        if to <= self.state:
            return False
        self.state = to
        return True

    def _start_close_timer(self) -> None:
        """The client is to go: after a farewell, or because nothing can be sent to it."""
        if self._close_timer is None and not self._over:
            self._close_timer = self.loop_bridge.loop.call_later(
                CLOSE_TIMEOUT, self._close_timed_out
            )

    def _close_timed_out(self) -> None:
        """The client did not take its farewell in time: stop listening for its answer."""
        if not self._over and self._task is not None:
            self._over = True
            self._task.cancel()

    async def _end(self, code: int) -> None:
        self._over = True
        self._advance_to(State.CLOSED)
        self.hub.remove_address(self)
        self.groups.leave_all()
        await self.call_queue.drain(GRACE)
        for queue in (self.call_queue, self.event_queue):
            if queue is not None:
                await queue.stop(GRACE)
        await self.loop_bridge.end(GRACE)
        if self.connect_called:
            last = self._queue(self._call) if self.call_queue.busy else self.call_queue
            last.put(code)
            await last.drain(None)
            await last.stop(GRACE)
        await self.outbox.stop()
        if self._close_timer is not None:
            self._close_timer.cancel()
        for end in self.on_ended:
            await end()

    def __repr__(self) -> str:
        return f"<Connection {self.address} {self.scope.get('path', '')} {self.state.name}>"
