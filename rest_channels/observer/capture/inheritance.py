"""One row, several tables: a model's parents in tables of their own, its children, its siblings."""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connections
from django.db.models import Model

from .changes import PendingChange, pending_change, record
from .registry import (
    NONE,
    Groups,
    Watcher,
    active_watchers,
    as_stored,
    groups_of,
    needs_rows,
    watched_models,
    watchers_of,
)

__all__ = [
    "ancestors",
    "find",
    "has_listeners",
    "key_of",
    "look_up",
    "record_between",
    "record_rows",
    "related_models",
    "relatives",
    "shared_parent",
    "tables_of",
]


def tables_of(model: type[Model], *, raw: bool = False) -> list[type[Model]]:
    """Where a save of a `model` writes: its own table, and those of its parents.

    `raw`, as fixtures are saved, is the own one only.
    """
    concrete: type[Model] = model._meta.concrete_model or model
    return [concrete] if raw else [concrete, *concrete._meta.get_parent_list()]


def ancestors(model: type[Model], *, raw: bool = False) -> list[type[Model]]:
    """The watched models that a row of `model` is a row of."""
    return [one for one in tables_of(model, raw=raw) if watchers_of(one)]


def related_models(tables: list[type[Model]]) -> list[type[Model]]:
    """The other watched models which share one of these tables: children, and their siblings."""
    return [
        one
        for one in watched_models()
        if one not in tables and not set(tables).isdisjoint(one._meta.get_parent_list())
    ]


def shared_parent(model: type[Model], tables: list[type[Model]]) -> type[Model]:
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


def has_listeners(model: type[Model]) -> bool:
    """Whether anybody may hear of rows of `model`, as its own or as a relative's."""
    tables = tables_of(model)
    return any(active_watchers(one) for one in (*tables, *related_models(tables)))


def relatives(row: Model, using: str) -> list[PendingChange]:
    """The rows of `row`'s kin that are changed with it, and stay in their groups."""
    tables, told = tables_of(type(row)), []
    for one in related_models(tables):
        if watchers := active_watchers(one):
            table: Any = shared_parent(one, tables)
            keys, column = [key_of(table, row)], table._meta.pk.attname
            found = find(one, keys, using, whole=needs_rows(watchers), column=column)
            for (model, pk), (other, groups) in _know(one, found, watchers).items():
                moves = {each: (known, known) for each, known in groups.items()}
                told.append(pending_change(model, pk, using, moves, row=other))
    return told


Known = dict[tuple[type[Model], Any], tuple[Any, dict[Watcher, Groups]]]
"""A model and a key → the row, as far as somebody needs it, and its groups."""


def look_up(
    model: type[Model],
    pks: Iterable[Any],
    using: str,
    *,
    tables: list[type[Model]] | None = None,
    chosen: Callable[[Watcher], bool] | None = None,
) -> Known:
    """What is stored of these rows, which are there, for all who share a table with them.

    In: `tables`, those that matter, by default all of `model`; `chosen`, which watchers do.
    """
    tables, pks = tables or tables_of(model), list(pks)
    own = {one: some for one in tables if (some := active_watchers(one, chosen))}
    shared = {one: some for one in related_models(tables) if (some := active_watchers(one, chosen))}
    if not pks or not (own or shared):
        return {}
    needed = [*own, *(shared_parent(one, tables) for one in shared)]
    whole = any(one is not model for one in needed) or needs_rows(own.get(model, ()))
    rows = find(model, pks, using, whole=True) if whole else dict.fromkeys(pks)
    known: Known = {}
    for one, watchers in own.items():
        found = {pk if row is None else key_of(one, row): row for pk, row in rows.items()}
        known |= _know(one, found, watchers)
    for one, watchers in shared.items():
        table: Any = shared_parent(one, tables)
        keys = [pk if row is None else key_of(table, row) for pk, row in rows.items()]
        column, whole = table._meta.pk.attname, needs_rows(watchers)
        known |= _know(one, find(one, keys, using, whole=whole, column=column), watchers)
    return known


def _know(model: type[Model], rows: dict[Any, Any], watchers: list[Watcher]) -> Known:
    stored = {as_stored(model, pk): row for pk, row in rows.items()}
    return {
        (model, pk): (row, {one: groups_of(one, pk, row) for one in watchers})
        for pk, row in stored.items()
    }


def record_between(before: Known, after: Known, using: str) -> None:
    """Tell how what is stored has changed."""
    told = []
    for model, pk in before | after:
        gone, (row, old) = (model, pk) not in after, before.get((model, pk), (None, {}))
        if not gone:
            row, new = after[model, pk]
            old = old or dict.fromkeys(new, NONE)
            moves = {one: (groups, new[one]) for one, groups in old.items() if one in new}
        else:
            moves = {one: (groups, NONE) for one, groups in old.items()}
        told.append(pending_change(model, pk, using, moves, row=row, exists=not gone))
    record(*told)


def record_rows(
    model: type[Model],
    pks: Iterable[Any],
    using: str,
    chosen: Callable[[Watcher], bool] | None = None,
) -> None:
    """These rows of that table were changed, and stay in their groups."""
    known = look_up(model, pks, using, tables=[model], chosen=chosen)
    record_between(known, known, using)
