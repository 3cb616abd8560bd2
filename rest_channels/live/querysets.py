"""Querysets of live queries: how they are read, which are equal, and what they depend on."""

from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.core.exceptions import EmptyResultSet
from django.db import router
from django.db.models import Model, QuerySet

from ..settings import api_settings

__all__ = ["models_of", "prepared", "query_key"]


def prepared(queryset: Any, limit: int | None = None) -> QuerySet[Any, Any]:
    """Return a queryset as it is read: from the database that is written to, in a certain order.

    Rows that are equal in the order are ordered by their primary key, so that each reading returns
    them in the same way. `limit` is the number of rows, unless the queryset has a limit.

    Raises:
        TypeError: It is no queryset of rows.
    """
    if not isinstance(queryset, QuerySet) or getattr(queryset, "_fields", None) is not None:
        kind = type(queryset).__name__
        raise TypeError(f"A live query needs a queryset of rows, without values(), not a {kind}.")
    rows: Any = queryset
    if not rows._db:
        rows = rows.using(router.db_for_write(rows.model))
    query = rows.query
    if query.is_sliced:
        return rows  # type: ignore[no-any-return]
    if not (query.combinator or query.distinct_fields):
        rows = _totally_ordered(rows)
    limit = api_settings.MAX_LIVE_ROWS + 1 if limit is None else limit
    return rows[:limit]  # type: ignore[no-any-return]


def _totally_ordered(queryset: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    query = queryset.query
    if query.extra_order_by:
        return queryset
    order: Sequence[Any] = query.order_by
    if not order and query.default_ordering:
        order = query.get_meta().ordering or ()
    names = {"pk", *(field.name for field in query.get_meta().pk_fields)}
    if any(isinstance(each, str) and each.lstrip("-+") in names for each in order):
        return queryset
    return queryset.order_by(*order, "pk")


def query_key(queryset: QuerySet[Any, Any], partition: str) -> Hashable:
    """Return what equal queries have in common."""
    try:
        sql, parameters = queryset.query.get_compiler(queryset.db).as_sql()
    except EmptyResultSet:
        sql, parameters = "", ()
    prefetched = getattr(queryset, "_prefetch_related_lookups", ())
    details = repr((parameters, prefetched))
    return queryset.model, sql, details, queryset.db, partition


def models_of(queryset: QuerySet[Any, Any]) -> set[type[Model]]:
    """Return the models whose tables a query reads."""
    with suppress(EmptyResultSet):
        queryset.query.get_compiler(queryset.db).as_sql()  # it joins what orders the rows
    tables = {each.table_name for each in queryset.query.alias_map.values()}
    every = apps.get_models(include_auto_created=True)
    return {model for model in every if model._meta.db_table in tables} | {queryset.model}
