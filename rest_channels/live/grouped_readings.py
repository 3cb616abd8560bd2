"""Reads queries again: each alone, or many that differ only in their conditions together.

A query that is read alone is read whole, with one statement. Of queries that are read together only
the written rows are looked at again, with one statement for all of them. The other rows of a query
are as they were, unless another commit has come in between: then the query is read alone.
"""

import logging
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from time import monotonic

from ..client_logs import log_for_client
from ..partitions import activated
from ..settings import api_settings
from .audiences import SharedBodies
from .diff import Key
from .match_counts import SEVERAL, read_matches
from .reading import Reading
from .state import UNKNOWN, fingerprint

__all__ = ["MIN_QUERIES", "read_all"]

logger = logging.getLogger("rest_channels")

MIN_QUERIES = 8
"""How many queries are read together at least."""

MAX_COUNTS = 2_000
"""The product of queries and written rows in one statement. From about twice as many on, PostgreSQL
compiles the statement to machine code, which takes seconds."""

MAX_VALUES = 10_000
"""How many keys of rows and other values one statement has."""


def read_all(readings: Sequence[Reading]) -> None:
    """Read and render these queries. Call this in a thread."""
    done: set[Reading] = set()
    try:
        for group in _groups(readings):
            done.update(_read_together(group))
    except Exception as error:  # noqa: BLE001 - each is read alone
        text = "Live queries cannot be read together: each is read alone."
        log_for_client(logger, logging.ERROR, text, error=error)
    for reading in readings:
        if reading not in done:
            began = monotonic()
            try:
                reading.query.read(reading)
            except Exception as error:  # noqa: BLE001 - it is the error of one query
                reading.error = error
            reading.seconds = monotonic() - began


def _groups(readings: Sequence[Reading]) -> Iterator[list[Reading]]:
    """Yield the readings that are made together."""
    possible = [each for each in readings if each.in_part]
    by_shape: defaultdict[Hashable, list[Reading]] = defaultdict(list)
    for reading in possible if len(possible) >= MIN_QUERIES else ():
        if (count := reading.query.match_count) is not None:
            by_shape[count.shape].append(reading)
    for same in by_shape.values():
        yield from (part for part in _parts(same) if len(part) >= MIN_QUERIES)


def _parts(readings: list[Reading]) -> Iterator[list[Reading]]:
    """Divide readings into those that are not too much for one statement."""
    part: list[Reading] = []
    written: set[Key] = set()
    keys: set[Key] = set()
    values = 0
    for reading in readings:
        query, new = reading.query, reading.written or set()
        written |= new
        keys.update(new, query.keys)
        values += len(query.match_count.parameters)
        is_too_much = len(written) * (len(part) + 1) > MAX_COUNTS
        if part and (is_too_much or len(keys) + values > MAX_VALUES):
            yield part
            part, written, keys = [], {*new}, {*new, *query.keys}
            values = len(query.match_count.parameters)
        part.append(reading)
    yield part


def _read_together(readings: Sequence[Reading]) -> Iterator[Reading]:
    """Read and render queries of one shape. Yield those that need not be read alone."""
    first = readings[0].query
    bodies = SharedBodies()
    with activated(first.partition):
        found = _Found(readings)
        for number, reading in enumerate(readings):
            keys = found.keys_of(number, reading)
            if keys is not None:
                reading.prints = {key: found.prints[key] for key in keys}
                rows = {key: found.rows[key] for key in keys}
                reading.render(rows, reading.written or (), bodies)
                yield reading


class _Found:
    """What one statement has found for queries of one shape."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        written = {key for reading in readings for key in reading.written or ()}
        others = {key for reading in readings for key in reading.query.keys} - written
        counts = [reading.query.match_count for reading in readings]
        queryset = readings[0].query.queryset
        self.rows, self._counts = read_matches(queryset, counts, written, others)
        self.prints = {key: fingerprint(row) for key, row in self.rows.items()}
        self._places = {key: place for place, key in enumerate(self.rows)}

    def keys_of(self, number: int, reading: Reading) -> list[Key] | None:
        """Return the keys of the rows that a query returns now; `None` if it is not certain.

        Args:
            number: The place of the query among those that were read.
            reading: Its reading.
        """
        query, written = reading.query, reading.written or set()
        staying = {key: known for key, known in query.known_prints if key not in written}
        if any(known == UNKNOWN or self.prints.get(key) != known for key, known in staying.items()):
            return None  # another commit has changed it, or may have
        counts = {key: self._counts[key][number] for key in written if key in self.rows}
        if SEVERAL in counts.values():
            return None  # such rows count several times for the limit
        matching = (key for key, count in counts.items() if count)
        keys = sorted([*staying, *matching], key=self._places.__getitem__)
        limit = query.limit
        if len(query.keys) == limit and staying.keys().isdisjoint(keys[limit - 1 :]):
            return None  # rows from beyond the limit may come before the last of these
        keys = keys[:limit]
        return keys if len(keys) <= api_settings.MAX_LIVE_ROWS else None
