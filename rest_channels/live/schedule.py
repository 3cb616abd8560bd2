"""Which live queries of one hub are to be read, and the calls that read them.

A query is never read twice at a time. What is noted while it is read belongs to its next reading.
Queries of one model are read together in one call. Those that were slow the last time are read
alone, so that they delay no other query.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice

from .calls import Calls
from .grouped_readings import read_all
from .reading import Reading
from .shared_query import SharedQuery

__all__ = ["Schedule"]

QUERIES_PER_CALL = 50
"""How many queries one call reads."""

GROUPED_PER_CALL = 1_000
"""The same for queries that are probably read together, with one statement."""

SLOW_TIME = 0.1
"""Seconds. A query whose last reading took longer is slow."""

SLOW = "slow"
"""The kind of the calls that read slow queries. The kinds of others are the labels of models."""


class Schedule:
    """The queries to read. `end(reading, done)` is called for each one that was read.

    `done` is false if the call has failed: the next reading has to do what this one should have.
    """

    def __init__(self, calls: Calls, end: Callable[[Reading, bool], None]) -> None:
        self._calls = calls
        self._end = end
        self._due: dict[SharedQuery, None] = {}
        self._ready: dict[str, dict[SharedQuery, None]] = {}
        """Those that are read as soon as there is room, by the kind of their call."""
        self.being_read: set[SharedQuery] = set()

    @property
    def has_due(self) -> bool:
        """Whether a query is due that is not being read."""
        return not self._due.keys() <= self.being_read

    def add(self, query: SharedQuery) -> None:
        """Let a query be read, after what is noted within the next milliseconds."""
        self._due[query] = None

    def remove(self, query: SharedQuery) -> None:
        """Do not read a query that nobody uses any more."""
        self._due.pop(query, None)
        for queries in self._ready.values():
            queries.pop(query, None)

    def gather(self) -> None:
        """Read the queries that are due."""
        for query in [each for each in self._due if each not in self.being_read]:
            del self._due[query]
            kind = SLOW if query.seconds > SLOW_TIME else query.label
            self._ready.setdefault(kind, {})[query] = None

    def start(self) -> None:
        """Begin as many calls as there is room for, of each kind in turn."""
        while (kind := next(filter(self._calls.has_room, self._ready), None)) is not None:
            queries = self._ready.pop(kind)
            now = [*islice(queries, 1)] if kind is SLOW else _for_one_call(queries)
            for query in now:
                del queries[query]
            if queries:
                self._ready[kind] = queries
            if now:
                self._read(kind, now)

    def _read(self, kind: str, queries: list[SharedQuery]) -> None:
        readings = [query.begin() for query in queries]
        self.being_read.update(queries)
        self._calls.start(kind, _read, readings, then=partial(self._has_read, readings))

    def _has_read(self, readings: list[Reading], result: list[Reading] | None) -> None:
        for reading in readings:
            self.being_read.discard(reading.query)
            reading.query.end(reading)
            if result is None:
                reading.query.give_back(reading)
            self._end(reading, result is not None)


def _for_one_call(queries: Iterable[SharedQuery]) -> list[SharedQuery]:
    in_part = [*islice((each for each in queries if each.is_changed_in_part), GROUPED_PER_CALL)]
    return in_part if len(in_part) > QUERIES_PER_CALL else [*islice(queries, QUERIES_PER_CALL)]


def _read(readings: list[Reading]) -> list[Reading]:
    read_all(readings)
    return readings
