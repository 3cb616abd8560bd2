"""The messages of groups that a connection receives: sent at once, or queued for its handler."""

import asyncio
import logging
from enum import IntEnum
from typing import Any

from ..concurrency.awaitables import DONE, Sent
from ..concurrency.serial_queue import SerialQueue
from ..exceptions import CloseCode
from ..protocol.messages import Event, Gap
from ..settings import api_settings
from .event_queue import EventQueue
from .handler import Handler
from .outbox import Outbox, frame_message

__all__ = ["Receiving", "State"]

logger = logging.getLogger("rest_channels")


class State(IntEnum):
    """The state of a connection. It only moves forward."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


class Receiving:
    """The part of a `Connection` that receives messages. They may not wait, and may not fail."""

    state: State
    handler: Handler
    outbox: Outbox
    handler_lock: asyncio.Lock
    call_queue: SerialQueue[Any]
    event_queue: EventQueue | None = None
    needs_queue: bool

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
            self.close_slow_client()
        elif event.accept or event.close is not None:
            self.send_event(event._replace(size=0))

    def _queue_event(self, event: Event | Gap) -> None:
        queue = self.event_queue
        if queue is None:
            lock, timeout = self.handler_lock, api_settings.HANDLER_TIMEOUT
            queue = self.call_queue.context.run(EventQueue, self.handler.event, lock, timeout)
            self.event_queue = queue
        if not queue.put_if_room(event, self.outbox.size):
            self.close_slow_client()

    def close_slow_client(self) -> None:
        """Close a client that reads more slowly than messages for it arrive (4503)."""
        logger.info("%r does not read fast enough and is closed.", self)
        self.close(CloseCode.TOO_SLOW, "You do not keep up. Connect again.")
