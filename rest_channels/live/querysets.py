"""Querysets of live queries: how they are read, which are equal, and what they depend on."""

from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from django.core.exceptions import EmptyResultSet, FieldDoesNotExist
from django.db import router
from django.db.models import ForeignObjectRel, Model, Prefetch, QuerySet

from ..settings import api_settings
from .dependencies import UnwatchableQuery, find_dependencies
from .writes import is_told

__all__ = ["check_told", "models_on_path", "prefetched_models", "prepared", "query_key"]


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


def prefetched_models(queryset: QuerySet[Any, Any], *, reread: bool) -> set[type[Model]]:
    """Return the models whose rows `prefetch_related` reads.

    Raises `UnwatchableQuery` as `find_dependencies` does, unless `reread`.
    """
    models: set[type[Model]] = set()
    for lookup in getattr(queryset, "_prefetch_related_lookups", ()):
        path = lookup.prefetch_through if isinstance(lookup, Prefetch) else lookup
        models |= models_on_path(queryset.model, path.split("__"))
        if (rows := getattr(lookup, "queryset", None)) is not None:
            models |= find_dependencies(rows, reread=reread).models
            models |= prefetched_models(rows, reread=reread)
    return models


def check_told(models: Iterable[type[Model]], *, reread: bool) -> None:
    """Raise `UnwatchableQuery` for models whose writes are not told, unless `reread`."""
    untold = sorted(model._meta.label for model in models if not is_told(model))
    if untold and not reread:
        raise UnwatchableQuery(
            f"Writes of {', '.join(untold)} are not told, so no query of them can be watched. "
            "Write reread=seconds, such as reread=60: then the query is run again in this interval."
        )


def models_on_path(model: Any, names: Iterable[str]) -> set[type[Model]]:
    """Return the models that a path of relations reads, from the rows of `model` on.

    A name that is no relation ends the path: nothing is known of a property or a method.
    """
    models: set[type[Model]] = set()
    for name in names:
        relation = _relation(model, name)
        if relation is None or not relation.is_relation or relation.related_model is None:
            break
        if relation.many_to_many:
            models.add(getattr(relation, "through", None) or relation.remote_field.through)
        model = relation.related_model._meta.concrete_model
        models.add(model)
    return models


def _relation(model: Any, name: str) -> Any:
    with suppress(FieldDoesNotExist):
        field = model._meta.get_field(name)
        if not isinstance(field, ForeignObjectRel) and field.name == name:
            return field
    reverse = (each for each in model._meta.related_objects if each.get_accessor_name() == name)
    return next(reverse, None)
