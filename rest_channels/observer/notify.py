"""For what Django sends no signal for: bulk operations, `QuerySet.update`, raw SQL."""

from collections.abc import Iterable
from functools import reduce
from inspect import signature
from operator import or_
from typing import Any

from django.db import router, transaction
from django.db.models import Model, Q, QuerySet

from .capture.changes import Action, GroupMoves, PendingChange, pending_change, record
from .capture.inheritance import (
    ancestors,
    find,
    has_listeners,
    key_of,
    look_up,
    record_between,
    relatives,
)
from .capture.registry import NONE, as_stored, groups_of, watchers_of

__all__ = ["ObservedQuerySet", "notify_changed"]


def notify_changed(
    changed: QuerySet[Any, Any] | Iterable[Model], action: Action | str = Action.UPDATE
) -> None:
    """Tell observers that these rows were written, once the running transaction is committed.

    In: `changed`, instances, or a queryset of what was changed, which is evaluated if somebody
    observes its model; `action`: `"create"`, `"update"` or `"delete"` (then instances that were
    loaded before). Raises `ValueError` for another action.
    """
    action = Action(action)
    if not isinstance(changed, QuerySet):
        record(*[one for row in changed for one in _written(row, action)])
    elif has_listeners(changed.model):
        using = _database(changed)
        if action is not Action.UPDATE:
            record(*[one for row in changed.using(using) for one in _written(row, action, using)])
        else:
            keys = changed.using(using).values_list("pk", flat=True)
            known = look_up(_concrete(changed.model), keys, using)
            record_between(known, known, using)


def _concrete(model: type[Model]) -> type[Model]:
    return model._meta.concrete_model or model


def _database(rows: Any) -> str:
    """Where what `rows` are is written: the database that was named, or the router's."""
    return rows._db or router.db_for_write(rows.model)


def _written(row: Model, action: Action, using: str | None = None) -> list[PendingChange]:
    """What is said of a row; it was written where its model is, not where it may be read."""
    using = using or router.db_for_write(type(row), instance=row)
    told = []
    for model in ancestors(type(row)):
        pk = as_stored(model, key_of(model, row))
        moves: GroupMoves = {}
        for watcher in watchers_of(model):
            groups = groups_of(watcher, pk, row)
            before = NONE if action is Action.CREATE else groups
            moves[watcher] = before, NONE if action is Action.DELETE else groups
        exists = action is not Action.DELETE
        told.append(pending_change(model, pk, using, moves, row=row, exists=exists))
        if action is Action.UPDATE:
            told[-1].state = None  # it is said that it was written, but not what
    if action is Action.UPDATE:
        told += relatives(row, using)
    return [one for one in told if one.pk is not None]


class ObservedQuerySet(QuerySet[Any, Any]):
    """A queryset whose bulk operations tell observers: `objects = ObservedQuerySet.as_manager()`.

    They take some queries more where somebody may hear of it. What a database does not say is not
    told: which rows were made with `ignore_conflicts`.
    """

    def update(self, **kwargs: Any) -> int:
        """`QuerySet.update`, told."""
        query = self.query
        refused = query.is_sliced or query.combinator or query.distinct_fields
        if refused or not has_listeners(self.model):
            return super().update(**kwargs)
        self._for_write = True
        model, using = _concrete(self.model), self.db
        with transaction.atomic(using=using, savepoint=False):
            # They are locked by their keys: a query with DISTINCT or GROUP BY cannot lock.
            rows = model._base_manager.using(using).filter(pk__in=self.order_by().values("pk"))
            keys = list(rows.select_for_update().values_list("pk", flat=True))
            before = look_up(model, keys, using)
            count = super().update(**kwargs)
            record_between(before, look_up(model, _rekeyed(model, keys, kwargs), using), using)
        return count

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """`QuerySet.bulk_create`, told."""
        objs = list(objs)
        given = signature(QuerySet.bulk_create).bind(self, objs, *args, **kwargs).arguments
        if given.get("update_conflicts") and has_listeners(self.model):
            return self._upsert(objs, given.get("unique_fields"), args, kwargs)
        made = super().bulk_create(objs, *args, **kwargs)
        if not given.get("ignore_conflicts"):
            record(*[one for row in made for one in _written(row, Action.CREATE, self.db)])
        return made

    def _upsert(self, objs: list[Any], unique: Any, args: Any, kwargs: Any) -> list[Any]:
        self._for_write = True
        model, using = _concrete(self.model), self.db
        with transaction.atomic(using=using, savepoint=False):
            before = look_up(model, _conflicting(model, objs, unique, using), using)
            made = super().bulk_create(objs, *args, **kwargs)
            keys = [row.pk for row in made if row.pk is not None]
            record_between(
                before, look_up(model, find(model, keys, using, whole=False), using), using
            )
        return made

    def bulk_update(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> int:
        """`QuerySet.bulk_update`, told: its own `update` calls tell it."""
        return super().bulk_update(objs, *args, **kwargs)


def _rekeyed(model: type[Model], keys: list[Any], values: dict[str, Any]) -> list[Any]:
    """The keys of these rows after their columns have got these `values`, as far as one knows."""
    fields = model._meta.pk_fields
    for place, field in enumerate(fields):
        names = {field.name, field.attname, *(["pk"] if len(fields) == 1 else [])}
        for name in names.intersection(values):
            part = getattr(values[name], "pk", values[name])
            if hasattr(part, "resolve_expression"):
                return []
            keys = [
                part if len(fields) == 1 else (*key[:place], part, *key[place + 1 :])
                for key in keys
            ]
    return list(dict.fromkeys(as_stored(model, key) for key in keys))


AT_ONCE = 100
"""How many rows are looked for by other columns than their key."""


def _conflicting(model: type[Model], objs: list[Any], unique: Any, using: str) -> list[Any]:
    """The keys of the rows that are there already."""
    names = [model._meta.pk.attname if one == "pk" else one for one in unique or ["pk"]]
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    columns = [field.attname for field in fields]
    wanted = [{one: getattr(row, one) for one in columns} for row in objs]
    wanted = [one for one in wanted if None not in one.values()]  # no NULL conflicts with another
    keys: list[Any] = []
    for start in range(0, len(wanted), AT_ONCE):
        either = reduce(or_, (Q(**one) for one in wanted[start : start + AT_ONCE]))
        rows = model._base_manager.using(using).filter(either).select_for_update()
        keys += rows.values_list("pk", flat=True)
    return keys
