"""The messages of groups that a connection receives: sent at once, or queued for its handler.

Messages that arrive while `connect` runs wait in the outbox. If it refuses the client, they are
dropped.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any
from weakref import ref

from ..client_logs import log_for_client
from ..concurrency.awaitables import DONE, Sent
from ..concurrency.serial_queue import current_queue
from ..exceptions import CloseCode
from ..protocol.asgi_messages import frame_message
from ..protocol.messages import Event, Gap
from ..settings import api_settings
from .event_queue import EventQueue
from .handler import EndedHandler, Handler, State
from .held_messages import Holding

__all__ = ["Receiving", "answering", "detached_from", "hold_messages_to"]

logger = logging.getLogger("rest_channels")

DETACHED_GRACE = 5.0
"""Seconds that a detached action has for the rest of a login, once it has ended the session."""


class Receiving(Holding):
    """The part of a `Connection` that receives messages. They may not wait, and may not fail."""

    address: str
    groups: Any  # its `GroupMemberships`, which need a hub
    handler: Handler

    def __init__(self) -> None:
        super().__init__()
        self.event_queue: EventQueue | None = None
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
        if self.drop_unchecked():  # what is held does not tell its group
            self.missed.update((*self.groups.hub_names(), self.address))
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
        elif event.close is not None and self.close_after_check(event.close):
            if event.accept:
                self.accept()
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
