"""Rows that are saved and deleted, as Django's signals tell it.

A row has one truth, and several classes may stand for it: a model's proxies, and the parents of a
model in tables of their own. Whoever watches one of them hears of all.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db.models import Model
from django.db.models.signals import (
    class_prepared,
    post_delete,
    post_init,
    post_save,
    pre_save,
)

from . import cascades, changes, relations
from .changes import (
    NONE,
    Groups,
    Watcher,
    below,
    classes_of,
    groups_of,
    recall,
    remember,
    see,
    see_rows,
    seen,
    watching,
)

__all__ = ["watch"]

UID = "rest_channels.observer"

PLAN = "_rest_channels_plan"
"""Where `pre_save` leaves what `post_save` needs: before → after, by watcher."""


def watch(watcher: Watcher) -> None:
    """Let `watcher` hear of all rows of its model, while it lives."""
    model = watcher.model._meta.concrete_model
    if model is None:
        raise TypeError(f"{watcher.model.__name__} is abstract: it has no rows to be observed.")
    changes.add_watcher(model, watcher)
    for one in (model, *below(model)):
        _connect(one, looks=watcher.looks_at_rows)
    for parent in model._meta.get_parent_list():
        for one in classes_of(parent):
            post_save.connect(_saved, one, dispatch_uid=UID)
    cascades.watch(model)
    if watcher.many_to_many:
        relations.watch(model)


def _connect(model: type[Model], *, looks: bool) -> None:
    post_save.connect(_saved, model, dispatch_uid=UID)
    post_delete.connect(_deleted, model, dispatch_uid=UID)
    if looks:
        post_init.connect(_made, model, dispatch_uid=UID)
        pre_save.connect(_saving, model, dispatch_uid=UID)


def _prepared(sender: type[Model], **kwargs: Any) -> None:
    """A model is defined after those who watch what it stands for."""
    for model in changes.watched():
        if issubclass(sender, model) and sender is not model:
            _connect(sender, looks=True)


class_prepared.connect(_prepared, dispatch_uid=UID)


def _lineage(model: type[Model]) -> Iterator[type[Model]]:
    """The watched models that a row of `model` is a row of."""
    concrete = model._meta.concrete_model
    if concrete is not None:
        for one in (concrete, *concrete._meta.get_parent_list()):
            if watching(one):
                yield one


def _key(model: type[Model], instance: Model) -> Any:
    """The primary key of `instance` as a row of `model`, which may be a parent of its own."""
    pk = model._meta.pk
    return None if pk is None else getattr(instance, pk.attname)


# To know which groups a row leaves, one has to know where it was.


def _made(sender: type[Model], instance: Model, **kwargs: Any) -> None:
    """An instance was made, or loaded: it remembers its groups."""
    if instance.pk is None or instance.get_deferred_fields():
        return
    groups: dict[Watcher, Groups] = {}
    for model in _lineage(sender):
        for watcher in watching(model):
            if watcher.looks_at_rows:
                # It may be half made; then one looks when it is saved.
                with contextlib.suppress(Exception):
                    groups[watcher] = frozenset(watcher.groups_of(instance.pk, instance))
    remember(instance._state, groups)


def _saving(
    sender: type[Model], instance: Model, using: str, update_fields: Any = None, **kwargs: Any
) -> None:
    """An instance is about to be saved: find out whether that moves it.

    Mostly it is in the groups that it remembers. Else the database is asked where it was: the
    instance may have been refreshed, or saved in a transaction that was rolled back.
    """
    looking = [one for model in _lineage(sender) for one in watching(model) if one.looks_at_rows]
    if not looking or instance._state.adding:
        return
    known = recall(instance._state)
    if not instance.get_deferred_fields() and all(
        known.get(id(one)) == groups_of(one, instance.pk, instance) for one in looking
    ):
        return
    stored = sender._base_manager.using(using).filter(pk=instance.pk).first()
    if stored is None:
        return
    before = {one: groups_of(one, stored.pk, stored) for one in looking}
    for column in sender._meta.concrete_fields:
        written = update_fields is None or not {column.name, column.attname}.isdisjoint(
            update_fields
        )
        if written and column.attname in vars(instance):
            setattr(stored, column.attname, vars(instance)[column.attname])
    after = {one: groups_of(one, stored.pk, stored) for one in looking}
    vars(instance._state)[PLAN] = {one: (before[one], after[one]) for one in looking}


def _saved(sender: type[Model], instance: Model, created: bool, using: str, **kwargs: Any) -> None:
    plan = vars(instance._state).pop(PLAN, {})
    for model in _lineage(sender):
        pk = _key(model, instance)
        moves = {}
        for watcher in watching(model):
            if watcher in plan and not created:
                moves[watcher] = plan[watcher]
            else:
                groups = groups_of(watcher, pk, instance)
                moves[watcher] = (NONE if created else groups, groups)
        see(seen(model, pk, using, moves, row=instance))
    if not created:
        concrete = sender._meta.concrete_model
        for model in changes.watched():
            if concrete in model._meta.get_parent_list() and watching(model):
                see_rows(model, [instance.pk], using)


def _deleted(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """A row is gone. Django tells of its rows in tables of parents by themselves."""
    model = sender._meta.concrete_model
    if model is None:
        return
    known = recall(instance._state)
    moves: dict[Watcher, tuple[Groups, Groups]] = {}
    for watcher in watching(model):
        groups = known.get(id(watcher))
        moves[watcher] = (
            groups_of(watcher, instance.pk, instance) if groups is None else groups,
            NONE,
        )
    if moves:
        see(seen(model, instance.pk, using, moves, row=instance, exists=False))
