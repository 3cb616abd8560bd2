"""The queue of messages that wait for the handler of one connection, bounded in bytes."""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from ..concurrency.serial_queue import SerialQueue
from ..protocol.messages import Event, Gap
from ..renderers import encode
from ..settings import api_settings

__all__ = ["EventQueue"]


@dataclass(eq=False, repr=False, slots=True)
class EventQueue(SerialQueue[Event | Gap]):
    """Passes one message after another to a handler. `size` is that of the waiting ones."""

    size: int = 0  # in bytes
    _sizes: list[int] = field(default_factory=list)

    def _take_next(self) -> Coroutine[Any, Any, None]:
        self.size -= self._sizes.pop(0)
        return SerialQueue._take_next(self)

    def put_if_room(self, event: Event | Gap, queued_elsewhere: int) -> bool:
        """Handle `event` now, or queue it if there is room for it. Return whether there was.

        `INBOX_FRAMES` messages may wait. Together with `queued_elsewhere`, the bytes in the outbox,
        they may have `OUTBOX_BYTES`.
        """
        if not self.busy:
            self.start(self.work(event))
            return True
        size = _size_of(event)
        if not self.has_room(size, queued_elsewhere):
            return False
        self._sizes.append(size)
        self.size += size
        self.items.append(event)
        return True

    def take_all(self) -> list[Event | Gap]:
        """Remove and return the messages that wait."""
        waiting = self.items[:]
        self.items.clear()
        self._sizes.clear()
        self.size = 0
        return waiting

    def has_room(self, size: int, queued_elsewhere: int, *, spare: int = 0) -> bool:
        """Return whether a message of `size` bytes may wait, with room for `spare` more messages.

        One message that is larger than the limit may wait alone.
        """
        if len(self.items) >= api_settings.INBOX_FRAMES - spare:
            return False
        queued = self.size + queued_elsewhere
        return not (size and queued) or queued + size <= api_settings.OUTBOX_BYTES


def _size_of(event: Event | Gap) -> int:
    """Return the bytes that a message takes while it waits."""
    if isinstance(event, Gap):
        return 0
    return event.size or event.queued_size or _size_of_data(event.data)


def _size_of_data(data: Any) -> int:
    if callable(data):  # an observer's, without a size
        return 0
    try:
        return len(encode(data))
    except TypeError:  # bytes, for example
        return len(repr(data))
