"""The groups of one connection, and the subscribers of each.

Several parts of a connection may subscribe to one group: a view's `join`, the request of an
observer, the class attribute `groups`. The connection is a member while any subscriber is left.
"""

from collections.abc import Collection, Hashable, Iterator

from ..exceptions import TooManySubscriptions

__all__ = ["GroupSubscriptions"]


MAX_BYTES = 64 * 1024
"""How many bytes of a client's data the subscriptions of a connection may keep."""

_EMPTY: dict[str, set[Hashable]] = {}
"""Shared by all connections that have not joined any group, to save memory. It stays empty."""


class GroupSubscriptions:
    """Group → subscribers, `limit` subscriptions at most.

    A subscriber with a `size` keeps that many bytes of its client's data.
    """

    __slots__ = ("_bytes", "_size", "_subscribers", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._subscribers = _EMPTY
        self._size = 0
        self._bytes = 0

    def add(self, group: str, subscriber: Hashable = None) -> bool:
        """Subscribe `subscriber` to `group`. Return whether it is the group's first subscriber.

        Raise `TooManySubscriptions` (400) if there are `limit` subscriptions already, or if they
        would keep more than `MAX_BYTES`.
        """
        subscribers = self._subscribers.get(group)
        if subscribers is not None and subscriber in subscribers:
            return False
        if self._size >= self.limit:
            raise TooManySubscriptions(self.limit)
        kept_bytes = self._bytes + getattr(subscriber, "size", 0)
        if kept_bytes > MAX_BYTES:
            raise TooManySubscriptions(MAX_BYTES, in_bytes=True)
        self._size += 1
        self._bytes = kept_bytes
        if subscribers is not None:
            subscribers.add(subscriber)
            return False
        if self._subscribers is _EMPTY:
            self._subscribers = {}
        self._subscribers[group] = {subscriber}
        return True

    def discard(self, group: str, subscriber: Hashable = None) -> bool:
        """Unsubscribe `subscriber` from `group`. Return whether it was the last subscriber."""
        subscribers = self._subscribers.get(group)
        if subscribers is None or subscriber not in subscribers:
            return False
        subscribers.discard(subscriber)
        self._size -= 1
        self._bytes -= getattr(subscriber, "size", 0)
        if subscribers:
            return False
        del self._subscribers[group]
        return True

    def clear(self) -> list[str]:
        """Remove all subscriptions. Return the groups they were for."""
        groups = list(self._subscribers)
        self._subscribers = _EMPTY
        self._size = self._bytes = 0
        return groups

    def subscribers_of(self, group: str) -> frozenset[Hashable]:
        return frozenset(self._subscribers.get(group, ()))

    def subscribers_view(self, group: str) -> Collection[Hashable]:
        """Return the subscribers of `group` without a copy: do not keep or change the result."""
        return self._subscribers.get(group, ())

    def __contains__(self, group: object) -> bool:
        return group in self._subscribers

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._subscribers))

    def __len__(self) -> int:
        return self._size
