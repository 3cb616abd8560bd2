"""Querysets of live queries: how they are read, which are equal, and what they depend on."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from django.core.exceptions import EmptyResultSet, FieldDoesNotExist
from django.db import router
from django.db.models import ForeignObjectRel, Model, Prefetch, QuerySet
from django.db.models.query import ModelIterable

from ..settings import api_settings
from .dependencies import UnwatchableQuery, find_dependencies
from .state import is_plain
from .writes import is_told

__all__ = [
    "check_told",
    "has_whole_rows",
    "models_on_path",
    "prefetched_models",
    "prepared",
    "query_key",
]


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
    rows = rows._chain()
    query = rows.query
    if not (query.combinator or query.distinct_fields or query.extra_order_by):
        _order_totally(query)
    query.select_for_update = False  # a list is read outside of a transaction, and locks nothing
    if router.routers:
        rows._prefetch_related_lookups = _lookups_in(rows, rows._db)
    most = api_settings.MAX_LIVE_ROWS + 1
    query.set_limits(high=most if query.is_sliced or limit is None else min(limit, most))
    return rows  # type: ignore[no-any-return]


def has_whole_rows(queryset: Any) -> bool:
    """Return whether its rows are as those of Django's own queryset of their model.

    A column that `only()` or `defer()` has left out is seen at the row.
    """
    kind = type(queryset)
    return (
        kind._fetch_all is QuerySet._fetch_all
        and kind.__iter__ is QuerySet.__iter__
        and queryset._iterable_class is ModelIterable
        # These may replace values of columns:
        and not (queryset.query.extra or queryset._known_related_objects)
    )


def _lookups_in(queryset: Any, using: str) -> tuple[Any, ...]:
    """Return what `prefetch_related` reads, from one database: a replica may lag behind."""
    found: dict[str, Any] = {}
    for lookup in queryset._prefetch_related_lookups:
        rows = getattr(lookup, "queryset", None)
        path = lookup.prefetch_to if isinstance(lookup, Prefetch) else lookup
        if rows is not None:
            rows = rows.using(rows._db or using)
            rows._prefetch_related_lookups = _lookups_in(rows, rows._db)
            lookup = Prefetch(lookup.prefetch_through, rows, lookup.to_attr)  # noqa: PLW2901
        elif isinstance(lookup, str):
            names = lookup.split("__")
            for count, relation in enumerate(_relations_on_path(queryset.model, names), 1):
                if (model := relation.related_model) is not None:
                    several = relation.one_to_many or relation.many_to_many
                    manager = model._default_manager if several else model._base_manager
                    part = "__".join(names[:count])
                    found.setdefault(part, Prefetch(part, manager.using(using)))
        found.setdefault(path, lookup)
    return tuple(found.values())


def _order_totally(query: Any) -> None:
    order: Sequence[Any] = query.order_by
    if not order and query.default_ordering:
        order = query.get_meta().ordering or ()
    fields = query.get_meta().pk_fields
    names = {"pk", *(field.name for field in fields if len(fields) == 1)}
    if not any(isinstance(each, str) and each.lstrip("-+") in names for each in order):
        query.clear_ordering(force=True, clear_default=False)
        query.add_ordering(*order, "pk")


def query_key(queryset: QuerySet[Any, Any], partition: str) -> Hashable:
    """Return what equal queries have in common."""
    try:
        sql, parameters = queryset.query.get_compiler(queryset.db).as_sql()
    except EmptyResultSet:
        sql, parameters = "", ()
    lookups = getattr(queryset, "_prefetch_related_lookups", ())
    prefetched = tuple(_lookup_key(lookup, partition) for lookup in lookups)
    values = tuple(map(_value_key, parameters))
    return queryset.model, sql, values, prefetched, queryset.db, partition


def _lookup_key(lookup: Any, partition: str) -> Hashable:
    """Return what equal lookups of `prefetch_related` have in common."""
    if type(lookup) is not Prefetch:
        return lookup if isinstance(lookup, str) else object()
    rows = lookup.queryset
    inner = None if rows is None else query_key(rows, partition)
    return lookup.prefetch_through, lookup.to_attr, inner


def _value_key(value: Any) -> Hashable:
    """Return what equal values of a query have in common.

    The `repr` of other types need not tell values apart: that of a memoryview is its address, and
    psycopg shortens that of JSON.
    """
    if isinstance(value, memoryview):
        value = bytes(value)
    kind = type(value)
    if kind.__module__.partition(".")[0] == "psycopg":
        value = getattr(value, "obj", value)  # what JSON and bytes are wrapped in
    return (kind, repr(value)) if is_plain(value) else object()


def prefetched_models(queryset: QuerySet[Any, Any], *, reread: bool) -> set[type[Model]]:
    """Return the models whose rows `prefetch_related` reads.

    Raises `UnwatchableQuery` as `find_dependencies` does, unless `reread`.
    """
    models: set[type[Model]] = set()
    for lookup in getattr(queryset, "_prefetch_related_lookups", ()):
        names = (lookup.prefetch_through if isinstance(lookup, Prefetch) else lookup).split("__")
        models |= models_on_path(queryset.model, names)
        of_generic = getattr(lookup, "querysets", None)  # those of a `GenericPrefetch`
        relations = _relations_on_path(queryset.model, names)
        if not of_generic and not reread and any(not each.related_model for each in relations):
            raise UnwatchableQuery(
                f"prefetch_related({'__'.join(names)!r}) of {queryset.model._meta.label} reads "
                "rows of models that are not known. Name them with GenericPrefetch(), or write "
                "reread=seconds."
            )
        for rows in of_generic or [getattr(lookup, "queryset", None)]:
            if rows is not None:
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
    for relation in _relations_on_path(model, names):
        if relation.many_to_many:
            models.add(getattr(relation, "through", None) or relation.remote_field.through)
        if relation.related_model is not None:
            models.add(relation.related_model._meta.concrete_model)
    return models


def _relations_on_path(model: Any, names: Iterable[str]) -> Iterator[Any]:
    """Yield the relations of a path up to the first one that has no certain model."""
    for name in names:
        relation = _relation(model, name)
        if relation is None or not relation.is_relation:
            return
        yield relation
        if (model := relation.related_model) is None:
            return


def _relation(model: Any, name: str) -> Any:
    with suppress(FieldDoesNotExist):
        field = model._meta.get_field(name)
        if not isinstance(field, ForeignObjectRel) and field.name == name:
            return field
    reverse = (each for each in model._meta.related_objects if each.get_accessor_name() == name)
    return next(reverse, None)
