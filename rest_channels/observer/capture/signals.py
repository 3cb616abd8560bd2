"""Receivers of Django's signals about rows that are loaded, saved and deleted.

Several models may stand for one row: the proxies of a model, and its parents in tables of their
own. A watcher of one of them receives all changes of the row.
"""

import contextlib
from typing import Any
from weakref import WeakKeyDictionary

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
from .keys import key_in, normalize_key
from .memory import recall_groups, remember_groups
from .registry import (
    NO_GROUPS,
    Watcher,
    WatcherGroups,
    active_watchers,
    add_watcher,
    concrete_model,
    groups_of,
    log_errors,
    needs_rows,
    subclasses_of,
    watched_models,
    watchers_of,
)
from .saves import Save, begin_save, end_save

__all__ = ["watch"]

UID = "rest_channels.observer"


def watch(watcher: Watcher) -> None:
    """Record all changes of the rows of the watcher's model, as long as the watcher exists."""
    model = watcher.model._meta.concrete_model
    if model is None:
        raise TypeError(
            f"{watcher.model.__name__} is abstract and has no rows to observe: "
            "observe each of its subclasses."
        )
    add_watcher(model, watcher)
    for table in (model, *model._meta.get_parent_list()):
        for sender in (table, *subclasses_of(table)):
            _connect(sender, model)
    cascades.watch(model)
    if watcher.many_to_many:
        many_to_many.watch(model)


def _connect(sender: type[Model], model: type[Model]) -> None:
    """Receive the signals of `sender`, which shares a table with `model`."""
    pre_save.connect(_before_save, sender, dispatch_uid=UID)
    post_save.connect(_after_save, sender, dispatch_uid=UID)
    if issubclass(sender, model):
        pre_delete.connect(_before_delete, sender, dispatch_uid=UID)
        post_delete.connect(_after_delete, sender, dispatch_uid=UID)
        if any(watcher.groups_need_row for watcher in watchers_of(model)):
            post_init.connect(_after_init, sender, dispatch_uid=UID)


def _connect_new_model(sender: type[Model], **kwargs: Any) -> None:
    """Connect a model that is defined after a watcher of its parent or of its base."""
    for model in watched_models():
        if sender is not model and issubclass(sender, (model, *model._meta.get_parent_list())):
            _connect(sender, model)


class_prepared.connect(_connect_new_model, dispatch_uid=UID)


@log_errors
def _after_init(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    """Remember the groups of an instance that was made or loaded. This runs for every instance."""
    pk = instance.pk
    if pk is None or instance.get_deferred_fields():
        return
    groups: WatcherGroups = {}
    own = sender._meta.concrete_model
    for model, watchers in ancestors(sender).items():
        key = pk if model is own else key_in(model, instance)
        for watcher in watchers:
            if watcher.groups_need_row:
                # A new instance may be incomplete: then its row is read when it is saved.
                with contextlib.suppress(Exception):
                    groups[watcher] = frozenset(watcher.groups_of(key, instance))
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


@log_errors
def _before_delete(
    sender: type[Model], instance: Model, using: str, origin: Any = None, **kwargs: Any
) -> None:
    """Read the row if the instance may have outdated groups.

    Instances that Django loads to delete them are up to date. Those of the project may be old.
    """
    _stored_rows.pop(instance._state, None)  # of a deletion that failed
    model = concrete_model(sender)
    watchers = active_watchers(model)
    need_row = [watcher for watcher in watchers if watcher.groups_need_row]
    pk = normalize_key(model, instance.pk)
    if not instance.get_deferred_fields():
        given = isinstance(origin, model) and normalize_key(model, key_in(model, origin)) == pk
        if not given and all(
            recall_groups(instance._state, instance.pk, watcher) == groups_of(watcher, pk, instance)
            for watcher in need_row
        ):
            return
    elif needs_rows(watchers):
        need_row = watchers
    if need_row and (row := model._base_manager.using(using).filter(pk=pk).first()) is not None:
        _stored_rows[instance._state] = row


@log_errors
def _after_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """Record a deleted row. Django sends further signals for its rows in parents' tables."""
    model = concrete_model(sender)
    stored = _stored_rows.pop(instance._state, instance)
    pk = normalize_key(model, instance.pk)
    moves = {each: (groups_of(each, pk, stored), NO_GROUPS) for each in watchers_of(model)}
    if moves:
        row = stored if instance.get_deferred_fields() else instance
        record(pending_change(model, pk, using, moves, row=row, exists=False))
