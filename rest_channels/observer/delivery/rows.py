"""Read changed rows, from the database that they were written to."""

from collections.abc import Iterable
from threading import Lock
from typing import Any, Protocol

from django.db.models import Model

from ...partitions import activated
from .publish import json_key

__all__ = ["Row", "read_rows"]


class Row:
    """A changed row. It is read at most once, from the database it was written to."""

    def __init__(self, model: type[Model], pk: Any, using: str, partition: str = "") -> None:
        self.model = model
        self.pk = pk
        self.using = using
        self.partition = partition
        self._result: list[Any] | None = None
        self._lock = Lock()

    def read(self) -> Any:
        """Return the row, or `None` if it is gone. Call this in a thread."""
        with self._lock:
            if self._result is None:
                with activated(self.partition):
                    self._result = [self.filter(self.model._base_manager.get_queryset()).first()]
            return self._result[0]

    def set_result(self, row: Any) -> None:
        """Note the row as it was read, or `None`."""
        self._result = [row]

    @property
    def size(self) -> int:
        """The bytes of the text in the row, if it was read."""
        row = self._result[0] if self._result else None
        values = vars(row).values() if row is not None else ()
        return sum(len(value) for value in values if isinstance(value, str | bytes))

    def read_again(self) -> Any:
        """Read the row as it is now. Call this in a thread."""
        self._result = None
        return self.read()

    def filter(self, rows: Any) -> Any:
        """Return the queryset `rows` limited to this row.

        It is read from the database that was written to, unless `rows` names another one.
        """
        rows = rows.all() if rows._db else rows.using(self.using)
        return rows.filter(pk=tuple(self.pk) if isinstance(self.pk, list) else self.pk)


class HasRow(Protocol):
    """A change with its row."""

    row: Row


def read_rows(changes: Iterable[HasRow]) -> None:
    """Give changes of the same row one `Row`, and read all rows together. Call this in a thread."""
    shared: dict[Any, Row] = {}
    for change in changes:
        key = repr(change.row.pk), change.row.using, change.row.partition
        change.row = shared.setdefault(key, change.row)
    by_place: dict[Any, list[Row]] = {}
    for row in shared.values():
        by_place.setdefault((row.using, row.partition), []).append(row)
    for rows in by_place.values():
        _read_together(rows)


def _read_together(rows: list[Row]) -> None:
    """Read rows of one database and partition, with one query unless their keys are composite."""
    first = rows[0]
    if any(isinstance(row.pk, list) for row in rows):
        for row in rows:
            row.read()
        return
    with activated(first.partition):
        manager = first.model._base_manager.using(first.using)
        found = {json_key(each.pk): each for each in manager.filter(pk__in=[r.pk for r in rows])}
    for row in rows:
        row.set_result(found.get(row.pk))
