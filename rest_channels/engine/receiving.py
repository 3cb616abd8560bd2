"""The messages of groups that a connection receives: sent at once, or queued for its handler.

Messages that a call causes for its own client are sent after the reply of the call. As soon as the
call publishes such a message, the connection holds the frames of all messages until the call has
ended. The handlers of these messages still run at once, because the call may wait for one of them.

Messages that arrive while `connect` runs wait in the outbox. If it refuses the client, they are
dropped.

Frames that the call itself sends to its client are not messages. Those of a view keep their order
with the messages that are held. Those of a consumer are sent first, as its replies are.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any
from weakref import ref

from ..client_logs import log_for_client
from ..concurrency.awaitables import DONE, Sent
from ..concurrency.loop_bridge import LoopBridge
from ..concurrency.serial_queue import SerialQueue, current_queue
from ..exceptions import CloseCode
from ..protocol.asgi_messages import Message, frame_message
from ..protocol.messages import Event, Gap
from ..settings import api_settings
from .event_queue import EventQueue
from .handler import EndedHandler, Handler, State
from .outbox import Outbox

__all__ = ["Receiving", "answering", "detached_from", "hold_messages_to"]

logger = logging.getLogger("rest_channels")

DETACHED_GRACE = 5.0
"""Seconds that a detached action has for the rest of a login, once it has ended the session."""


class Receiving:
    """The part of a `Connection` that receives messages. They may not wait, and may not fail."""

    address: str
    groups: Any  # its `GroupMemberships`, which need a hub
    handler: Handler
    loop_bridge: LoopBridge
    outbox: Outbox
    call_queue: SerialQueue[Any]
    needs_queue: bool
    """Whether rendered messages are passed to `deliver`: for the handler, or to be held."""

    def __init__(self) -> None:
        self.state = State.CONNECTING
        self.is_connected = False  # whether `connect` has ended, and has let the client in
        self.event_queue: EventQueue | None = None
        self.held: list[tuple[Message, int]] | None = None
        self.missed: set[str] | None = None
        """The groups whose messages were dropped while the connection is suspended."""

    @property
    def partition(self) -> str:
        """The partition of the connection; `""` without partitions."""
        partition: str = self.groups.partition
        return partition

    @property
    def overrides_sending(self) -> bool:
        """Whether the class sends messages itself, so that its clients get them without offsets."""
        return self.handler.overrides_sending

    @property
    def has_ended(self) -> bool:
        """Whether everything has ended, so that nothing would stop what begins now."""
        return isinstance(self.handler, EndedHandler)

    def update_needs_queue(self) -> None:
        """Pass rendered messages to `deliver` as long as something else than sending is done."""
        special = self.held is not None or self.missed is not None
        self.needs_queue = special or self.handler.overrides_sending

    def accept(self) -> Sent:
        raise NotImplementedError

    def send(self, *, text: str | None = None, data: bytes | None = None) -> Sent:
        raise NotImplementedError

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> Sent:
        raise NotImplementedError

    def send_event(self, event: Event) -> Sent:
        """Accept, send and close, as `event` says. A handler may await room in the outbox."""
        if event.accept:
            self.accept()
        sent = self.send(text=event.text, data=event.binary) if event.size else DONE
        if event.close is not None:
            self.close(event.close)
        return sent

    def suspend(self) -> None:
        """Push nothing from now on, because the token has expired: drop messages that wait too."""
        self.missed = set()
        self.update_needs_queue()  # so that all of them pass `deliver`
        if self.event_queue is not None:
            for event in self.event_queue.take_all():
                self.deliver(event)

    def resume(self) -> None:
        """Deliver messages again. A handler of gaps receives the groups that had some meanwhile.

        A client asks for what it has missed in groups with a history.
        """
        missed, self.missed = self.missed, None
        self.update_needs_queue()
        if missed:
            self.deliver(Gap(tuple(missed)))
            self.groups.introduce_again()

    def cancel_waiting(self) -> None:
        """Let no `def` begin that waits for its turn: the client may have lost its rights."""
        for queue in (getattr(self, "call_queue", None), self.event_queue):
            if queue is not None:
                queue.cancel_waiting()

    async def wait_for_handlers(self) -> None:
        """Wait until the handlers that run now have ended, except detached ones."""
        for queue in (self.call_queue, self.event_queue):
            if queue is not None:
                await queue.wait_for_current()

    @property
    def has_other_handlers(self) -> bool:
        """Whether handlers of messages, or detached actions, run beside the running call."""
        is_busy = self.event_queue is not None and self.event_queue.busy
        return is_busy or bool(self.loop_bridge.running_tasks)

    async def wait_for_detached(self) -> None:
        """Wait until the detached actions that run now have ended, at most `DETACHED_GRACE`."""
        if tasks := self.loop_bridge.running_tasks:
            await asyncio.wait(tasks, timeout=DETACHED_GRACE)

    def deliver(self, event: Event | Gap) -> None:
        """Send a message, or queue it for the handler. Close a client that reads slowly (4503)."""
        if self.state > State.OPEN:
            return
        if isinstance(event, Gap):
            if self.handler.handles_gaps:
                names = self.groups.own_names(event.groups) if self.partition else event.groups
                self._queue_event(Gap(tuple(names)))
        elif (
            self.missed is not None
            or self.handler.overrides_sending
            or (event.data is not None and not event.size)
        ):
            self._queue_event(event)
        else:
            self.send_rendered(event)

    def send_rendered(self, event: Event) -> None:
        """Send the rendered `event`, then accept or close if it says so."""
        message, size = frame_message(event.text, event.binary), event.size
        if size and not self._put_if_room(message, size):
            self.close_slow_client()
        elif event.accept or event.close is not None:
            self.send_event(event._replace(size=0))

    def _queue_event(self, event: Event | Gap) -> None:
        if self.missed is not None:
            names = event.groups if isinstance(event, Gap) else (event.group or self.address,)
            self.missed.update(names)
            return
        queue = self.event_queue
        if queue is None:
            first, timeout = self.call_queue, api_settings.HANDLER_TIMEOUT
            queue = first.context.run(EventQueue, self.handler.event, timeout, first)
            self.event_queue = queue
        if not queue.put_if_room(event, self.outbox.size):
            self.close_slow_client()

    def close_slow_client(self) -> None:
        """Close a client that reads more slowly than messages for it arrive (4503)."""
        text = "%r does not read fast enough and is closed."
        log_for_client(logger, logging.INFO, text, self)
        self.close(CloseCode.TOO_SLOW, "You do not read fast enough. Connect again.")

    def refuse(self, text: str, code: int, reason: str) -> None:
        """Accept, send an error frame, and close, without the messages that arrived meanwhile."""
        self.outbox.drop_marked()
        self.accept()
        if self.state is State.OPEN:
            self.outbox.put_without_limit(frame_message(text, None))
            self.close(code, reason)

    # Messages that are held until the running call has been answered.

    @property
    def is_answering(self) -> bool:
        """Whether a frame is being handled, whose reply may have to come first."""
        return self.is_connected and self.call_queue.busy

    def hold(self) -> None:
        """Hold the frames of messages until the running call ends. Call this in any thread."""
        if not self.loop_bridge.on_loop():
            self.loop_bridge.call(self.hold)  # before the thread sends anything else
        elif self.is_answering and self.held is None:
            self.held = []
            self.update_needs_queue()
            self.call_queue.call_after_item(self.release)

    def release(self) -> None:
        """Send the frames that were held, and hold no more."""
        held, self.held = self.held, None
        self.update_needs_queue()
        if held:
            self.outbox.put_counted(held)

    def send_if_released(self, message: Message, size: int) -> Sent:
        """Send a frame of a handler of messages, or hold it."""
        if self._put_if_room(message, size):
            return DONE
        sent = self.outbox.put(message, size)
        self._mark_while_connecting()
        return sent

    def _put_if_room(self, message: Message, size: int) -> bool:
        """Hold a frame, or queue it. Return whether there was room. Without room, hold no more."""
        if self.held is not None:
            if self.outbox.count_if_room(size):
                self.held.append((message, size))
                return True
            self.release()
        if not self.outbox.put_if_room(message, size):
            return False
        self._mark_while_connecting()
        return True

    def _mark_while_connecting(self) -> None:
        """Let the message that was queued last reach no client that `connect` refuses."""
        if self.state is State.CONNECTING:
            self.outbox.mark_last()


def answering() -> Receiving | None:
    """Return the connection whose call the running code belongs to."""
    queue = current_queue.get(None)
    return None if queue is None else queue.answering


detached_from: ContextVar["ref[asyncio.Task[Any]] | None"] = ContextVar(
    "rest_channels_detached_from", default=None
)
"""In a detached action or method: the task of the call that has begun it."""


def hold_messages_to(addresses: Iterable[str]) -> None:
    """Hold messages for the running call's own client, if it is about to cause one.

    `addresses` are groups, as the hub names them, or addresses of connections.
    """
    connection = answering()
    if connection is None or not connection.is_answering:
        return
    begun_by = detached_from.get()
    if begun_by is not None and not connection.call_queue.is_running(begun_by()):
        return  # it has outlived its call, and the reply of another one does not concern it
    names = connection.groups.own_names(addresses) if connection.partition else addresses
    if any(name in connection.groups or name == connection.address for name in names):
        connection.hold()
