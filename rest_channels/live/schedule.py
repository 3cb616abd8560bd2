"""Which live queries of one hub are to be read, and the calls that read them.

A query is never read twice at a time. What is noted while it is read belongs to its next reading.
Queries of one model are read together in one call. Those that were slow the last time are read
alone, so that they delay no other query.
"""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from itertools import islice

from .calls import Calls
from .grouped_readings import MIN_QUERIES, read_all
from .reading import Reading
from .shared_query import SharedQuery

__all__ = ["Schedule", "make_readings"]

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
        """Let a query be read, with what is noted until it is gathered."""
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
        readings = self.begin(queries)
        self._calls.start(kind, make_readings, readings, then=partial(self._has_read, readings))

    def _has_read(self, readings: list[Reading], result: list[Reading] | None) -> None:
        self.end(readings, result is not None)

    # For calls that do something else, too.

    def are_few(self, queries: Collection[SharedQuery]) -> bool:
        """Return whether queries may be read now in a call that does something else, too.

        They are not being read, will hardly delay what it does, and are no more than are read one
        by one in any case.
        """
        are_fast = all(query.seconds <= SLOW_TIME for query in queries)
        return len(queries) < MIN_QUERIES and are_fast and self.being_read.isdisjoint(queries)

    def begin(self, queries: Iterable[SharedQuery]) -> list[Reading]:
        """Begin to read queries, for a call of `make_readings`. `end` must be called after it."""
        for query in queries:
            self.remove(query)
            self.being_read.add(query)
        return [query.begin() for query in queries]

    def end(self, readings: list[Reading], done: bool) -> None:
        """End readings, now or soon. `done`: they were made.

        Many clients may have to be told. In between, the loop does other work.
        """
        now, later = readings[:QUERIES_PER_CALL], readings[QUERIES_PER_CALL:]
        if later:
            self._calls.call_soon(partial(self.end, later, done))
        for reading in now:
            self.being_read.discard(reading.query)
            reading.query.end(reading)
            if not done:
                reading.query.give_back(reading)
            self._end(reading, done)


def _for_one_call(queries: Iterable[SharedQuery]) -> list[SharedQuery]:
    in_part = [*islice((each for each in queries if each.is_changed_in_part), GROUPED_PER_CALL)]
    return in_part if len(in_part) > QUERIES_PER_CALL else [*islice(queries, QUERIES_PER_CALL)]


def make_readings(readings: list[Reading]) -> list[Reading]:
    """Read and render queries, and return their readings. Call this in a thread."""
    read_all(readings)
    return readings
