"""The rows that were written since queries were last read, and the queries that these concern."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.db import Error as DatabaseError
from django.db.models import Model

from .diff import Key
from .keys import row_key
from .row_index import RowIndex
from .shared_query import SharedQuery
from .writes import MAX_KEYS

__all__ = ["ChangedRows"]

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
        read = await sync_to_async(_read)(changed)
        found: list[tuple[SharedQuery, Keys]] = []
        for index, keys in changed.items():
            rows = read.get(index)
            is_known = keys is not None and rows is not None
            queries = index.affected(keys or (), rows or {}) if is_known else index.all()
            found += [(query, keys) for query in queries]
        return found


def _read(changed: Mapping[RowIndex, Keys]) -> dict[RowIndex, dict[Key, Model]]:
    """Read rows that were written. If that fails, they may concern all queries."""
    found: dict[RowIndex, dict[Key, Model]] = {}
    for index, keys in changed.items():
        if keys is not None:
            with suppress(DatabaseError, ValueError, TypeError, ValidationError):
                found[index] = index.read(keys)
    return found
