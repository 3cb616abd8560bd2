"""The one ledger of a connection: which groups it is in, and who asked for each.

Several parts of one connection may ask for the same group (a view's `join`, an observer's
subscriber number 7, the class attribute `groups`). The connection is in the group from the first
that asks until the last that stops asking.
"""

from collections.abc import Collection, Hashable, Iterator

from ..exceptions import TooManySubscriptions

__all__ = ["Ledger"]


_NOTHING: dict[str, set[Hashable]] = {}
"""What everybody begins with, so that who joins nothing costs nothing. It stays empty."""


class Ledger:
    """Group → who asked, at most `limit` entries in all.

    It keeps books and acts on nothing: `add` and `discard` say when the membership itself begins
    or ends, and the caller sees to it.
    """

    __slots__ = ("_askers", "_size", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._askers = _NOTHING
        self._size = 0

    def add(self, group: str, asker: Hashable = None) -> bool:
        """Note that `asker` wants `group`. True if nobody did before: the membership begins.

        Raises `TooManySubscriptions` (400) when the ledger is full.
        """
        askers = self._askers.get(group)
        if askers is not None and asker in askers:
            return False
        if self._size >= self.limit:
            raise TooManySubscriptions(self.limit)
        self._size += 1
        if askers is not None:
            askers.add(asker)
            return False
        if self._askers is _NOTHING:
            self._askers = {}
        self._askers[group] = {asker}
        return True

    def discard(self, group: str, asker: Hashable = None) -> bool:
        """Note that `asker` no longer wants `group`. True if nobody does now: it ends."""
        askers = self._askers.get(group)
        if askers is None or asker not in askers:
            return False
        askers.discard(asker)
        self._size -= 1
        if askers:
            return False
        del self._askers[group]
        return True

    def clear(self) -> list[str]:
        """Forget everything; the groups whose membership ends."""
        groups = list(self._askers)
        self._askers = _NOTHING
        self._size = 0
        return groups

    def askers(self, group: str) -> frozenset[Hashable]:
        """Who asked for `group`."""
        return frozenset(self._askers.get(group, ()))

    def asking(self, group: str) -> Collection[Hashable]:
        """The same, for who only looks: it is not copied, and changes."""
        return self._askers.get(group, ())

    def __contains__(self, group: object) -> bool:
        return group in self._askers

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._askers))

    def __len__(self) -> int:
        return self._size
