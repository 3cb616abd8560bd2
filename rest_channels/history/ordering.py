"""The messages of one group in the order of their offsets, as one hub has them. No I/O.

A message is delivered when all before it were. One that comes too early waits, and what is missing
is read from the store.
"""

from collections import deque
from typing import Generic, TypeVar

from .records import Position

__all__ = ["GroupOrder"]

T = TypeVar("T")

RECENT = 20
"""Messages that are kept for clients that were away for a moment, so that no store is read."""

MAX_EARLY = 1_000
"""Messages that may wait for an earlier one. Others are dropped: the store has them."""

PAST = 8
"""Epochs that are remembered, to know the messages of them that are late."""


class GroupOrder(Generic[T]):
    """What a hub knows of a group's messages.

    Attributes:
        position: The epoch, and the offset up to which all messages were delivered.
        recent: The last messages that were delivered, with their offsets; no offset is missing.
        past: The epochs before. A message of one of them is late, and tells nothing.
    """

    def __init__(self, position: Position) -> None:
        self.position = position
        self.recent: deque[tuple[int, T]] = deque(maxlen=RECENT)
        self.past: deque[str] = deque(maxlen=PAST)
        self._early: dict[int, T] = {}

    @property
    def highest(self) -> int:
        """The highest offset of a message that has arrived."""
        return max(self._early, default=self.position.offset)

    def receive(self, offset: int, item: T) -> list[tuple[int, T]]:
        """Take a message of the epoch. Return the messages to deliver now, in order.

        A message that was delivered before is dropped.
        """
        top = self.position.offset
        if offset <= top:
            return []
        if offset > top + 1:
            if len(self._early) < MAX_EARLY:
                self._early[offset] = item
            return []
        ready = [(offset, item)]
        self._early.pop(offset, None)
        while (following := ready[-1][0] + 1) in self._early:
            ready.append((following, self._early.pop(following)))
        self.position = self.position._replace(offset=ready[-1][0])
        self.recent.extend(ready)
        return ready

    def reset(self, position: Position) -> list[tuple[int, T]]:
        """Continue after `position`. Return what waited and follows it at once, to deliver now.

        With another epoch, all that waits is dropped.
        """
        waiting = self._early
        if position.epoch != self.position.epoch:
            waiting = {}
            self.past.append(self.position.epoch)
        self._early = {offset: each for offset, each in waiting.items() if offset > position.offset}
        self.position = position
        self.recent.clear()
        following = position.offset + 1
        return self.receive(following, self._early[following]) if following in self._early else []

    def recent_at(self, offset: int) -> T | None:
        """Return the message with this offset, or `None` if it is not in `recent`."""
        if not self.recent or not self.recent[0][0] <= offset <= self.position.offset:
            return None
        return self.recent[offset - self.recent[0][0]][1]

    def recent_after(self, offset: int) -> list[tuple[int, T]] | None:
        """Return all messages after `offset`, or `None` if not all of them are in `recent`."""
        if offset == self.position.offset:
            return []
        if not self.recent or self.recent[0][0] > offset + 1:
            return None
        return [each for each in self.recent if each[0] > offset]
