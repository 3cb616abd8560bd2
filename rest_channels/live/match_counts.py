"""How often each of many queries returns certain rows, found out with one statement.

A written row may concern many queries that differ only in their conditions. One statement reads the
rows that these queries have returned, and the written ones, in their order. For each written row it
counts how often each query returns it: more than once, if a join repeats it.
"""

import sys
from collections.abc import Collection, Hashable, Sequence
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet, FieldDoesNotExist
from django.db.models import F, Func, IntegerField, Model, OuterRef, QuerySet, Subquery, Value
from django.db.models.expressions import OrderBy, RawSQL, Star
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from .diff import Key
from .keys import row_key
from .querysets import query_key

__all__ = ["SEVERAL", "MatchCount", "MatchedRows", "match_count_of", "read_matches"]

COUNT = "rest_channels_count"
"""The name of a column that no model has."""

SEVERAL = 2
"""The count that stands for all that are greater than 1."""

COUNTS_PER_COLUMN = 15
"""How many counts, of two bits each, a column of 4 bytes has. Databases limit the columns."""

NOTHING_DEFERRED: tuple[frozenset[str], bool] = (frozenset(), True)


class MatchCount(NamedTuple):
    """How it is counted how often a query returns a row."""

    shape: Hashable
    """What queries have in common whose rows one statement can read."""
    sql: str
    """An expression, in a statement that reads the table of the rows."""
    parameters: tuple[Any, ...]


class MatchedRows(NamedTuple):
    """The rows that were read."""

    rows: dict[Key, Model]
    """Those that exist, in their order."""
    counts: dict[Key, list[int]]
    """For each written row the count of each query: 0, 1 or `SEVERAL`."""


def match_count_of(queryset: QuerySet[Any, Any], partition: str) -> MatchCount | None:
    """Return how rows of a prepared queryset are counted; `None` if it can only be read whole."""
    if not _differs_only_in_condition(queryset):
        return None
    try:
        sql, parameters = _count_sql(queryset)
    except EmptyResultSet:
        return None
    shape = query_key(_all_rows(queryset), partition)
    return MatchCount(shape, sys.intern(sql), tuple(parameters))


def read_matches(
    queryset: QuerySet[Any, Any],
    counts: Sequence[MatchCount],
    written: Collection[Key],
    others: Collection[Key],
) -> MatchedRows:
    """Read rows with one statement, besides what `prefetch_related` reads.

    Args:
        queryset: Any of the queries.
        counts: How rows are counted, for each of the queries. All have the same shape.
        written: The keys of the rows that are counted.
        others: The keys of the other rows.
    """
    packed = {
        f"{COUNT}_{start}": _packed(counts[start : start + COUNTS_PER_COLUMN])
        for start in range(0, len(counts), COUNTS_PER_COLUMN)
    }
    # PostgreSQL plans as if each row were counted that the statement reads. So others get zeros.
    zeros = dict.fromkeys(packed, Value(0, output_field=IntegerField()))
    rows = _all_rows(queryset)
    order = rows.query.order_by
    rows.query.clear_ordering(force=True)
    counted = rows.filter(pk__in=[*written]).annotate(**packed)
    found = counted.union(rows.filter(pk__in=[*others]).annotate(**zeros), all=True)
    matched = MatchedRows({}, {})
    for row in found.order_by(*order):
        key = row_key(row.pk)
        columns = [vars(row).pop(name) for name in packed]
        matched.rows[key] = row
        if key in written:
            matched.counts[key] = _unpacked(columns)
    return matched


def _differs_only_in_condition(queryset: Any) -> bool:
    """Return whether all but the WHERE of a queryset is the same for any row of the model.

    So it is not if rows have annotations, or an order by other columns than the model's own: what
    a join returns may depend on the WHERE. The order must be known from what is read of a row.
    """
    query = queryset.query
    return (
        queryset._iterable_class is ModelIterable
        and not queryset._known_related_objects
        and not (query.annotations or query._filtered_relations or query.combinator)
        and not (query.distinct_fields or query.low_mark)
        and query.deferred_loading == NOTHING_DEFERRED
        and len(query.get_meta().pk_fields) == 1
        and all(_is_own_column(query.get_meta(), each) for each in _order_of(query))
    )


def _order_of(query: Any) -> Sequence[Any]:
    return query.order_by or query.get_meta().ordering  # type: ignore[no-any-return]


def _is_own_column(meta: Any, order: Any) -> bool:
    """Return whether a part of an order is a column of the model's own table."""
    column = order.expression if isinstance(order, OrderBy) else order
    name = getattr(column, "name", None) if isinstance(column, F) else column
    if not isinstance(name, str):
        return False
    name = name.lstrip("-+")
    try:
        field = meta.pk if name == "pk" else meta.get_field(name)
    except FieldDoesNotExist:
        return False
    # The name of a relation stands for the order of the related model.
    return field in meta.local_concrete_fields and (not field.is_relation or name != field.name)


def _all_rows(queryset: Any) -> Any:
    """Return the rows of the model, as a queryset reads them, in its order."""
    rows, query = queryset._chain(), Query(queryset.model)
    query.select_related = queryset.query.select_related
    query.standard_ordering = queryset.query.standard_ordering
    query.order_by = tuple(_order_of(queryset.query))
    rows.query = query
    return rows


def _count_sql(queryset: Any) -> tuple[str, Sequence[Any]]:
    """Return the SQL that counts how often a queryset returns the row of the statement around it.

    It is the same each time, so it is compiled once: that takes longer than to run it.
    """
    rows = queryset._chain()
    rows.query.clear_limits()
    query = rows.filter(pk=OuterRef("pk")).query
    is_distinct, query.distinct = query.distinct, False
    query.clear_ordering(force=True)
    query.clear_select_clause()
    query.add_annotation(Func(Star(), function="COUNT", output_field=IntegerField()), COUNT)
    around: Any = QuerySet(queryset.model, using=queryset.db).annotate(**{COUNT: Subquery(query)})
    compiler = around.query.get_compiler(queryset.db)
    sql, parameters = compiler.compile(around.query.annotations[COUNT])
    return f"CASE {sql} WHEN 0 THEN 0 ELSE 1 END" if is_distinct else sql, parameters


def _packed(counts: Sequence[MatchCount]) -> RawSQL:
    """Return an expression that has the counts of several queries, in two bits each."""
    cases = (
        f"CASE {count.sql} WHEN 0 THEN 0 WHEN 1 THEN {1 << bit} ELSE {SEVERAL << bit} END"
        for bit, count in zip(range(0, 2 * COUNTS_PER_COLUMN, 2), counts, strict=False)
    )
    parameters = tuple(each for count in counts for each in count.parameters)
    return RawSQL(" + ".join(cases), parameters, IntegerField())  # noqa: S611 - no value is in it


def _unpacked(columns: Sequence[int]) -> list[int]:
    """Return the count of each query, and zeros."""
    bits = range(0, 2 * COUNTS_PER_COLUMN, 2)
    return [column >> bit & 3 for column in columns for bit in bits]
