"""Finds the tables that a queryset reads, and refuses querysets that change without a write."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db.models import Func, Lookup, Model, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.sql import Query
from django.db.models.sql.where import ExtraWhere

__all__ = ["Dependencies", "UnwatchableQuery", "find_dependencies"]

CHANGING = {"Now", "Random", "RandomUUID", "TransactionNow", "UUID4", "UUID7"}
"""The expressions of Django whose value changes without a write."""

CHANGING_FUNCTIONS = re.compile(
    r"\b(CURRENT_DATE|CURRENT_TIME|CURRENT_TIMESTAMP|LOCALTIME|LOCALTIMESTAMP|SYSDATE|SYSTIMESTAMP"
    r"|UTC_DATE|UTC_TIME|UTC_TIMESTAMP)\b"
    r"|\b(AGE|CLOCK_TIMESTAMP|CURDATE|CURRENT_SETTING|CURRVAL|CURTIME|GEN_RANDOM_UUID|GETDATE|LASTVAL|NEXTVAL|NOW"
    r"|RAND|RANDOM|RANDOMBLOB|STATEMENT_TIMESTAMP|TIMEOFDAY|TRANSACTION_TIMESTAMP|UNIXEPOCH|UUID"
    r"|UUID_GENERATE_V[14]|UUIDV[47])(?=\s*\()",
    re.IGNORECASE,
)
"""The same in the SQL of a project's own expressions."""

QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
SELECT = re.compile(r"\bSELECT\b", re.IGNORECASE)


class UnwatchableQuery(Exception):
    """A queryset whose rows may change although no row of a known table does."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a queryset reads."""

    model: type[Model]
    """The concrete model of its rows."""
    related: frozenset[type[Model]]
    """The other concrete models whose tables it reads."""
    rows_are_independent: bool
    """Whether a change of one row of `model` has an effect on that row only.

    If not, the query must be run whole: one row may add, remove or change others. This is so if it
    reads its own table twice, groups or counts rows, or combines several queries. A limit is not
    taken into account.
    """

    @property
    def models(self) -> frozenset[type[Model]]:
        """All models whose changes concern the queryset."""
        return self.related | {self.model}

    @property
    def reads_other_tables(self) -> bool:
        """Whether a change of another table concerns it. The query must then be run whole."""
        return bool(self.related)


def find_dependencies(queryset: QuerySet[Any], *, reread: bool = False) -> Dependencies:
    """Return what a queryset reads, without making a query.

    Only the query itself is looked at: its filters, annotations, order, `select_related`,
    subqueries and `union()`. What `prefetch_related`, a serializer or a property read when rows
    are rendered is not known here.

    Args:
        queryset: A queryset, not the result of `raw()`.
        reread: Whether it is run again in an interval. Then no part is refused, and the tables
            that are known are returned.

    Raises:
        UnwatchableQuery: It uses the current time, random numbers, raw SQL, or a table that
            belongs to no model or to an unmanaged one, which may be a view.
        TypeError: This is not a queryset.
    """
    if not isinstance(queryset, QuerySet):
        raise TypeError(f"find_dependencies() takes a queryset, not {queryset!r}.")
    own: Any = queryset.model._meta.concrete_model
    reader = _Reader(queryset.model._meta.label, queryset.db, reread)
    reader.read_query(queryset.query)
    models = {model for table in reader.tables for model in reader.models_of(table)}
    twice = reader.tables.count(own._meta.db_table) > 1
    return Dependencies(own, frozenset(models - {own}), not (twice or reader.combines_rows))


