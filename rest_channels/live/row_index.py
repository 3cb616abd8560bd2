"""The queries of one model that changes of single rows concern.

Most changes concern few queries. Which ones they are is found without reading any query: those that
returned one of the rows, and those that one of the rows may be in now. For the second, the rows are
read once for all queries.
"""

import logging
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import Error as DatabaseError
from django.db.models import Model, QuerySet

from ..client_logs import log_for_client
from ..partitions import activated
from .diff import Key
from .equalities import EqualityIndex
from .keys import row_key
from .shared_query import SharedQuery
from .subscriptions import Viewer

__all__ = ["ReadRows", "RowIndex"]

logger = logging.getLogger("rest_channels")


class ReadRows(NamedTuple):
    """Rows that were written, as they were read since."""

    rows: dict[Key, Model]
    viewers: dict[Hashable, set[tuple[Key, Key]]]
    """For each way to find them: the keys of rows, each with that of a user who sees it."""

    def may_be_in(self, query: SharedQuery, key: Key, row: Model) -> bool:
        """Return whether a row may match a query. `False`: it certainly does not."""
        viewers = self.viewers.get(query.viewers_key)
        if viewers is not None and (key, query.reader) not in viewers:
            return False
        return not query.judge.rejects(row)


class RowIndex:
    """Queries of one model and one database, in which rows do not depend on each other."""

    def __init__(self, model: type[Model], using: str, partition: str) -> None:
        self._model = model
        self._using = using
        self._partition = partition
        self._equalities = EqualityIndex()
        self._queries: set[SharedQuery] = set()
        self._by_viewers: dict[Hashable, dict[SharedQuery, None]] = {}
        self._returning: dict[Key, SharedQuery | list[SharedQuery]] = {}
        """The queries that have returned a row; mostly one, without a list to save memory."""

    def __len__(self) -> int:
        return len(self._queries)

    def __contains__(self, query: object) -> bool:
        return query in self._queries

    def add(self, query: SharedQuery) -> None:
        """Add a query."""
        self._queries.add(query)
        if query.viewers_key is not None:
            self._by_viewers.setdefault(query.viewers_key, {})[query] = None
        self._equalities.add(query, query.equalities)

    def remove(self, query: SharedQuery) -> None:
        """Remove a query, and its rows."""
        self._queries.remove(query)
        for key, queries in [*self._by_viewers.items()]:
            queries.pop(query, None)
            if not queries:
                del self._by_viewers[key]
        self._equalities.remove(query)
        self.note_rows(query, query.keys, ())

    def note_rows(
        self, query: SharedQuery, before: Collection[Key], after: Collection[Key]
    ) -> None:
        """Note that a query returned the rows `before`, and now returns `after`."""
        old, new = {*before}, {*after}
        for key in old - new:
            found = self._returning.get(key)
            if found is query:
                del self._returning[key]
            elif isinstance(found, list) and query in found:
                found.remove(query)
                if len(found) == 1:
                    self._returning[key] = found[0]
        for key in new - old:
            found = self._returning.get(key)
            if found is None:
                self._returning[key] = query
            elif isinstance(found, list):
                found.append(query)
            else:
                self._returning[key] = [found, query]

    def viewers(self) -> list[Viewer]:
        """Return a client for each way to find the users who see a row."""
        found = []
        for queries in self._by_viewers.values():
            subscriptions = (each for query in queries for each in query.subscriptions)
            if (subscription := next(subscriptions, None)) is not None:
                found.append(subscription.viewer)
        return found

    def read(
        self, keys: Iterable[Key], viewers: Iterable[Viewer], known: Mapping[Key, Model]
    ) -> ReadRows:
        """Read rows as they are now, and find the users who see them. Call this in a thread.

        Args:
            keys: The keys of the rows.
            viewers: A client for each way to find users.
            known: Rows that were read just now.
        """
        with activated(self._partition):
            rows = {key: known[key] for key in keys if key in known}
            if unknown := [key for key in keys if key not in known]:
                rows |= {row_key(row.pk): row for row in self._rows(unknown)}
            seen = {}
            for viewer in viewers if rows else ():
                with _logged_errors():
                    seen[viewer.viewers_key] = viewer.find_viewers(self._rows(keys))
        return ReadRows(rows, seen)

    def _rows(self, keys: Iterable[Key]) -> QuerySet[Any]:
        # No manager of the project: it may hide rows that are in a list.
        return QuerySet(self._model, using=self._using).filter(pk__in=[*keys])

    def all(self) -> set[SharedQuery]:
        """Return all queries."""
        return {*self._queries}

    def returning(self, keys: Iterable[Key]) -> set[SharedQuery]:
        """Return the queries that returned one of these rows when they were last read."""
        found: set[SharedQuery] = set()
        for key in keys:
            queries = self._returning.get(key)
            if queries is not None:
                found.update(queries if isinstance(queries, list) else [queries])
        return found

    def affected(self, keys: Iterable[Key], read: ReadRows) -> set[SharedQuery]:
        """Return the queries that changes of rows may concern.

        Args:
            keys: The keys of the rows that were written.
            read: Those of them that exist, as they were read since.
        """
        found = self.returning(keys)
        candidates: set[Any] = self._equalities.candidates(read.rows.values())
        for query in candidates - found:
            if any(read.may_be_in(query, key, row) for key, row in read.rows.items()):
                found.add(query)
        return found


@contextmanager
def _logged_errors() -> Iterator[None]:
    try:
        yield
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - it is code of the project
        text = "A method `viewers` cannot tell who sees a row: all lists are asked."
        log_for_client(logger, logging.ERROR, text, error=error)
