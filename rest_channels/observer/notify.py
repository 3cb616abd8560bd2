"""Changes that Django sends no signal for: bulk operations, `QuerySet.update`, raw SQL."""

from collections.abc import Iterable
from functools import reduce
from inspect import signature
from itertools import chain
from operator import or_
from typing import Any

from django.db import connections, router, transaction
from django.db.models import Model, Q, QuerySet

from ..live.writes import note_written
from .capture.changes import Action, GroupMoves, PendingChange, pending_change, record
from .capture.inheritance import ancestors, has_active_observers, tables_of
from .capture.keys import key_in, normalize_key
from .capture.registry import NO_GROUPS, concrete_model, groups_of
from .capture.snapshots import find_rows, record_difference, related_changes, take_snapshot

__all__ = ["ObservedQuerySet", "notify_changed"]


def notify_changed(
    changed: QuerySet[Any, Any] | Iterable[Model], action: Action | str = Action.UPDATE
) -> None:
    """Notify observers that rows were written, once the running transaction is committed.

    Args:
        changed: Instances, or a queryset of the changed rows. A queryset is evaluated only if its
            model may have subscribers.
        action: `"create"`, `"update"` or `"delete"`. For `"delete"` pass instances that were
            loaded before the deletion.
    """
    action = Action(action)
    if not isinstance(changed, QuerySet):
        changed = [*changed]
        for row in changed:
            _note_tables(type(row), router.db_for_write(type(row), instance=row), [row])
        record(*[change for row in changed for change in _changes_of(row, action)])
        return
    using = getattr(changed, "_db", None) or router.db_for_write(changed.model)
    _note_tables(changed.model, using)
    if has_active_observers(changed.model):
        rows = changed.using(using)
        if action is not Action.UPDATE:
            record(*[change for row in rows for change in _changes_of(row, action, using)])
        else:
            keys = rows.values_list("pk", flat=True)
            snapshot = take_snapshot(concrete_model(changed.model), keys, using)
            record_difference(snapshot, snapshot, using)


def _note_tables(model: type[Model], using: str, rows: Iterable[Any] | None = None) -> None:
    """Tell live queries of written rows; `None`: any row of the model may have been written."""
    tables: dict[type[Model], list[Any] | None] = {}
    for table in tables_of(model):
        keys = None if rows is None else [key_in(table, row) for row in rows]
        tables[table] = None if keys is None or None in keys else keys
    note_written(using, tables)


def _changes_of(row: Model, action: Action, using: str | None = None) -> list[PendingChange]:
    """Return the changes of a written instance, one for each observed table that has its row.

    `using` is by default the database that its model is written to, not where it was read from.
    """
    using = using or router.db_for_write(type(row), instance=row)
    changes = []
    for model, observers in ancestors(type(row)).items():
        pk = normalize_key(model, key_in(model, row))
        moves: GroupMoves = {}
        for observer in observers:
            groups = groups_of(observer, pk, row)
            before = NO_GROUPS if action is Action.CREATE else groups
            moves[observer] = before, NO_GROUPS if action is Action.DELETE else groups
        exists = action is not Action.DELETE
        change = pending_change(model, pk, using, moves, row=row, exists=exists)
        if action is Action.UPDATE:
            change.state = None  # which columns were written is unknown, so remember no groups
        changes.append(change)
    if action is Action.UPDATE:
        changes += related_changes(row, using)
    return [change for change in changes if change.pk is not None]


