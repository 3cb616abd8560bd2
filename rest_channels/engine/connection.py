"""One WebSocket connection, from its handshake to its end.

    CONNECTING ──accept──▶ OPEN ──close──▶ CLOSING ──▶ CLOSED
         └──────close (refused)───────────────────────────▲   a client may leave at any time

Four parts run at the same time and never wait for each other: the reader (`serve`), the call queue
(connect, frames, disconnect), the event queue (group messages for the handler) and the outbox.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from ..client_logs import log_for_client, short_path
from ..concurrency.awaitables import DONE, Sent
from ..concurrency.loop_bridge import LoopBridge
from ..concurrency.pool_blocks import use_thread_pool
from ..concurrency.serial_queue import SerialQueue
from ..concurrency.tasks import EAGER_TASKS
from ..concurrency.testcase import receive_after_commits
from ..concurrency.timers import call_later
from ..exceptions import CloseCode, ProtocolViolation, check_close_code
from ..handshake.locale import locale_of
from ..handshake.subprotocols import acceptable
from ..partitions import connection_partition, handlers_partition
from ..protocol.asgi_messages import Message, accept_message, close_message
from ..protocol.messages import Frame, encoded_size, plain_bytes, plain_text
from ..settings import api_settings
from .connection_identity import ConnectionScope
from .control_frames import CONTROL_SIZE, answer_control_frame
from .ending import Ending
from .handler import OPEN, Handler, State
from .identification import identify_connection
from .inbox import Inbox
from .memberships import GroupMemberships
from .outbox import Outbox
from .publish import current_hub
from .receiving import Receiving, answering
from .revocation_index import forget_connection

__all__ = ["OPEN", "Connection", "State"]

logger = logging.getLogger("rest_channels")

CLOSE_TIMEOUT = 5.0
"""Seconds that a client has to read the rest, and to answer, once the server closes."""


class Connection(Receiving):
    """One connection. `scope`, `receive` and `send` are ASGI's. `handler` creates its handler.

    All attributes are set in `__init__`, and there are at most 30. CPython keeps those that come
    later in a dict for each instance, if many were created before: 600 bytes, and slower.
    """

    groups: GroupMemberships
    on_ended: tuple[Callable[[], Awaitable[None]], ...]  # awaited at the very end
    on_identity_changed: tuple[Callable[[], Any], ...]  # called after a login or logout
    on_closing: tuple[Callable[[], Any], ...]  # called when the server closes
    identity_check: asyncio.Future[None] | None  # what its next event waits for
    subprotocol: str | None  # for `accept` calls that name no other

    def __init__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
        send: Callable[[Any], Coroutine[Any, Any, None]],
        handler: Callable[["Connection"], Handler],
    ) -> None:
        super().__init__()
        self.scope = ConnectionScope(scope)
        self.hub = hub = current_hub()
        self.loop_bridge = LoopBridge(hub.loop, hub.thread)
        self.address = hub.new_address()
        limit, partition = api_settings.MAX_SUBSCRIPTIONS, connection_partition(scope)
        self.groups = GroupMemberships(self, hub, self.loop_bridge, limit, partition)
        self.inbox = Inbox()
        self.outbox = Outbox(send, api_settings.OUTBOX_BYTES, self, hub.loop, hub.outboxes_lock)
        self.view_state: dict[str, Any] = {}  # a view's `state`, sessions, what a consumer keeps
        self._receive = receive
        self.locale = locale_of(scope)
        self.call_queue: SerialQueue[Frame | int | None]
        self._task: asyncio.Task[Any] | None = None
        self._finished = self.connect_called = False  # if it was, `disconnect` must be called
        self._close_timer: asyncio.TimerHandle | None = None
        self.on_ended = self.on_identity_changed = self.on_closing = ()
        self.identity_check = self.subprotocol = None
        self.close_code = 0  # once the server has closed it: frames that arrive later are ignored
        self.handler = handler(self)
        self.needs_queue = self.handler.overrides_sending

    async def serve(self) -> None:
        """Serve the connection to its end. Reading waits for no handler: every end is seen."""
        self._task = asyncio.current_task()  # another one may have created the coroutine
        async with use_thread_pool() as savepoints:
            if savepoints:
                self._receive = receive_after_commits(self._receive, savepoints)
            self.call_queue = self.new_call_queue()
            code: int | None = CloseCode.ABNORMAL
            try:
                self.hub.add_connection(self)
                if (kind := (await self._receive())["type"]) != "websocket.connect":
                    raise ValueError(f"Expected 'websocket.connect' first, not {kind!r}.")
                if self.hub.sockets.admits(self):
                    self.call_queue.put(None)
                code = None
                while code is None:  # no variable keeps the frame while the next is awaited
                    code = self._take(await self._receive())
                    if self.inbox.pause:
                        await self.inbox.slow_down()
                    elif not EAGER_TASKS and (self.close_code or not self.inbox.is_slowed_down):
                        await self.call_queue.let_item_run()
            except asyncio.CancelledError:
                if not self._finished or self._task is None:
                    raise
                code = self.close_code or CloseCode.NORMAL
                self._task.uncancel()
                if self.state is State.OPEN:  # sending has failed, but the client has not left
                    await self.outbox.try_to_close()
            finally:
                await self._end(CloseCode.ABNORMAL if code is None else code)

    def _take(self, message: dict[str, Any]) -> int | None:
        """Queue a frame, or close a client that exceeds the limits. Return a disconnect's code."""
        if message["type"] == "websocket.disconnect":
            return int(message.get("code") or CloseCode.NORMAL)
        if self.state is not OPEN:
            return None
        try:
            frame = text, _data, size = self.inbox.admit(message)
            if size < CONTROL_SIZE and text and '"$' in text and answer_control_frame(self, text):
                pass
            elif self.call_queue.busy:
                self.inbox.wait(size)
                self.call_queue.put(frame)
            else:
                self.call_queue.start(self.handler.receive(frame))
        except ProtocolViolation as violation:
            log_for_client(logger, logging.INFO, "%r: %s", self, violation)
            self.close(violation.code, violation.reason)
        return None

    def new_call_queue(self, first: SerialQueue[Any] | None = None) -> SerialQueue[Any]:
        """Return a queue whose context is that of all handlers of this connection."""
        queue: SerialQueue[Any]
        queue = SerialQueue(self._call, api_settings.HANDLER_TIMEOUT, first, self)
        if api_settings.PARTITION is not None:
            queue.context.run(handlers_partition.set, self.partition)
        if self.locale is not None:
            queue.context.run(self.locale.activate)
        return queue

    async def _call(self, item: Frame | int | None) -> None:
        """Handle an item of the queue: `None` (connect), a frame that waited, or a close code."""
        if isinstance(item, tuple):
            self.inbox.handled(item[2])
            if not self.close_code:
                await self.handler.receive(item)
        elif item is None:
            try:
                here = await identify_connection(self.hub, self) and await self.hub.reachable(self)
                if (connecting := self.handler.connect() if here else None) is not None:
                    await connecting
            except BaseException:
                self.close(CloseCode.CONNECT_FAILED)
                raise
            if not self.groups.all_joined:
                await self.groups.wait_joined()
            self.is_connected = True
            if self.state is State.CONNECTING:
                self.state = State.OPEN
                await self.outbox.open(accept_message(acceptable(self.subprotocol), ()))
        else:
            await self.handler.disconnect(item)

    # Sending. These methods may be called from the loop and from threads.

    def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Sent:
        """Accept the handshake. Frames that were sent before follow. Later calls do nothing."""
        if self.state < State.OPEN and not self.loop_bridge.on_loop():
            self.loop_bridge.call(self.accept, subprotocol, headers)
        elif self.state < State.OPEN:
            message = accept_message(acceptable(subprotocol, self.subprotocol), headers)
            self.state = State.OPEN
            self.outbox.start(message)
        return DONE

    def send(self, *, text: str | None = None, data: bytes | None = None) -> Sent:
        """Send one frame, once the connection is open. Raise `TypeError` for what is no frame."""
        message: Message
        if text is not None:
            size = encoded_size(text)
            message = {"type": "websocket.send", "text": plain_text(text)}
        else:
            if (data := plain_bytes(data)) is None:
                raise TypeError("A frame has text or bytes, but both are None.")
            size, message = len(data), {"type": "websocket.send", "bytes": data}
        if self.state > State.OPEN:  # the loop may have ended too, and thus answer no thread
            return DONE
        is_connecting = self.state is State.CONNECTING
        is_held = is_connecting or (self.held is not None and self.held.for_call)
        if is_held and (is_connecting or not self.handler.sends_in_order):
            is_held = answering() is not self
        if not self.loop_bridge.on_loop():
            if is_held:
                return self.loop_bridge.call(self.send_if_released, message, size)
            return self.outbox.put_from_thread(message, size)
        return self.send_if_released(message, size) if is_held else self.outbox.put(message, size)

    def answer(self, text: str | None) -> Awaitable[None]:
        """Send one frame from the call queue; `None` sends none. Raise `TypeError` for no frame."""
        if text is None:
            return DONE
        if type(text) is str and text.isascii():
            size = len(text)
        else:
            size, text = encoded_size(text), str.__str__(text)
        if self.state is not OPEN and self.state > OPEN:
            return DONE
        message = {"type": "websocket.send", "text": text}
        if not self.groups.all_joined:
            return self._answer_when_joined(message, size)
        return self.outbox.send(message, size)

    async def _answer_when_joined(self, message: Message, size: int) -> None:
        """Answer once group messages arrive: the answer may say that a group was joined."""
        try:
            await self.groups.wait_joined()
        finally:  # also if the deadline passes meanwhile, which must not lose the answer
            sent = self.outbox.put(message, size) if self.state <= State.OPEN else DONE
        await sent

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> Sent:
        """Close the connection after the frames sent before, or refuse it if it is not accepted."""
        check_close_code(code)
        if self.state < State.CLOSING and not self.loop_bridge.on_loop():
            self.loop_bridge.call(self.close, code, reason)
        elif self.state < State.CLOSING:
            self.end_holding()
            outbox, refused = self.outbox, self.state is State.CONNECTING
            self.state = State.CLOSING
            self.close_code = code
            self.hub.remove_address(self)
            self.groups.leave_all()
            self.cancel_waiting()
            for callback in self.on_closing:
                callback()
            (outbox.send_only if refused else outbox.put_without_limit)(close_message(code, reason))
            self.start_close_timer()
        return DONE

    def start_close_timer(self) -> None:
        """Give the client `CLOSE_TIMEOUT` to disconnect, after a close or a failed `send`."""
        if self._close_timer is None and not self._finished:
            loop = self.loop_bridge.loop
            self._close_timer = call_later(loop, CLOSE_TIMEOUT, self._close_timed_out)

    def _close_timed_out(self) -> None:
        """Stop reading: the client did not answer the close in time."""
        if not self._finished and self._task is not None:
            self._finished = True
            self._task.cancel()

    async def _end(self, code: int) -> None:
        self._finished = True
        if self._close_timer is not None:
            self._close_timer.cancel()
        self.state = State.CLOSED
        self.hub.remove_address(self)
        self.groups.leave_all()
        self.on_ended += (self._leave_hub,)
        await Ending(self).run(code)

    def _leave_hub(self) -> Awaitable[None]:
        forget_connection(self.hub, self)  # last: until now its user could change
        return self.hub.remove_connection(self)

    def __repr__(self) -> str:
        return f"<Connection {self.address} {short_path(self.scope)} {self.state.name}>"
