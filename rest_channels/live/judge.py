"""Judges in Python whether a row matches the WHERE of a queryset.

It reads Django's where tree, and computes each of its nodes as SQL does: as TRUE, FALSE or NULL.
What `comparisons` cannot read may have any of the three values.
"""

import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet
from django.db.models.sql.constants import INNER
from django.db.models.sql.where import AND as ALL_OF
from django.db.models.sql.where import OR as ONE_OF
from django.db.models.sql.where import NothingNode, WhereNode

from .comparisons import Column, Comparison, read_comparison
from .truth import AND, ANY, FALSE, NOT, NOT_NULL, NULL, OR, TRUE, exclusive_or

__all__ = ["Judge", "compile_judge"]

Values = Mapping[str, Any]
"""The attributes of an instance."""

Condition = Callable[[Values], int]
"""Returns the possible values of a condition for a row, as a set of `truth`."""

MISSING = object()

REVERSED = {"gt": operator.lt, "gte": operator.le, "lt": operator.gt, "lte": operator.ge}
"""For each lookup the operator that compares its operand with the column's value."""


class Judge:
    """The WHERE of one queryset. It can be used from any thread, and makes no query."""

    __slots__ = ("_condition", "_joined")

    def __init__(self, condition: Condition, joined: bool) -> None:
        """Use `compile_judge` instead.

        Args:
            condition: The WHERE.
            joined: Whether the query has joins that a row may fail to satisfy.
        """
        self._condition = condition
        self._joined = joined

    def verdict(self, row: Model) -> bool | None:
        """Return whether a row matches: `None` if only the database can tell.

        Limits, DISTINCT, and whether rows exist that `select_related` and the order refer to,
        are not looked at.

        Args:
            row: An instance of the queryset's model, as it was read from the same database. Of
                a column that was not read nothing is known.
        """
        possible = self._condition(vars(row))
        if not possible & TRUE:
            return False
        return True if possible == TRUE and not self._joined else None

    def rejects(self, row: Model) -> bool:
        """Return whether a row certainly does not match. See `verdict`."""
        return not self._condition(vars(row)) & TRUE


def compile_judge(queryset: QuerySet[Any]) -> Judge:
    """Return the judge of a queryset's WHERE, on the database that the queryset reads."""
    query = queryset.query
    if query.combinator:  # `union()` and others: the WHERE of each part counts
        return Judge(_unknown, joined=True)
    connection = connections[queryset.db]
    read = partial(
        read_comparison, table=query.base_table, model=queryset.model, connection=connection
    )
    joined = any(
        join.join_type == INNER and query.alias_refcount[alias]
        for alias, join in query.alias_map.items()
    )
    return Judge(_compile(query.where, read, connection), joined)


def _compile(
    node: Any, read: Callable[[Any], Comparison | None], connection: BaseDatabaseWrapper
) -> Condition:
    """Return the condition of a node of the where tree."""
    if type(node) is NothingNode:
        return _constant(FALSE)
    if type(node) is WhereNode:
        children = [_compile(child, read, connection) for child in node.children]
        return _compile_node(node, children, connection)
    comparison = read(node)
    return _unknown if comparison is None else _compile_leaf(comparison)


def _compile_node(
    node: WhereNode, children: list[Condition], connection: BaseDatabaseWrapper
) -> Condition:
    if not children:
        return _constant(TRUE)  # also if it is negated: Django writes no SQL for it
    if all(child is _unknown for child in children):
        return _unknown
    if len(children) == 1:
        condition = children[0]
    elif node.connector == ALL_OF:
        condition = _all_of(children)
    elif node.connector == ONE_OF:
        condition = _one_of(children)
    elif connection.features.supports_logical_xor:
        return _unknown  # Django's XOR of constants differs there
    else:
        condition = _odd_number_of(children)
    return _negated(condition) if node.negated else condition


def _unknown(values: Values) -> int:
    return ANY


def _constant(result: int) -> Condition:
    return lambda values: result


def _negated(child: Condition) -> Condition:
    return lambda values: NOT[child(values)]


def _all_of(children: list[Condition]) -> Condition:
    def condition(values: Values) -> int:
        result = TRUE
        for child in children:
            result = AND[result][child(values)]
            if result == FALSE:
                break
        return result

    return condition


def _one_of(children: list[Condition]) -> Condition:
    def condition(values: Values) -> int:
        result = FALSE
        for child in children:
            result = OR[result][child(values)]
            if result == TRUE:
                break
        return result

    return condition


def _odd_number_of(children: list[Condition]) -> Condition:
    return lambda values: exclusive_or([child(values) for child in children])


def _compile_leaf(comparison: Comparison) -> Condition:
    column, operands = comparison.column, comparison.operands
    if comparison.name == "isnull":
        return _is_null(column.attname, operands[0])
    if not operands:
        return _constant(FALSE)  # `IN ()` is FALSE, also for NULL
    holds = _test(comparison.name, operands)
    return _compare_plainly(column, holds) if column.is_plain else _compare(column, operands, holds)


def _is_null(attname: str, expected: bool) -> Condition:
    def condition(values: Values) -> int:
        value = values.get(attname, MISSING)
        if value is MISSING:
            return NOT_NULL  # it is TRUE or FALSE, and never NULL
        return TRUE if (value is None) is expected else FALSE

    return condition


def _test(name: str, operands: tuple[Any, ...]) -> Callable[[Any], bool]:
    """Return the function that compares a value with the operands of a lookup."""
    if name == "range":
        low, high = operands
        return lambda value: low <= value <= high
    if name in ("exact", "in"):
        return frozenset(operands).__contains__
    return partial(REVERSED[name], operands[0])


def _compare_plainly(column: Column, holds: Callable[[Any], bool]) -> Condition:
    """Compare the values of a column as they are."""
    attname, kind = column.attname, column.type

    def condition(values: Values) -> int:
        value = values.get(attname, MISSING)
        if type(value) is kind:
            return TRUE if holds(value) else FALSE
        return _not_comparable(value)

    return condition


def _compare(column: Column, operands: tuple[Any, ...], holds: Callable[[Any], bool]) -> Condition:
    """Compare the values of a column after they were normalized."""
    uncertain = frozenset(() if column.equals_exactly else operands)

    def condition(values: Values) -> int:
        value = values.get(column.attname, MISSING)
        normal = column.normalize(value)
        if normal is None:
            return _not_comparable(value)
        if normal in uncertain:
            return NOT_NULL
        return TRUE if holds(normal) else FALSE

    return condition


def _not_comparable(value: Any) -> int:
    """Return what a comparison may be if its value is NULL, was not read, or has another type."""
    if value is None:
        return NULL
    return ANY if value is MISSING else NOT_NULL
