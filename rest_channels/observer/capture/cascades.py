"""Rows that another row's deletion changes: `on_delete=SET_NULL`, `SET_DEFAULT` and `SET(…)`.

Django writes these rows in one query and sends no signal for them. It does send signals for the row
that is deleted.
"""

from typing import Any
from weakref import WeakKeyDictionary

from django.db.models import SET, SET_DEFAULT, SET_NULL, Model
from django.db.models.signals import post_delete, pre_delete

from .registry import RowObserver, active_observers, concrete_model, log_errors, with_proxies
from .snapshots import Snapshot, find_rows, lock_row, record_difference, snapshot_rows

__all__ = ["connect_cascades"]

DISPATCH_UID = "rest_channels.observer.cascades"

_fields: dict[type[Model], set[tuple[type[Model], Any]]] = {}
"""A model → the observed models, and their fields, that a deletion of its rows changes."""


def connect_cascades(model: type[Model]) -> None:
    """Record the changes of `model` that deletions of other rows cause."""
    for field in model._meta.concrete_fields:
        if _is_set_on_delete(field):
            related: Any = field.related_model
            target: type[Model] = related._meta.concrete_model
            _fields.setdefault(target, set()).add((model, field))
            for sender in with_proxies(target):
                pre_delete.connect(_before_delete, sender, dispatch_uid=DISPATCH_UID)
                post_delete.connect(_after_delete, sender, dispatch_uid=DISPATCH_UID)


def _is_set_on_delete(field: Any) -> bool:
    on_delete = getattr(getattr(field, "remote_field", None), "on_delete", None)
    made_by_set = getattr(on_delete, "__qualname__", "").startswith(f"{SET.__name__}.<locals>")
    return on_delete in (SET_NULL, SET_DEFAULT) or made_by_set


_referring_rows: WeakKeyDictionary[Any, list[tuple[type[Model], list[RowObserver], Snapshot]]]
_referring_rows = WeakKeyDictionary()
"""The `_state` of an instance that is being deleted → the rows of each model that refer to it."""


@log_errors
def _before_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """Find the rows that refer to the row that is about to be deleted."""
    referring: list[tuple[type[Model], list[RowObserver], Snapshot]] = []
    _referring_rows[instance._state] = referring
    for model, field in _fields.get(concrete_model(sender), ()):
        if observers := active_observers(model):
            if not referring:
                lock_row(concrete_model(sender), instance.pk, using)
            rows = model._base_manager.using(using).filter(**{field.name: instance})
            before = snapshot_rows(model, {row.pk: row for row in rows}, observers)
            referring.append((model, observers, before))


@log_errors
def _after_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """Record the changes of the rows that referred to the deleted row, and still exist."""
    for model, observers, before in _referring_rows.pop(instance._state, ()):
        rows = find_rows(model, [pk for _model, pk in before], using, whole=True)
        after = snapshot_rows(model, rows, observers)
        record_difference({key: before[key] for key in after}, after, using)
