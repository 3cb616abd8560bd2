"""Rows that a deletion elsewhere changes: `on_delete=SET_NULL`, `SET_DEFAULT`, `SET(…)`.

Django writes them in one query and says nothing of it; it does say what is deleted.
"""

from typing import Any
from weakref import WeakKeyDictionary

from django.db.models import SET, SET_DEFAULT, SET_NULL, Model
from django.db.models.signals import post_delete, pre_delete

from .changes import pending_change, record
from .inheritance import find
from .registry import Groups, Watcher, active_watchers, classes_of, groups_of, log_errors

__all__ = ["watch"]

UID = "rest_channels.observer.cascades"

_fields: dict[type[Model], set[tuple[type[Model], Any]]] = {}
"""A model → the watched models, and their fields, that a deletion of its rows changes."""


def watch(model: type[Model]) -> None:
    """See to it that who watches `model` hears of those deletions."""
    for field in model._meta.concrete_fields:
        if _is_set(field):
            other: Any = field.related_model
            target: type[Model] = other._meta.concrete_model
            _fields.setdefault(target, set()).add((model, field))
            for one in classes_of(target):
                pre_delete.connect(_deleting, one, dispatch_uid=UID)
                post_delete.connect(_deleted, one, dispatch_uid=UID)


def _is_set(field: Any) -> bool:
    on_delete = getattr(getattr(field, "remote_field", None), "on_delete", None)
    made_by_set = getattr(on_delete, "__qualname__", "").startswith(f"{SET.__name__}.<locals>")
    return on_delete in (SET_NULL, SET_DEFAULT) or made_by_set


Before = list[tuple[type[Model], dict[Any, dict[Watcher, Groups]]]]

_left: WeakKeyDictionary[Any, Before] = WeakKeyDictionary()
"""The `_state` of an instance that is being deleted → who will lose it, and their groups before."""


@log_errors
def _deleting(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """A row is about to be deleted: find those that will lose it."""
    _left[instance._state] = before = []
    for model, field in _fields.get(sender._meta.concrete_model or sender, ()):
        if watchers := active_watchers(model):
            rows = model._base_manager.using(using).filter(**{field.name: instance})
            groups = {
                row.pk: {one: groups_of(one, row.pk, row) for one in watchers} for row in rows
            }
            before.append((model, groups))


@log_errors
def _deleted(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """It is deleted, and they have lost it."""
    for model, before in _left.pop(instance._state, ()):
        rows = find(model, list(before), using, whole=True)
        record(
            *(
                pending_change(
                    model,
                    pk,
                    using,
                    {one: (groups, groups_of(one, pk, row)) for one, groups in before[pk].items()},
                    row=row,
                )
                for pk, row in rows.items()
            )
        )
