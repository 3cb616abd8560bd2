"""Rows that a deletion elsewhere changes: `on_delete=SET_NULL`, `SET_DEFAULT`, `SET(…)`.

Django writes them in one query and says nothing of it; it does say what is deleted.
"""

from typing import Any

from django.db.models import SET, SET_DEFAULT, SET_NULL, Model
from django.db.models.signals import post_delete, pre_delete

from .changes import Groups, Watcher, classes_of, groups_of, see, seen, watching

__all__ = ["watch"]

UID = "rest_channels.observer.cascades"

LEFT = "_rest_channels_left"
"""Where `pre_delete` leaves what `post_delete` needs: which rows, and their groups before."""

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


Before = list[tuple[type[Model], Any, dict[Watcher, Groups]]]


def _deleting(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """A row is about to be deleted: find those that will lose it."""
    before: Before = []
    for model, field in _fields[sender._meta.concrete_model or sender]:
        if watchers := watching(model):
            for row in model._base_manager.using(using).filter(**{field.name: instance}):
                before.append(
                    (model, row.pk, {one: groups_of(one, row.pk, row) for one in watchers})
                )
    vars(instance._state)[LEFT] = before


def _deleted(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """It is deleted, and they have lost it."""
    for model, pk, before in vars(instance._state).pop(LEFT, ()):
        row = model._base_manager.using(using).filter(pk=pk).first()
        if row is not None:
            moves = {one: (groups, groups_of(one, pk, row)) for one, groups in before.items()}
            see(seen(model, pk, using, moves, row=row))
