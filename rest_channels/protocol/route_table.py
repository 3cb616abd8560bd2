"""Names → handlers. Exact names cost one look-up, patterns are tried in order, the last wins."""

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["RouteTable"]

H = TypeVar("H")

KNOWN = 1_000
"""How many names a table remembers the handlers of; clients may think of any number."""


class RouteTable(Generic[H]):
    """An immutable table of `(name | compiled pattern, handler)` pairs.

    A name is compared whole, a pattern with `.match`. Where several fit, the one defined last
    wins, so a subclass extends its base's table by adding to its end.
    """

    def __init__(self, routes: Iterable[tuple[str | re.Pattern[str], H]] = ()) -> None:
        self.routes = tuple(routes)
        self._exact: dict[str, tuple[int, H]] = {}
        self._known: dict[str, H | None] = {}
        self._patterns: list[tuple[int, re.Pattern[str], H]] = []
        for place, (name, handler) in enumerate(self.routes):
            if isinstance(name, str):
                self._exact[name] = (place, handler)
            elif isinstance(name, re.Pattern) and isinstance(name.pattern, str):
                self._patterns.insert(0, (place, name, handler))
            else:
                raise TypeError(f"A route is text or a compiled text pattern, not {name!r}.")

    def find(self, name: str | None) -> H | None:
        """The handler for `name`, or `None`."""
        if name is None:
            return None
        if name in self._known:
            return self._known[name]
        handler = self._search(name)
        if len(self._known) < KNOWN:
            self._known[name] = handler
        return handler

    def _search(self, name: str) -> H | None:
        place, handler = self._exact.get(name, (-1, None))
        for later, pattern, candidate in self._patterns:
            if later < place:
                break
            if pattern.match(name):
                return candidate
        return handler
