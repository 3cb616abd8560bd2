"""Rows that are saved and deleted, as Django's signals tell it.

A row has one truth, and several classes may stand for it: a model's proxies, and the parents of a
model in tables of their own. Whoever watches one of them hears of all.
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
from .inheritance import ancestors, key_of
from .registry import (
    NONE,
    Groups,
    Watcher,
    active_watchers,
    add_watcher,
    as_stored,
    groups_of,
    log_errors,
    needs_rows,
    recall,
    remember,
    subclasses_of,
    watched_models,
    watchers_of,
)
from .saves import Save, begin, end

__all__ = ["watch"]

UID = "rest_channels.observer"


def watch(watcher: Watcher) -> None:
    """Let `watcher` hear of all rows of its model, while it lives."""
    model = watcher.model._meta.concrete_model
    if model is None:
        raise TypeError(f"{watcher.model.__name__} is abstract: it has no rows to be observed.")
    add_watcher(model, watcher)
    for table in (model, *model._meta.get_parent_list()):
        for one in (table, *subclasses_of(table)):
            _connect(one, model)
    cascades.watch(model)
    if watcher.many_to_many:
        many_to_many.watch(model)


def _connect(sender: type[Model], model: type[Model]) -> None:
    """Hear what happens to instances of `sender`, which share a table with rows of `model`."""
    pre_save.connect(_saving, sender, dispatch_uid=UID)
    post_save.connect(_saved, sender, dispatch_uid=UID)
    if issubclass(sender, model):
        pre_delete.connect(_deleting, sender, dispatch_uid=UID)
        post_delete.connect(_deleted, sender, dispatch_uid=UID)
        if any(one.looks_at_rows for one in watchers_of(model)):
            post_init.connect(_made, sender, dispatch_uid=UID)


def _prepared(sender: type[Model], **kwargs: Any) -> None:
    """A model is defined after those who watch what it stands for."""
    for model in watched_models():
        if sender is not model and issubclass(sender, (model, *model._meta.get_parent_list())):
            _connect(sender, model)


class_prepared.connect(_prepared, dispatch_uid=UID)


# To know which groups a row leaves, one has to know where it was.


@log_errors
def _made(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    """An instance was made, or loaded: it remembers its groups. This is done for each that is."""
    pk = instance.pk
    if pk is None or instance.get_deferred_fields():
        return
    groups: dict[Watcher, Groups] = {}
    own = sender._meta.concrete_model
    for model in ancestors(sender):
        key = pk if model is own else key_of(model, instance)
        for watcher in watchers_of(model):
            if watcher.looks_at_rows:
                # It may be half made; then one looks when it is saved.
                with contextlib.suppress(Exception):
                    groups[watcher] = frozenset(watcher.groups_of(key, instance))
    if groups:
        remember(instance._state, pk, groups)


@log_errors
def _saving(
    sender: type[Model],
    instance: Model,
    using: str,
    update_fields: Any = None,
    raw: bool = False,
    **kwargs: Any,
) -> None:
    begin(Save(sender, instance, using, update_fields, raw, instance._state.adding))


@log_errors
def _saved(
    sender: type[Model],
    instance: Model,
    created: bool,
    using: str,
    update_fields: Any = None,
    raw: bool = False,
    **kwargs: Any,
) -> None:
    save, outer = end(instance, update_fields)
    if save is None:  # somebody has sent this signal without the other one
        save = Save(sender, instance, using, update_fields, raw, False)
    record(*save.written(created, outer))


_deletions: WeakKeyDictionary[Any, Model] = WeakKeyDictionary()
"""The `_state` of an instance that is being deleted → the row as it was stored."""


@log_errors
def _deleting(
    sender: type[Model], instance: Model, using: str, origin: Any = None, **kwargs: Any
) -> None:
    """A row is about to be deleted: once it is, nobody can ask where it was.

    What Django has loaded to be deleted is as it is stored. What a project has loaded may be old.
    """
    _deletions.pop(instance._state, None)  # of a deletion that failed
    model = sender._meta.concrete_model or sender
    watchers = active_watchers(model)
    looking = [one for one in watchers if one.looks_at_rows]
    pk = as_stored(model, instance.pk)
    if not instance.get_deferred_fields():
        given = isinstance(origin, model) and as_stored(model, key_of(model, origin)) == pk
        if not given and all(
            recall(instance._state, instance.pk, one) == groups_of(one, pk, instance)
            for one in looking
        ):
            return
    elif needs_rows(watchers):
        looking = watchers
    if looking and (row := model._base_manager.using(using).filter(pk=pk).first()) is not None:
        _deletions[instance._state] = row


@log_errors
def _deleted(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """A row is gone. Django tells of its rows in tables of parents by themselves."""
    model = sender._meta.concrete_model or sender
    stored = _deletions.pop(instance._state, instance)
    pk = as_stored(model, instance.pk)
    moves = {one: (groups_of(one, pk, stored), NONE) for one in watchers_of(model)}
    if moves:
        row = stored if instance.get_deferred_fields() else instance
        record(pending_change(model, pk, using, moves, row=row, exists=False))
