"""One row, several tables: a model's parents in tables of their own, its children, its siblings."""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connections
from django.db.models import Model

from .changes import Moves, see, seen
from .watchers import Watcher, groups_of, watched, watching

__all__ = ["common", "find", "key_of", "kin", "lineage", "see_rows", "tables_of"]


def tables_of(model: type[Model], *, raw: bool = False) -> list[type[Model]]:
    """Where a save of a `model` writes: its own table, and those of its parents.

    `raw`, as fixtures are saved, is the own one only.
    """
    concrete: type[Model] = model._meta.concrete_model or model
    return [concrete] if raw else [concrete, *concrete._meta.get_parent_list()]


def lineage(model: type[Model], *, raw: bool = False) -> list[type[Model]]:
    """The watched models that a row of `model` is a row of."""
    return [one for one in tables_of(model, raw=raw) if watching(one)]


def kin(tables: list[type[Model]]) -> list[type[Model]]:
    """The other watched models which share one of these tables: children, and their siblings."""
    return [
        one
        for one in watched()
        if one not in tables and not set(tables).isdisjoint(one._meta.get_parent_list())
    ]


def common(model: type[Model], tables: list[type[Model]]) -> type[Model]:
    """The table among these that `model`, their kin, shares with them."""
    return next(one for one in model._meta.get_parent_list() if one in tables)


def key_of(model: type[Model], instance: Model) -> Any:
    """The primary key of `instance` as a row of `model`, which may be a parent of its own."""
    pk: Any = model._meta.pk
    key = getattr(instance, pk.attname)
    link: Any = None if key is not None else type(instance)._meta.get_ancestor_link(model)
    return getattr(instance, link.attname) if link else key


def find(
    model: type[Model], keys: list[Any], using: str, *, whole: bool, column: str = "pk"
) -> dict[Any, Any]:
    """Which rows of `model` have one of these keys: key → row, or `None` if not the `whole`."""
    limit = connections[using].features.max_query_params or 10_000
    size = max(limit // len(model._meta.pk_fields), 1)
    found: dict[Any, Any] = {}
    for start in range(0, len(keys), size):
        some = {f"{column}__in": keys[start : start + size]}
        rows = model._base_manager.using(using).filter(**some)
        if whole:
            found |= {row.pk: row for row in rows}
        else:
            found |= dict.fromkeys(rows.values_list("pk", flat=True))
    return found


def see_rows(
    model: type[Model],
    pks: Iterable[Any],
    using: str,
    chosen: Callable[[Watcher], bool] = lambda watcher: True,
) -> None:
    """These rows were changed, and stay in their groups; those of the model's children as well."""
    pks, written = list(pks), []
    for one in (model, *kin([model])) if pks else ():
        watchers = [watcher for watcher in watching(one) if watcher.heard() and chosen(watcher)]
        whole = any(watcher.looks_at_rows or watcher.keeps_rows for watcher in watchers)
        rows = dict.fromkeys(pks)
        if watchers and (whole or one is not model):
            column = "pk" if one is model else common(one, [model])._meta.pk.attname
            rows = find(one, pks, using, whole=whole, column=column)
        for pk, row in rows.items() if watchers else ():
            moves: Moves = {each: ((g := groups_of(each, pk, row)), g) for each in watchers}
            written.append(seen(one, pk, using, moves, row=row))
    see(*written)
