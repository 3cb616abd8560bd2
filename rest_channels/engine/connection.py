"""One WebSocket connection, from its handshake to its end.

    CONNECTING ──accept──▶ OPEN ──close──▶ CLOSING ──▶ CLOSED
         └──────close (refused)───────────────────────────▲   a client may leave at any time

Four parts run at the same time and never wait for each other: the reader (`serve`), the call queue
(connect, frames, disconnect), the event queue (group messages for the handler) and the outbox.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from ..concurrency.awaitables import DONE, Sent
from ..concurrency.execution import use_thread_pool
from ..concurrency.loop_bridge import LoopBridge
from ..concurrency.serial_queue import SerialQueue, Work
from ..exceptions import CloseCode, ProtocolViolation, check_close_code
from ..handshake.locale import locale_of
from ..handshake.subprotocols import acceptable
from ..protocol.messages import Event, Frame, Gap, encoded_size, utf8_size
from ..settings import api_settings
from .connection_identity import ConnectionScope
from .handler import Handler, State
from .inbox import PING_SIZE, Inbox, ping
from .memberships import GroupMemberships
from .outbox import Outbox, accept_message, close_message, frame_message
from .publish import current_hub
from .revocation_index import forget_connection, identify_connection

__all__ = ["Connection", "State"]

logger = logging.getLogger("rest_channels")

T = TypeVar("T")

END_TIMEOUT = 0.5
"""Seconds that handlers have to end when the client has left, and again when they are cancelled."""

CLOSE_TIMEOUT = 5.0
"""Seconds that a client has to read the rest, and to answer, once the server closes."""


class Connection:
    """One connection. `scope`, `receive` and `send` are ASGI's. `handler` creates its handler."""

    on_ended: tuple[Callable[[], Awaitable[None]], ...] = ()  # awaited at the very end
    on_closing: tuple[Callable[[], Any], ...] = ()  # called when the server closes
    identity_check: asyncio.Future[None] | None = None  # what its next event waits for
    missed: set[str] | None = None  # groups whose messages were dropped while it is suspended
    subprotocol: str | None = None  # for `accept` calls that name no other

    def __init__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
        send: Callable[[Any], Coroutine[Any, Any, None]],
        handler: Callable[["Connection"], Handler],
    ) -> None:
        self.scope = ConnectionScope(scope)
        self.state = State.CONNECTING
        self.loop_bridge = LoopBridge()
        self.hub = current_hub()
        self.address = self.hub.new_address()
        limit = api_settings.MAX_SUBSCRIPTIONS
        self.groups = GroupMemberships(self, self.hub, self.loop_bridge, limit)
        self.inbox = Inbox()
        self.outbox = Outbox(send, api_settings.OUTBOX_BYTES, self._start_close_timer)
        self.view_state: dict[str, Any] = {}  # a view's `state`, and its sessions
        self.close_code: int = CloseCode.NORMAL
        self._receive = receive
        self.locale = locale_of(scope)
        self.handler_lock = asyncio.Lock()
        self.call_queue: SerialQueue[Frame | int | None]
        self.event_queue: SerialQueue[Event | Gap] | None = None
        self._task = asyncio.current_task()
        self.connect_called = False  # if it was, `disconnect` must be called
        self._closed = False  # by the server: frames that still arrive are ignored
        self._finished = False
        self._close_timer: asyncio.TimerHandle | None = None
        self.handler = handler(self)
        self.needs_queue = self.handler.overrides_sending

    async def serve(self) -> None:
        """Serve the connection to its end. Reading waits for no handler: every end is seen."""
        self.hub.add_connection(self)
        async with use_thread_pool():
            self.call_queue = _new_queue(self, self._call)
            code: int = CloseCode.ABNORMAL
            try:
                if (message := await self._receive())["type"] != "websocket.connect":
                    raise ValueError(f"Expected 'websocket.connect' first, not {message}.")
                if self.hub.sockets.admits(self):
                    self.call_queue.put(None)
                while (message := await self._receive())["type"] != "websocket.disconnect":
                    if self.state is State.OPEN:
                        self._enqueue_frame(message)
                        if self.inbox.pause:
                            await self.inbox.slow_down()
                code = int(message.get("code") or CloseCode.NORMAL)
            except asyncio.CancelledError:
                if not self._finished or self._task is None:
                    raise
                code = self.close_code
                self._task.uncancel()
            finally:
                try:
                    await self._end(code)
                finally:
                    forget_connection(self.hub, self)  # last: until now its user could change
                    await self.hub.remove_connection(self)

    def _enqueue_frame(self, message: dict[str, Any]) -> None:
        """Queue a frame, or close a client that exceeds the limits."""
        try:
            text, _data, size = frame = self.inbox.admit(message)
        except ProtocolViolation as violation:
            logger.info("%r: %s", self, violation)
            self.close(violation.code, violation.reason)
            return
        if size < PING_SIZE and text and '"$ping"' in text and (pong := ping(text)) is not None:
            self.inbox.handled(size)
            self.send_rendered(Event.rendered("", None, pong))
        else:
            self.call_queue.put(frame)

    async def _call(self, item: Frame | int | None) -> None:
        """Handle an item of the call queue: `None` (connect), a frame, or a code (disconnect)."""
        if isinstance(item, tuple):
            self.inbox.handled(item[2])
            if not self._closed:
                await self.handler.receive(item)
        elif item is None:
            try:
                if await identify_connection(self.hub, self):
                    await self.handler.connect()
            except BaseException:
                self.close(CloseCode.CONNECT_FAILED)
                raise
            if not self.groups.all_joined:
                await self.groups.wait_joined()
            self.accept()
        else:
            await self.handler.disconnect(item)

    # Sending. These methods may be called from the loop and from threads.

    def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Sent:
        """Accept the handshake. Frames that were sent before follow. Later calls do nothing."""
        if not self.loop_bridge.on_loop():
            self.loop_bridge.call(self.accept, subprotocol, headers)
        elif self._advance_to(State.OPEN):
            self.outbox.start(accept_message(acceptable(subprotocol, self.subprotocol), headers))
        return DONE

    def send(self, *, text: str | None = None, data: bytes | None = None) -> Sent:
        """Send one frame. It waits until the connection is open, and is dropped after its end."""
        size = encoded_size(text) if text is not None else len(data or b"")
        message = frame_message(text, data)
        if not self.loop_bridge.on_loop():
            return self.outbox.put_from_thread(message, size)
        if self.state > State.OPEN:
            return DONE
        return self.outbox.put(message, size)

    def answer(self, text: str) -> Awaitable[None]:
        """Send one frame from the call queue. Awaiting it waits until the server has taken it."""
        if self.state > State.OPEN:
            return DONE
        if not self.groups.all_joined:
            return self._answer_when_joined(text)
        return self.outbox.send({"type": "websocket.send", "text": text}, utf8_size(text))

    async def _answer_when_joined(self, text: str) -> None:
        """Answer once group messages arrive: the answer may say that a group was joined."""
        await self.groups.wait_joined()
        await self.answer(text)

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> Sent:
        """Close the connection after the frames sent before, or refuse it if it is not accepted."""
        check_close_code(code)
        if not self.loop_bridge.on_loop():
            self.loop_bridge.call(self.close, code, reason)
        elif self.state < State.CLOSING:
            outbox, refused = self.outbox, self.state is State.CONNECTING
            self._closed = self._advance_to(State.CLOSING)
            self.close_code = code
            self.hub.remove_address(self)
            self.groups.leave_all()
            for callback in self.on_closing:
                callback()
            (outbox.send_only if refused else outbox.put_without_limit)(close_message(code, reason))
            self._start_close_timer()
        return DONE

    def send_event(self, event: Event) -> Sent:
        """Accept, send and close, as `event` says. A handler may await room in the outbox."""
        if event.accept:
            self.accept()
        sent = self.send(text=event.text, data=event.binary) if event.size else DONE
        if event.close is not None:
            self.close(event.close)
        return sent

    def deliver(self, event: Event | Gap) -> None:
        """Send a message, or queue it for the handler. Close a client that reads slowly (4503)."""
        if self.state > State.OPEN:
            return
        if isinstance(event, Gap):
            if self.handler.handles_gaps:
                self._queue_event(event)
        elif self.needs_queue or (event.data is not None and not event.size):
            self._queue_event(event)
        else:
            self.send_rendered(event)

    def send_rendered(self, event: Event) -> None:
        """Send the rendered `event`, then accept or close if it says so."""
        message, size = frame_message(event.text, event.binary), event.size
        if size and not self.outbox.put_if_room(message, size):
            self._close_slow_client()
        elif event.accept or event.close is not None:
            self.send_event(event._replace(size=0))

    def _queue_event(self, event: Event | Gap) -> None:
        if self.missed is not None:
            self.missed.update(event.groups if isinstance(event, Gap) else (event.group,))
        elif self.event_queue and len(self.event_queue.items) >= api_settings.INBOX_FRAMES:
            self._close_slow_client()
        else:
            if self.event_queue is None:
                self.event_queue = self.call_queue.context.run(_new_queue, self, self.handler.event)
            self.event_queue.put(event)

    def _close_slow_client(self) -> None:
        logger.info("%r does not read fast enough and is closed.", self)
        self.close(CloseCode.TOO_SLOW, "You do not keep up. Connect again.")

    def _advance_to(self, state: State) -> bool:
        advances, self.state = state > self.state, max(state, self.state)
        return advances

    def _start_close_timer(self) -> None:
        """Give the client `CLOSE_TIMEOUT` to disconnect, after a close or a failed `send`."""
        if self._close_timer is None and not self._finished:
            loop = self.loop_bridge.loop
            self._close_timer = loop.call_later(CLOSE_TIMEOUT, self._close_timed_out)

    def _close_timed_out(self) -> None:
        """Stop reading: the client did not answer the close in time."""
        if not self._finished and self._task is not None:
            self._finished = True
            self._task.cancel()

    async def _end(self, code: int) -> None:
        self._finished = True
        self._advance_to(State.CLOSED)
        self.hub.remove_address(self)
        self.groups.leave_all()
        await self.call_queue.drain(END_TIMEOUT)
        for queue in (self.call_queue, self.event_queue):
            if queue is not None:
                await queue.stop(END_TIMEOUT)
        await self.loop_bridge.end(END_TIMEOUT)
        if self.connect_called:
            queue = _new_queue(self, self._call) if self.call_queue.busy else self.call_queue
            queue.put(code)
            await queue.drain(None)
            await queue.stop(END_TIMEOUT)
        await self.outbox.stop()
        if self._close_timer is not None:
            self._close_timer.cancel()
        for callback in self.on_ended:
            await callback()

    def __repr__(self) -> str:
        return f"<Connection {self.address} {self.scope.get('path', '')} {self.state.name}>"


def _new_queue(connection: Connection, work: Work[T]) -> SerialQueue[T]:
    timeout = api_settings.HANDLER_TIMEOUT
    queue: SerialQueue[T] = SerialQueue(work, connection.handler_lock, timeout)
    if connection.locale is not None:
        queue.context.run(connection.locale.activate)
    return queue
