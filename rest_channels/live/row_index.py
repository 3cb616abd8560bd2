"""The queries of one model that changes of single rows concern.

Most changes concern few queries. Which ones they are is found without reading any query: those that
returned one of the rows, and those that one of the rows may be in now. For the second, the rows are
read once for all queries.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db.models import Model

from ..partitions import activated
from .diff import Key
from .equalities import EqualityIndex
from .keys import row_key
from .shared_query import SharedQuery

__all__ = ["RowIndex"]


class RowIndex:
    """Queries of one model and one database, in which rows do not depend on each other."""

    def __init__(self, model: type[Model], using: str, partition: str) -> None:
        self._model = model
        self._using = using
        self._partition = partition
        self._equalities = EqualityIndex()
        self._queries: set[SharedQuery] = set()
        self._returning: dict[Key, SharedQuery | list[SharedQuery]] = {}
        """The queries that have returned a row; mostly one, without a list to save memory."""

    def __len__(self) -> int:
        return len(self._queries)

    def __contains__(self, query: object) -> bool:
        return query in self._queries

    def add(self, query: SharedQuery) -> None:
        """Add a query."""
        self._queries.add(query)
        self._equalities.add(query, query.equalities)

    def remove(self, query: SharedQuery) -> None:
        """Remove a query, and its rows."""
        self._queries.remove(query)
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

    def read(self, keys: Iterable[Key]) -> dict[Key, Model]:
        """Read rows as they are now. Call this in a thread."""
        with activated(self._partition):
            rows = self._model._base_manager.using(self._using).filter(pk__in=[*keys])
            return {row_key(row.pk): row for row in rows}

    def all(self) -> set[SharedQuery]:
        """Return all queries."""
        return {*self._queries}

    def affected(self, keys: Iterable[Key], rows: Mapping[Key, Model]) -> set[SharedQuery]:
        """Return the queries that changes of rows may concern.

        Args:
            keys: The keys of the rows that were written.
            rows: Those of them that exist, as they were read since.
        """
        found: set[SharedQuery] = set()
        for key in keys:
            returning = self._returning.get(key)
            if returning is not None:
                found.update(returning if isinstance(returning, list) else [returning])
        candidates: set[Any] = self._equalities.candidates(rows.values())
        for query in candidates - found:
            if not all(map(query.judge.rejects, rows.values())):
                found.add(query)
        return found
