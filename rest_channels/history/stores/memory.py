"""The store of one process. Its messages end with the process."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import islice
from typing import NamedTuple

from ..records import KeptMessage, Page, Position
from .base import (
    EPOCH_AGE,
    PAGE_BYTES,
    WRITER_AGE,
    Append,
    HistoryStore,
    Retention,
    new_epoch_name,
    text_size,
)

__all__ = ["MAX_GROUPS", "MemoryStore"]

MAX_GROUPS = 100_000
"""Groups whose epochs are kept. Beyond that the one that was not used for longest is forgotten."""


class _Message(NamedTuple):
    offset: int
    text: str
    expires: float
    writer: str
    number: int


class _Written(NamedTuple):
    """The last append of a writer."""

    number: int
    offset: int
    at: float


class _Group:
    __slots__ = ("epoch", "is_queued", "last", "messages", "used_at", "writers")

    def __init__(self) -> None:
        self.used_at = 0.0
        self.is_queued = False  # for the deletion of expired messages
        self.writers: dict[str, _Written] = {}
        self.begin()

    def begin(self) -> None:
        """Begin an epoch. What writers have appended before is not appended once more."""
        self.epoch = new_epoch_name()
        self.last = 0
        self.messages: deque[_Message] = deque()
        self.writers = {name: each._replace(offset=0) for name, each in self.writers.items()}

    def begin_once(self, writer: str, number: int, now: float) -> None:
        """Begin an epoch, unless the writer has begun it with the same call."""
        before = self.writers.get(writer)
        if before is None or number > before.number:
            self.begin()
            if writer:
                self.writers[writer] = _Written(number, 0, now)

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.last)

    def drop_expired(self, now: float) -> None:
        while self.messages and self.messages[0].expires <= now:
            self.messages.popleft()

    def append(self, item: Append, now: float) -> int:
        """Append a message, unless it is a repetition. Return its offset."""
        before = self.writers.get(item.writer)
        if before is None:
            self._forget_silent_writers(now)
        elif item.number <= before.number:
            return self._offset_of(item, before)
        self.last += 1
        kept = item.text, now + item.history.age, item.writer, item.number
        self.messages.append(_Message(self.last, *kept))
        while len(self.messages) > item.history.size:
            self.messages.popleft()
        self.writers[item.writer] = _Written(item.number, self.last, now)
        return self.last

    def _offset_of(self, item: Append, before: _Written) -> int:
        if item.number == before.number:
            return before.offset
        for message in self.messages:
            if (message.writer, message.number) == (item.writer, item.number):
                return message.offset
        return 0

    def _forget_silent_writers(self, now: float) -> None:
        silent = [name for name, each in self.writers.items() if each.at <= now - WRITER_AGE]
        for name in silent:
            del self.writers[name]

    def since(self, position: Position, limit: int) -> Page:
        missing = self.last - position.offset
        is_known = position.epoch == self.epoch and position.offset >= 0
        if not is_known or not 0 <= missing <= len(self.messages):
            return Page(self.position, (), has_more=False, is_gap=True)
        page: list[KeptMessage] = []
        size = 0
        for message in islice(self.messages, len(self.messages) - missing, None):
            size += text_size(message.text)
            if page and size > limit:
                return Page(self.position, tuple(page), has_more=True, is_gap=False)
            page.append(KeptMessage(message.offset, message.text))
        return Page(self.position, tuple(page), has_more=False, is_gap=False)


class MemoryStore(HistoryStore):
    """All event loops and threads of a process share one. No method waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: OrderedDict[str, _Group] = OrderedDict()  # the last used is last
        self._expiries: list[tuple[float, str]] = []  # a heap, with one entry for a group

    async def append_many(self, items: Sequence[Append]) -> list[Position]:
        with self._lock:
            now = time.monotonic()
            self._forget(now)
            return [self._append(item, now) for item in items]

    def _append(self, item: Append, now: float) -> Position:
        group = self._use(item.group, now)
        offset = group.append(item, now)
        self._queue(item.group, group)
        return Position(group.epoch, offset)

    async def since(self, group: str, position: Position, limit: int = PAGE_BYTES) -> Page:
        with self._lock:
            return self._use(group, time.monotonic()).since(position, limit)

    async def position(self, group: str, history: Retention) -> Position:
        with self._lock:
            return self._use(group, time.monotonic()).position

    async def positions(self, groups: Sequence[str]) -> list[Position | None]:
        with self._lock:
            now = time.monotonic()
            return [
                self._use(each, now).position if each in self._groups else None for each in groups
            ]

    async def new_epoch(
        self, group: str, history: Retention, writer: str = "", number: int = 0
    ) -> Position:
        with self._lock:
            now = time.monotonic()
            used = self._use(group, now)
            used.begin_once(writer, number, now)
            return used.position

    async def last(self, group: str, limit: int) -> list[KeptMessage]:
        with self._lock:
            if group not in self._groups:
                return []
            messages = self._use(group, time.monotonic()).messages
            newest = islice(messages, max(len(messages) - limit, 0), None)
            return [KeptMessage(message.offset, message.text) for message in newest]

    async def close(self) -> None:
        """Do nothing: other event loops may use the store."""

    def _use(self, name: str, now: float) -> _Group:
        """Return the group, without expired messages. Begin an epoch if it is not known."""
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group()
            if len(self._groups) > MAX_GROUPS:
                self._groups.popitem(last=False)
        self._groups.move_to_end(name)
        group.used_at = now
        group.drop_expired(now)
        return group

    def _queue(self, name: str, group: _Group) -> None:
        if not group.is_queued and group.messages:
            group.is_queued = True
            # The first is not expired, and the last may be, if the age was changed meanwhile.
            expires = max(group.messages[0].expires, group.messages[-1].expires)
            heappush(self._expiries, (expires, name))

    def _forget(self, now: float) -> None:
        """Drop expired messages, and groups that were not used for `EPOCH_AGE`."""
        while self._expiries and self._expiries[0][0] <= now:
            _, name = heappop(self._expiries)
            if (group := self._groups.get(name)) is not None:
                group.is_queued = False
                group.drop_expired(now)
                self._queue(name, group)
        while self._groups:
            name, group = next(iter(self._groups.items()))
            if group.used_at > now - EPOCH_AGE:
                return
            if group.messages:  # they are kept for longer
                self._use(name, now)
            else:
                del self._groups[name]