@dataclass(slots=True)
class _Reader:
    """Collects what a query and all queries in it use."""

    label: str
    using: str
    reread: bool
    tables: list[str] = field(default_factory=list)
    """The table of each place where one is read."""
    combines_rows: bool = False

    def read_query(self, query: Query, *, inner: bool = False) -> None:
        """Read a query, with the joins that Django adds only when it writes the SQL.

        Args:
            query: The query; it is not changed.
            inner: Whether it is a subquery. What that groups is no row of the queryset.
        """
        if query.extra or query.extra_tables or query.extra_order_by:
            self.refuse("extra()")
        query = query.clone()
        compiler = query.get_compiler(using=self.using)
        for combined in query.combined_queries:
            self.read_query(combined, inner=inner)
        if query.combined_queries:  # the query itself is one of these
            self.combines_rows = self.combines_rows or not inner
            return
        _extra, order_by, _groups = compiler.pre_sql_setup()
        compiler.get_distinct()
        if not inner and _combines_rows(query, order_by):
            self.combines_rows = True
        for alias, join in query.alias_map.items():
            if query.alias_refcount[alias]:
                self.tables.append(join.table_name)
                if filtered := getattr(join, "filtered_relation", None):
                    self.read(filtered.resolved_condition, compiler)
        for expression in (query.where, *query.annotations.values(), *query.select):
            self.read(expression, compiler)
        for expression, _sql in order_by:
            self.read(expression, compiler)

    def models_of(self, table: str) -> list[type[Model]]:
        """Return the models that store rows in a table."""
        models = [
            model
            for model in apps.get_models(include_auto_created=True)
            if model._meta.db_table == table and not model._meta.proxy and model._meta.managed
        ]
        if not models:
            self.refuse(f"the table {table!r}, which no managed model has")
        return models

    def refuse(self, part: str) -> None:
        """Refuse the query because of one part, unless it is run again in an interval."""
        if not self.reread:
            raise UnwatchableQuery(
                f"The query of {self.label} cannot be watched: it uses {part}, which may change "
                "without a write to a table that Django knows. Remove it, or write "
                "reread=seconds, such as reread=60: then the query is run again in this interval."
            )
        self.combines_rows = True

    def read(self, node: Any, compiler: Any) -> None:
        """Read an expression, a lookup or a node of the where tree, and all inside."""
        if isinstance(node, Query):
            self.read_query(node, inner=True)
            return
        inside = list(_inside(node))
        if isinstance(node, ExtraWhere):
            self.refuse("extra()")
        elif isinstance(node, RawSQL):
            self.refuse("RawSQL()")
        elif CHANGING.intersection(_names_of(node)):
            self.refuse(f"{type(node).__name__}()")
        elif _has_own_sql(node):
            self.check_own_sql(node, inside, compiler)
        for each in inside:
            self.read(each, compiler)

    def check_own_sql(self, node: Any, inside: list[Any], compiler: Any) -> None:
        """Refuse an expression of the project if its SQL depends on more than its arguments."""
        name, sql = type(node).__name__, _unquoted(node, compiler)
        arguments = sum(len(SELECT.findall(_unquoted(each, compiler))) for each in inside)
        if not inside:
            self.refuse(f"{name}(), an SQL function without an argument")
        elif found := CHANGING_FUNCTIONS.search(sql):
            self.refuse(f"{name}(), whose SQL contains {found[0]}")
        elif len(SELECT.findall(sql)) > arguments:
            self.refuse(f"{name}(), whose SQL contains a SELECT of its own")


def _combines_rows(query: Query, order_by: Iterable[Any]) -> bool:
    """Return whether one row may decide which values another has, or whether it is found."""
    if isinstance(query.group_by, tuple):  # `values()` before an aggregate
        return True
    if query.distinct_fields or (query.distinct and not query.default_cols):
        return True
    ordered = (expression for expression, _sql in order_by)
    expressions = (query.where, *query.annotations.values(), *ordered)
    return any(each.contains_over_clause for each in expressions)


def _is_djangos(kind: type[Any]) -> bool:
    return kind.__module__.startswith("django.")


def _names_of(node: Any) -> Iterator[str]:
    """Yield the names of an expression's class and of its bases, of those that are Django's."""
    return (kind.__name__ for kind in type(node).__mro__ if _is_djangos(kind))


def _has_own_sql(node: Any) -> bool:
    """Return whether the SQL of an expression is written by the project, and not by Django."""
    named = isinstance(node, Func) and not {"function", "template"}.isdisjoint(node.extra)
    return named or type(node) is Func or not _is_djangos(type(node))


def _inside(node: Any) -> Iterator[Any]:
    """Yield the parts of an expression or lookup that are more than values."""
    if isinstance(node, Lookup):
        several = isinstance(node.rhs, list | tuple)
        parts = (node.lhs, *(node.rhs if several else (node.rhs,)))
    else:
        parts = getattr(node, "get_source_expressions", tuple)()
    return (part for part in parts if hasattr(part, "as_sql"))


def _unquoted(node: Any, compiler: Any) -> str:
    """Return the SQL of an expression without quoted names and texts."""
    try:
        sql, _parameters = compiler.compile(node)
    except (EmptyResultSet, FullResultSet):
        return ""
    return QUOTED.sub("", sql)
