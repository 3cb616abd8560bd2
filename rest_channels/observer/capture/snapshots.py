"""Snapshots of stored rows and their groups, and the changes between two snapshots."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Model

from .changes import PendingChange, pending_change, record
from .inheritance import related_models, shared_parent, tables_of
from .keys import key_in, normalize_key
from .registry import (
    NO_GROUPS,
    ObserverGroups,
    RowObserver,
    active_observers,
    groups_of,
    needs_rows,
)

__all__ = [
    "Snapshot",
    "StoredRow",
    "find_rows",
    "lock_row",
    "record_difference",
    "related_changes",
    "snapshot_related",
    "snapshot_rows",
    "take_snapshot",
]


class StoredRow(NamedTuple):
    """A row of the database, and its groups."""

    row: Any
    """The instance; `None` where observers need only the key."""
    groups: ObserverGroups


Snapshot = dict[tuple[type[Model], Any], StoredRow]
"""A model and a primary key → the stored row."""


def find_rows(
    model: type[Model], keys: list[Any], using: str, *, whole: bool, column: str = "pk"
) -> dict[Any, Any]:
    """Return the rows whose `column` has one of these values, by primary key.

    Unless `whole`, only the keys are read: the rows are `None`.
    """
    limit = connections[using].features.max_query_params or 10_000
    size = max(limit // len(model._meta.pk_fields), 1)
    found: dict[Any, Any] = {}
    for start in range(0, len(keys), size):
        lookup = {f"{column}__in": keys[start : start + size]}
        rows = model._base_manager.using(using).filter(**lookup)
        if whole:
            found |= {row.pk: row for row in rows}
        else:
            found |= dict.fromkeys(rows.values_list("pk", flat=True))
    return found


def lock_row(model: type[Model], pk: Any, using: str) -> None:
    """Lock a row until its transaction ends, so that no new row can refer to it meanwhile.

    Django is about to write all rows that refer to it. A row that began to refer to it after these
    were read would be written too, but its change would not be published.
    """
    connection = connections[using]
    if connection.features.has_select_for_update and connection.in_atomic_block:
        rows = model._base_manager.using(using).filter(pk=pk).select_for_update()
        list(rows.values_list("pk"))


def snapshot_rows(
    model: type[Model], rows: dict[Any, Any], observers: list[RowObserver]
) -> Snapshot:
    """Return the snapshot of these rows, by primary key, with the groups of these observers."""
    stored = {normalize_key(model, pk): row for pk, row in rows.items()}
    return {
        (model, pk): StoredRow(row, {each: groups_of(each, pk, row) for each in observers})
        for pk, row in stored.items()
    }


def snapshot_related(
    model: type[Model], parent: Any, keys: list[Any], using: str, observers: list[RowObserver]
) -> Snapshot:
    """Return the snapshot of the rows of `model` that have these keys in their `parent` table."""
    whole, column = needs_rows(observers), parent._meta.pk.attname
    found = find_rows(model, keys, using, whole=whole, column=column)
    return snapshot_rows(model, found, observers)


def take_snapshot(
    model: type[Model],
    pks: Iterable[Any],
    using: str,
    *,
    tables: list[type[Model]] | None = None,
    condition: Callable[[RowObserver], bool] | None = None,
) -> Snapshot:
    """Return the snapshot of existing rows, for all observed models that share a table with them.

    Only these `tables` of the concrete `model` matter (by default all), and only the observers that
    have subscribers and meet the `condition`.
    """
    tables, pks = tables or tables_of(model), list(pks)
    own = {each: some for each in tables if (some := active_observers(each, condition))}
    related = related_models(tables)
    shared = {each: some for each in related if (some := active_observers(each, condition))}
    if not pks or not (own or shared):
        return {}
    parents = {each: shared_parent(each, tables) for each in shared}
    only_keys = {*own, *parents.values()} <= {model} and not needs_rows(own.get(model, ()))
    rows = dict.fromkeys(pks) if only_keys else find_rows(model, pks, using, whole=True)
    snapshot: Snapshot = {}
    for table, observers in own.items():
        found = {pk if row is None else key_in(table, row): row for pk, row in rows.items()}
        snapshot |= snapshot_rows(table, found, observers)
    for each, observers in shared.items():
        parent = parents[each]
        keys = [pk if row is None else key_in(parent, row) for pk, row in rows.items()]
        snapshot |= snapshot_related(each, parent, keys, using, observers)
    return snapshot


def related_changes(row: Model, using: str) -> list[PendingChange]:
    """Return the changes of related models' rows that are updated together with `row`."""
    tables, snapshot = tables_of(type(row)), Snapshot()
    for model in related_models(tables):
        if observers := active_observers(model):
            parent = shared_parent(model, tables)
            snapshot |= snapshot_related(model, parent, [key_in(parent, row)], using, observers)
    return _differences(snapshot, snapshot, using)


def record_difference(before: Snapshot, after: Snapshot, using: str) -> None:
    """Record the changes that lead from one snapshot to the other."""
    record(*_differences(before, after, using))


def _differences(before: Snapshot, after: Snapshot, using: str) -> list[PendingChange]:
    changes = []
    for key in before | after:
        exists = key in after
        row, old = before.get(key, (None, {}))
        if exists:
            row, new = after[key]
            old = old or dict.fromkeys(new, NO_GROUPS)
            moves = {
                observer: (old[observer], new[observer]) for observer in old if observer in new
            }
        else:
            moves = {observer: (groups, NO_GROUPS) for observer, groups in old.items()}
        changes.append(pending_change(*key, using, moves, row=row, exists=exists))
    return changes
