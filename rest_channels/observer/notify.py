"""For what Django sends no signal for: bulk operations, `QuerySet.update`, raw SQL."""

from collections.abc import Iterable
from typing import Any

from django.db import router, transaction
from django.db.models import Model, QuerySet

from .changes import Action, Seen, see, seen
from .family import see_rows
from .watchers import NONE, groups_of, watching

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
    if isinstance(changed, QuerySet):
        using = _database(changed)
        watchers = watching(changed.model._meta.concrete_model)
        if action is Action.UPDATE and not any(one.looks_at_rows for one in watchers):
            if watchers:
                keys = changed.using(using).values_list("pk", flat=True)
                see_rows(changed.model._meta.concrete_model, keys, using)
            return
        changed = changed.using(using) if watchers else ()
    see(*[_written(row, action) for row in changed])


def _written(row: Model, action: Action) -> Seen:
    model: Any = type(row)._meta.concrete_model
    using = row._state.db or router.db_for_write(type(row), instance=row)
    moves = {}
    for watcher in watching(model):
        groups = groups_of(watcher, row.pk, row)
        moves[watcher] = (
            NONE if action is Action.CREATE else groups,
            NONE if action is Action.DELETE else groups,
        )
    return seen(model, row.pk, using, moves, row=row, exists=action is not Action.DELETE)


class ObservedQuerySet(QuerySet[Any, Any]):
    """A queryset whose bulk operations tell observers: `objects = ObservedQuerySet.as_manager()`.

    Each of them takes a query more where its model is observed. What a database does not say is
    not told: the keys of rows made with `ignore_conflicts`.
    """

    def update(self, **kwargs: Any) -> int:
        """`QuerySet.update`, told."""
        watchers = watching(self.model._meta.concrete_model)
        if not watchers:
            return super().update(**kwargs)
        self._for_write = True
        using = self.db
        looks = any(one.looks_at_rows for one in watchers)
        with transaction.atomic(using=using, savepoint=False):
            rows = self.using(using).select_for_update(of=("self",)) if _locks(using) else self
            before = {row.pk: row for row in rows} if looks else {}
            keys = list(before) if looks else list(rows.values_list("pk", flat=True))
            count = super().update(**kwargs)
            after = self.model._base_manager.using(using).in_bulk(keys) if looks else {}
            for pk in keys:
                old, new = before.get(pk), after.get(pk, before.get(pk))
                moves = {
                    one: (groups_of(one, pk, old), groups_of(one, pk, new)) for one in watchers
                }
                see(seen(self.model._meta.concrete_model, pk, using, moves, row=new))
        return count

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """`QuerySet.bulk_create`, told."""
        made = super().bulk_create(objs, *args, **kwargs)
        action = Action.UPDATE if kwargs.get("update_conflicts") else Action.CREATE
        notify_changed([row for row in made if row.pk is not None], action)
        return made

    def bulk_update(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> int:
        """`QuerySet.bulk_update`, told: its own `update` calls tell it."""
        return super().bulk_update(objs, *args, **kwargs)


def _database(rows: Any) -> str:
    """Where what `rows` are is written: the database that was named, or the router's."""
    return rows._db or router.db_for_write(rows.model)


def _locks(using: str) -> bool:
    return bool(transaction.get_connection(using).features.has_select_for_update_of)
