"""Receivers of Django's signals about rows that are loaded, saved and deleted.

Several models may stand for one row: the proxies of a model, and its parents in tables of their
own. An observer of one of them receives all changes of the row.
"""

import contextlib
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from django.db.models.signals import (
    class_prepared,
    post_delete,
    post_init,
    post_save,
    pre_delete,
    pre_save,
)

from . import cascades, many_to_many
from .changes import pending_change, record
from .inheritance import ancestors
from .instances import as_instance_of, with_values_of
from .keys import key_in, normalize_key
from .known_groups import recall_groups, remember_groups
from .registry import (
    NO_GROUPS,
    ObserverGroups,
    RowObserver,
    active_observers,
    add_observer,
    concrete_model,
    groups_of,
    log_errors,
    needs_rows,
    observed_models,
    observers_of,
    subclasses_of,
)
from .saves import Save, begin_save, end_save

__all__ = ["connect_observer"]

DISPATCH_UID = "rest_channels.observer"


def connect_observer(observer: RowObserver) -> None:
    """Record all changes of the rows of the observer's model, as long as the observer exists."""
    model = observer.model._meta.concrete_model
    if model is None:
        raise TypeError(
            f"{observer.model.__name__} is abstract and has no rows to observe: "
            "observe each of its subclasses."
        )
    add_observer(model, observer)
    for table in (model, *model._meta.get_parent_list()):
        for sender in (table, *subclasses_of(table)):
            _connect(sender, model)
    cascades.connect_cascades(model)
    if observer.many_to_many:
        many_to_many.connect_relations(model)


def _connect(sender: type[Model], model: type[Model]) -> None:
    """Receive the signals of `sender`, which shares a table with `model`."""
    pre_save.connect(_before_save, sender, dispatch_uid=DISPATCH_UID)
    post_save.connect(_after_save, sender, dispatch_uid=DISPATCH_UID)
    if issubclass(sender, model):
        pre_delete.connect(_before_delete, sender, dispatch_uid=DISPATCH_UID)
        post_delete.connect(_after_delete, sender, dispatch_uid=DISPATCH_UID)
        if any(observer.groups_need_row for observer in observers_of(model)):
            post_init.connect(_after_init, sender, dispatch_uid=DISPATCH_UID)


def _connect_new_model(sender: type[Model], **kwargs: Any) -> None:
    """Connect a model that is defined after an observer of its parent or of its base."""
    for model in observed_models():
        if sender is not model and issubclass(sender, (model, *model._meta.get_parent_list())):
            _connect(sender, model)


class_prepared.connect(_connect_new_model, dispatch_uid=DISPATCH_UID)


@log_errors
def _after_init(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    """Remember the groups of an instance that was made or loaded. This runs for every instance."""
    pk = instance.pk
    if pk is None or instance.get_deferred_fields():
        return
    groups: ObserverGroups = {}
    own = sender._meta.concrete_model
    for model, observers in ancestors(sender).items():
        key = pk if model is own else key_in(model, instance)
        for observer in observers:
            if observer.groups_need_row:
                # A new instance may be incomplete: then its row is read when it is saved.
                with contextlib.suppress(Exception):
                    shown = as_instance_of(observer.model, instance)
                    groups[observer] = frozenset(observer.groups_of(key, shown))
    if groups:
        remember_groups(instance._state, pk, groups)


@log_errors
def _before_save(
    sender: type[Model],
    instance: Model,
    using: str,
    update_fields: Any = None,
    raw: bool = False,
    **kwargs: Any,
) -> None:
    begin_save(Save(sender, instance, using, update_fields, raw, instance._state.adding))


@log_errors
def _after_save(
    sender: type[Model],
    instance: Model,
    created: bool,
    using: str,
    update_fields: Any = None,
    raw: bool = False,
    **kwargs: Any,
) -> None:
    save, outer = end_save(instance, update_fields)
    if save is None:  # the project sent this signal without `pre_save`
        save = Save(sender, instance, using, update_fields, raw, False)
    record(*save.changes(created, outer))


_stored_rows: WeakKeyDictionary[Any, Model] = WeakKeyDictionary()
"""The `_state` of an instance that is being deleted → the row as it was stored."""

_children: WeakKeyDictionary[BaseDatabaseWrapper, WeakValueDictionary[Any, Model]]
_children = WeakKeyDictionary()
"""A connection → the instances that it deletes, by the tables and keys of their parents."""


def _note_child(sender: type[Model], instance: Model, using: str) -> None:
    """Note the class of a row with parents: Django also deletes it as an instance of each."""
    own = concrete_model(sender)
    children = _children.setdefault(transaction.get_connection(using), WeakValueDictionary())
    for model in ancestors(sender):
        key = model, normalize_key(model, key_in(model, instance))
        if model is not own and not isinstance(children.get(key), sender):
            children[key] = instance


def _take_child(model: type[Model], pk: Any, using: str) -> Any:
    """Return the instance of the most derived class that is deleted with a row of `model`."""
    children = _children.get(transaction.get_connection(using))
    return None if children is None else children.pop((model, pk), None)


@log_errors
def _before_delete(
    sender: type[Model], instance: Model, using: str, origin: Any = None, **kwargs: Any
) -> None:
    """Read the row if the instance may have outdated groups.

    Instances that Django loads to delete them are up to date. Those of the project may be old.
    """
    _stored_rows.pop(instance._state, None)  # of a deletion that failed
    model = concrete_model(sender)
    if model._meta.parents:
        _note_child(sender, instance, using)
    observers = active_observers(model)
    need_row = [observer for observer in observers if observer.groups_need_row]
    pk = normalize_key(model, instance.pk)
    if not instance.get_deferred_fields():
        given = isinstance(origin, model) and normalize_key(model, key_in(model, origin)) == pk
        if not given and all(
            recall_groups(instance._state, instance.pk, observer)
            == groups_of(observer, pk, instance)
            for observer in need_row
        ):
            return
    elif needs_rows(observers):
        need_row = observers
    if need_row and (row := sender._base_manager.using(using).filter(pk=pk).first()) is not None:
        _stored_rows[instance._state] = row


@log_errors
def _after_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """Record a deleted row. Django sends further signals for its rows in parents' tables."""
    model = concrete_model(sender)
    stored = _stored_rows.pop(instance._state, instance)
    pk = normalize_key(model, instance.pk)
    if (child := _take_child(model, pk, using)) is not None:
        instance = stored = with_values_of(child, stored, model)
    moves = {each: (groups_of(each, pk, stored), NO_GROUPS) for each in observers_of(model)}
    if moves:
        row = stored if instance.get_deferred_fields() else instance
        record(pending_change(model, pk, using, moves, row=row, exists=False))
