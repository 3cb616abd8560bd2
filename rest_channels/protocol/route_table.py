"""A table that finds a handler by its name, or by a pattern that matches the name."""

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["RouteTable"]

Handler = TypeVar("Handler")

CACHE_SIZE = 1_000  # names in a table's cache, since clients may send any number of names


class RouteTable(Generic[Handler]):
    """An immutable table of `(name or compiled pattern, handler)` pairs.

    A name has to be equal, a pattern has to `match`. If several routes fit, the last one is
    used. So a subclass can override the routes of its base with its own at the end.
    """

    def __init__(self, routes: Iterable[tuple[str | re.Pattern[str], Handler]] = ()) -> None:
        self.routes = tuple(routes)
        self._exact: dict[str, tuple[int, Handler]] = {}
        self._cache: dict[str, Handler | None] = {}
        self._patterns: list[tuple[int, re.Pattern[str], Handler]] = []
        for position, (name, handler) in enumerate(self.routes):
            if isinstance(name, str):
                self._exact[name] = (position, handler)
            elif isinstance(name, re.Pattern) and isinstance(name.pattern, str):
                self._patterns.insert(0, (position, name, handler))
            else:
                raise TypeError(f"A route is text or a compiled text pattern, not {name!r}.")

    def find(self, name: str | None) -> Handler | None:
        """Return the handler for `name`, or `None`."""
        if (found := self._cache.get(name)) is not None:  # type: ignore[arg-type]
            return found
        if name is None or name in self._cache:
            return None
        handler = self._search(name)
        if len(self._cache) < CACHE_SIZE:
            self._cache[name] = handler
        return handler

    def _search(self, name: str) -> Handler | None:
        exact_position, exact_handler = self._exact.get(name, (-1, None))
        for position, pattern, handler in self._patterns:
            if position < exact_position:
                break
            if pattern.match(name):
                return handler
        return exact_handler
