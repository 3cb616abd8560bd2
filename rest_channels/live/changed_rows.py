"""The rows that were written since queries were last read, and the queries that these concern."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.db import Error as DatabaseError

from .diff import Key
from .keys import row_key
from .row_index import ReadRows, RowIndex
from .shared_query import SharedQuery
from .subscriptions import Viewer
from .writes import MAX_KEYS

__all__ = ["ChangedRows"]

logger = logging.getLogger("rest_channels")

Keys = set[Key] | None
"""The keys of written rows; `None`: any row of the table."""


class ChangedRows:
    """The rows of one hub that were written, for the queries in which rows are independent."""

    def __init__(self) -> None:
        self._keys: dict[RowIndex, Keys] = {}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def add(self, index: RowIndex, keys: Iterable[Any] | None) -> None:
        """Add the keys of rows as they travel: those of composite keys are lists."""
        known = self._keys.setdefault(index, set())
        if known is not None and keys is not None:
            known.update(map(row_key, keys))
        if keys is None or (known is not None and len(known) > MAX_KEYS):
            self._keys[index] = None

    async def affected(self) -> list[tuple[SharedQuery, Keys]]:
        """Return the queries that the rows may concern, and forget the rows.

        No query may be read meanwhile: it would return what the rows were before.
        """
        changed, self._keys = self._keys, {}
        jobs = [(index, keys, index.viewers()) for index, keys in changed.items() if keys]
        try:
            read = await sync_to_async(_read)(jobs)
        except Exception:
            logger.exception(
                "It cannot be found out which live queries are concerned: all are read."
            )
            read = {}
        found: list[tuple[SharedQuery, Keys]] = []
        for index, keys in changed.items():
            rows = read.get(index)
            queries = index.all() if rows is None else index.affected(keys or (), rows)
            found += [(query, keys) for query in queries]
        return found


def _read(jobs: Iterable[tuple[RowIndex, set[Key], list[Viewer]]]) -> dict[RowIndex, ReadRows]:
    """Read rows that were written. If that fails, they may concern all queries."""
    found: dict[RowIndex, ReadRows] = {}
    for index, keys, viewers in jobs:
        with suppress(DatabaseError, ValueError, TypeError, ValidationError):
            found[index] = index.read(keys, viewers)
    return found
