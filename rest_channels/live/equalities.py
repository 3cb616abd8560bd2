"""An index of querysets by the values that a column of their rows must have.

A change of one row concerns few of many querysets such as `filter(room=7)`. The index finds them
with one dictionary lookup for each indexed column.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from django.db import connections
from django.db.models import Model, QuerySet
from django.db.models.sql.where import AND, WhereNode

from .comparisons import Comparison, read_comparison

__all__ = ["Equalities", "EqualityIndex", "equalities_of"]

Equalities = Mapping[str, frozenset[Any]]
"""The attribute name of a column → the values that a matching row may have there."""


def equalities_of(queryset: QuerySet[Any]) -> dict[str, frozenset[Any]]:
    """Return the values that each row of a queryset has in some of the model's own columns.

    They come from the lookups `exact`, `in` and `isnull=True` that all rows must satisfy. `None`
    stands for NULL. A foreign key has the name of its column, such as `room_id`.

    Times and floats are left out, and all that `comparisons` cannot read. So are querysets of
    `union()` and others: the result is then empty.
    """
    query = queryset.query
    if query.combinator:
        return {}
    connection = connections[queryset.db]
    found: dict[str, frozenset[Any]] = {}
    for leaf in _required_leaves(query.where):
        comparison = read_comparison(leaf, query.base_table, queryset.model, connection)
        if comparison is not None and (values := _values_of(comparison)) is not None:
            attname = comparison.column.attname
            found[attname] = found.get(attname, values) & values
    return found


def _required_leaves(node: WhereNode) -> Iterator[Any]:
    """Yield the leaves that must be true where this node is."""
    if node.negated or (node.connector != AND and len(node.children) > 1):
        return
    for child in node.children:
        if isinstance(child, WhereNode):
            yield from _required_leaves(child)
        else:
            yield child


def _values_of(comparison: Comparison) -> frozenset[Any] | None:
    if comparison.name == "isnull":
        return frozenset([None]) if comparison.operands[0] else None
    if comparison.name in ("exact", "in") and comparison.column.is_plain:
        return frozenset(comparison.operands)
    return None


class EqualityIndex:
    """The querysets of one model and database, by one of their equalities each.

    It is not thread-safe: its owner uses it from one thread.
    """

    def __init__(self) -> None:
        self._columns: dict[str, dict[Any, set[Hashable]]] = {}
        """Column → value → the querysets that are found there."""
        self._places: dict[Hashable, tuple[str, frozenset[Any]] | None] = {}
        """Where each queryset was put."""
        self._always: set[Hashable] = set()
        """The querysets without an equality."""

    def __len__(self) -> int:
        return len(self._places)

    def add(self, key: Hashable, equalities: Equalities) -> None:
        """Add a queryset.

        Args:
            key: What `candidates` returns for it.
            equalities: What `equalities_of` returned for it.

        Raises:
            ValueError: The key is in the index.
        """
        if key in self._places:
            raise ValueError(f"{key!r} is in the index. Call remove() first.")
        place = self._places[key] = self._choose(equalities)
        if place is None:
            self._always.add(key)
            return
        attname, values = place
        for value in values:
            self._columns.setdefault(attname, {}).setdefault(value, set()).add(key)

    def remove(self, key: Hashable) -> None:
        """Remove a queryset. Raises `KeyError` if it is not in the index."""
        place = self._places.pop(key)
        if place is None:
            self._always.remove(key)
            return
        attname, values = place
        for value in values:
            buckets = self._columns[attname]
            buckets[value].remove(key)
            if not buckets[value]:
                del buckets[value]
            if not buckets:
                del self._columns[attname]

    def candidates(self, rows: Iterable[Model | None]) -> set[Hashable]:
        """Return the querysets that at least one of these versions of a row may be in.

        A row may leave a queryset because its column gets another value, and the version before
        the change is often not known. Ask also which querysets contain the key of the row.

        Args:
            rows: Versions of one row or of several, as they were read from the database. `None`
                is a row that does not exist. If an indexed column was not read, all querysets
                that are indexed by it are returned.
        """
        found = self._always.copy()
        for row in rows:
            if row is not None:
                values = vars(row)
                for attname, buckets in self._columns.items():
                    if attname not in values:
                        found.update(*buckets.values())
                    elif keys := buckets.get(values[attname]):
                        found |= keys
        return found

    def _choose(self, equalities: Equalities) -> tuple[str, frozenset[Any]] | None:
        """Return the equality whose values fewest other querysets are found by.

        So `filter(room=7, status="open")` is found by its room, once several have this status.
        Flags and NULL come last, as many rows have them.
        """

        def cost(item: tuple[str, frozenset[Any]]) -> tuple[int, bool, int]:
            attname, values = item
            buckets = self._columns.get(attname, {})
            others = sum(len(buckets.get(value, ())) for value in values)
            common = any(value is None or isinstance(value, bool) for value in values)
            return others, common, len(values)

        return min(equalities.items(), key=cost, default=None)
