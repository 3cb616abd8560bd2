"""The rows that were written since queries were last read, and the queries that these concern."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import Error as DatabaseError
from django.db.models import Model

from .calls import Calls
from .diff import Key
from .keys import row_key
from .reading import Reading
from .row_index import ReadRows, RowIndex
from .schedule import Schedule, make_readings
from .shared_query import SharedQuery
from .subscriptions import Viewer
from .writes import MAX_KEYS

__all__ = ["ChangedRows", "Keys"]

Keys = set[Key] | None
"""The keys of written rows; `None`: any row of the table."""

Changed = dict[RowIndex, Keys]
"""The rows of one model, by database and partition."""


class ChangedRows:
    """The rows of one hub that were written, for the queries in which rows are independent."""

    def __init__(self) -> None:
        self._by_label: dict[str, Changed] = {}

    def add(self, label: str, index: RowIndex, keys: Iterable[Any] | None) -> None:
        """Add the keys of rows as they travel: those of composite keys are lists."""
        changed = self._by_label.setdefault(label, {})
        known = changed.setdefault(index, set())
        if known is not None and keys is not None:
            known.update(map(row_key, keys))
        if keys is None or (known is not None and len(known) > MAX_KEYS):
            changed[index] = None

    def may_look_up(self, calls: Calls) -> bool:
        """Return whether `look_up` would begin a call."""
        return any(map(calls.has_room, self._by_label))

    def look_up(
        self, calls: Calls, schedule: Schedule, then: Callable[[SharedQuery, Keys], None]
    ) -> list[asyncio.Task[Any]]:
        """Find the queries that the rows may concern, one call for each model, and forget the rows.

        The queries that returned one of them are certain. If they are few, the call reads them,
        too. `then` is called with each other query and the keys of the rows. Return the tasks.
        """
        tasks = []
        for label in [*filter(calls.has_room, self._by_label)]:
            changed = self._by_label.pop(label)
            jobs = [(index, keys, index.viewers()) for index, keys in changed.items() if keys]
            readings = schedule.begin(_certain(changed, schedule))
            end = partial(_end, changed, readings, schedule, then)
            tasks.append(calls.start(label, _look_up, jobs, readings, then=end))
        return tasks


def _certain(changed: Changed, schedule: Schedule) -> set[SharedQuery]:
    """Return the queries to read in the call that finds others. They note the rows."""
    found: set[SharedQuery] = set()
    for index, keys in changed.items():
        if keys is not None and schedule.are_few(queries := index.returning(keys)):
            for query in queries:
                query.note(query.label, keys)
            found |= queries
    return found


def _look_up(
    jobs: Iterable[tuple[RowIndex, set[Key], list[Viewer]]], readings: list[Reading]
) -> dict[RowIndex, ReadRows]:
    """Make `readings`, and read the other rows that were written. Call this in a thread.

    If rows cannot be read, they may concern all queries.
    """
    if readings:
        make_readings(readings)
    found: dict[RowIndex, ReadRows] = {}
    for index, keys, viewers in jobs:
        known: dict[Key, Model] = {}
        for reading in readings:
            if reading.query in index:
                known |= reading.written_rows
        with suppress(DatabaseError, ValueError, TypeError, ValidationError):
            found[index] = index.read(keys, viewers, known)
    return found


def _end(
    changed: Changed,
    readings: list[Reading],
    schedule: Schedule,
    then: Callable[[SharedQuery, Keys], None],
    found: dict[RowIndex, ReadRows] | None,
) -> None:
    """Call `then` for the queries that were not read in the call, and end the readings."""
    was_read = {reading.query for reading in readings}
    others = schedule.being_read - was_read
    for query, keys in _concerned(changed, found or {}, others):
        if query not in was_read:
            then(query, keys)
    schedule.end(readings, found is not None)


def _concerned(
    changed: Changed, rows: dict[RowIndex, ReadRows], being_read: Collection[SharedQuery]
) -> list[tuple[SharedQuery, Keys]]:
    """Return the queries that changed rows may concern, as far as these were read: else all.

    What a query that is being read returns is not known yet: it may be what rows were before.
    """
    found: list[tuple[SharedQuery, Keys]] = []
    for index, keys in changed.items():
        read = rows.get(index)
        if keys is None or read is None:
            found += [(query, keys) for query in index.all()]
            continue
        queries = index.affected(keys, read)
        found += [(query, keys) for query in queries]
        for query in being_read:
            if query.reading is not None and query in index and query not in queries:
                query.reading.pass_over(keys)
    return found