class ObservedQuerySet(QuerySet[Any, Any]):
    """A queryset whose bulk operations notify observers: `objects = ObservedQuerySet.as_manager()`.

    They make some more queries if the model may have subscribers. `bulk_create` with
    `ignore_conflicts` sends nothing, because a database does not report which rows it created.
    """

    def update(self, **kwargs: Any) -> int:
        query = self.query
        rejected = query.is_sliced or query.combinator or query.distinct_fields
        observed = not rejected and has_active_observers(self.model)
        count = self._update_observed(kwargs) if observed else super().update(**kwargs)
        _note_tables(self.model, self.db)
        return count

    def _update_observed(self, kwargs: dict[str, Any]) -> int:
        self._for_write = True
        model, using = concrete_model(self.model), self.db
        with transaction.atomic(using=using, savepoint=False):
            # Rows are locked by their keys: a query with DISTINCT or GROUP BY cannot lock.
            rows = model._base_manager.using(using).filter(pk__in=self.order_by().values("pk"))
            keys = list(rows.select_for_update().values_list("pk", flat=True))
            before = take_snapshot(model, keys, using)
            count = self._update_locked(keys, kwargs)
            after = take_snapshot(model, _updated_keys(model, keys, kwargs), using)
            record_difference(before, after, using)
        return count

    def _update_locked(self, keys: list[Any], values: dict[str, Any]) -> int:
        """Update the rows with these keys. Rows that meet the filter since then are not written.

        Where rows have no locks, other transactions cannot write meanwhile.
        """
        features = connections[self.db].features
        if not features.has_select_for_update:
            return super().update(**values)
        size = (features.max_query_params or len(keys) * 2) // 2 or 1
        batches = [keys[start : start + size] for start in range(0, len(keys) or 1, size)]
        return sum(QuerySet.update(self.filter(pk__in=batch), **values) for batch in batches)

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        objs = list(objs)
        given = signature(QuerySet.bulk_create).bind(self, objs, *args, **kwargs).arguments
        if given.get("update_conflicts") and has_active_observers(self.model):
            created = self._bulk_upsert(objs, given.get("unique_fields"), args, kwargs)
            _note_tables(self.model, self.db)
            return created
        created = super().bulk_create(objs, *args, **kwargs)
        _note_tables(self.model, self.db)
        if not given.get("ignore_conflicts"):
            using = self.db
            changes = (_changes_of(row, Action.CREATE, using) for row in created)
            record(*chain.from_iterable(changes))
        return created

    def _bulk_upsert(self, objs: list[Any], unique: Any, args: Any, kwargs: Any) -> list[Any]:
        self._for_write = True
        model, using = concrete_model(self.model), self.db
        with transaction.atomic(using=using, savepoint=False):
            before = take_snapshot(model, _conflicting_keys(model, objs, unique, using), using)
            written = super().bulk_create(objs, *args, **kwargs)
            keys = [row.pk for row in written if row.pk is not None]
            existing = find_rows(model, keys, using, whole=False)
            record_difference(before, take_snapshot(model, existing, using), using)
        return written


def _updated_keys(model: type[Model], keys: list[Any], values: dict[str, Any]) -> list[Any]:
    """Return the keys of rows after an update with `values`; none if the database computes them."""
    fields = model._meta.pk_fields
    for index, field in enumerate(fields):
        names = {field.name, field.attname, *(["pk"] if len(fields) == 1 else [])}
        for name in names.intersection(values):
            part = getattr(values[name], "pk", values[name])
            if hasattr(part, "resolve_expression"):
                return []
            keys = [
                part if len(fields) == 1 else (*key[:index], part, *key[index + 1 :])
                for key in keys
            ]
    return list(dict.fromkeys(normalize_key(model, key) for key in keys))


MAX_ROWS_PER_QUERY = 100
"""How many rows one query looks for by columns other than their key."""


def _conflicting_keys(model: type[Model], objs: list[Any], unique: Any, using: str) -> list[Any]:
    """Return the keys of the stored rows that these new rows conflict with."""
    names = [model._meta.pk.attname if name == "pk" else name for name in unique or ["pk"]]
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    columns = [field.attname for field in fields]
    lookups = [{column: getattr(row, column) for column in columns} for row in objs]
    lookups = [lookup for lookup in lookups if None not in lookup.values()]  # NULL never conflicts
    keys: list[Any] = []
    for start in range(0, len(lookups), MAX_ROWS_PER_QUERY):
        batch = lookups[start : start + MAX_ROWS_PER_QUERY]
        condition = reduce(or_, (Q(**lookup) for lookup in batch))
        rows = model._base_manager.using(using).filter(condition).select_for_update()
        keys += rows.values_list("pk", flat=True)
    return keys
