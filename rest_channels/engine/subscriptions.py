"""The one ledger of a connection: which groups it is in, and who asked for each.

Several parts of one connection may ask for the same group (a view's `join`, an observer's
subscriber number 7, the class attribute `groups`). The connection is in the group from the first
that asks until the last that stops asking.
"""

from collections.abc import Collection, Hashable, Iterator

from ..exceptions import TooManySubscriptions

__all__ = ["GroupSubscriptions"]


_NOTHING: dict[str, set[Hashable]] = {}
"""What everybody begins with, so that who joins nothing costs nothing. It stays empty."""


class GroupSubscriptions:
    """Group → who asked, at most `limit` entries in all.

    It keeps books and acts on nothing: `add` and `discard` say when the membership itself begins
    or ends, and the caller sees to it.
    """

    __slots__ = ("_size", "_subscribers", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._subscribers = _NOTHING
        self._size = 0

    def add(self, group: str, subscriber: Hashable = None) -> bool:
        """Note that `asker` wants `group`. True if nobody did before: the membership begins.

        Raises `TooManySubscriptions` (400) when the ledger is full.
        """
        subscribers = self._subscribers.get(group)
        if subscribers is not None and subscriber in subscribers:
            return False
        if self._size >= self.limit:
            raise TooManySubscriptions(self.limit)
        self._size += 1
        if subscribers is not None:
            subscribers.add(subscriber)
            return False
        if self._subscribers is _NOTHING:
            self._subscribers = {}
        self._subscribers[group] = {subscriber}
        return True

    def discard(self, group: str, subscriber: Hashable = None) -> bool:
        """Note that `asker` no longer wants `group`. True if nobody does now: it ends."""
        subscribers = self._subscribers.get(group)
        if subscribers is None or subscriber not in subscribers:
            return False
        subscribers.discard(subscriber)
        self._size -= 1
        if subscribers:
            return False
        del self._subscribers[group]
        return True

    def clear(self) -> list[str]:
        """Forget everything; the groups whose membership ends."""
        groups = list(self._subscribers)
        self._subscribers = _NOTHING
        self._size = 0
        return groups

    def subscribers_of(self, group: str) -> frozenset[Hashable]:
        """Who asked for `group`."""
        return frozenset(self._subscribers.get(group, ()))

    def subscribers_view(self, group: str) -> Collection[Hashable]:
        """The same, for who only looks: it is not copied, and changes."""
        return self._subscribers.get(group, ())

    def __contains__(self, group: object) -> bool:
        return group in self._subscribers

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._subscribers))

    def __len__(self) -> int:
        return self._size
