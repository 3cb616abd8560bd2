"""Many-to-many relations: whom a row is related to, seen from both sides.

Django has a signal for what is done through a relation's manager. It has none where the row at
the other end is deleted, and none of its kind where a project has a model of its own in between.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db.models import ManyToManyField, Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete

from .family import see_rows
from .watchers import Watcher, watching

__all__ = ["watch"]

UID = "rest_channels.observer.relations"


class Relation(NamedTuple):
    """A table in between, with the names of its two foreign keys."""

    source: type[Model]
    source_key: str
    target: type[Model]
    target_key: str


_relations: dict[type[Model], Relation] = {}


def watch(model: type[Model]) -> None:
    """See to it that who watches `model`, with its relations, hears of those."""
    for field in model._meta.get_fields():
        forward: Any = field if isinstance(field, ManyToManyField) else field.remote_field
        if not isinstance(forward, ManyToManyField):
            continue
        through: Any = forward.remote_field.through
        _relations[through] = Relation(
            _concrete(forward.model),
            forward.m2m_field_name(),
            _concrete(forward.remote_field.model),
            forward.m2m_reverse_field_name(),
        )
        m2m_changed.connect(_changed, through, dispatch_uid=UID)
        if through._meta.auto_created:
            other = _relations[through].target if field is forward else _relations[through].source
            pre_delete.connect(_deleting, other, dispatch_uid=UID)
        else:
            post_save.connect(_linked, through, dispatch_uid=UID)
            post_delete.connect(_linked, through, dispatch_uid=UID)


def _concrete(model: type[Model]) -> type[Model]:
    return model._meta.concrete_model or model  # an abstract one has no relations


def _see(model: type[Model], pks: Iterable[Any], using: str) -> None:
    see_rows(model, pks, using, lambda watcher: watcher.many_to_many)


def _related(model: type[Model]) -> list[Watcher]:
    return [one for one in watching(model) if one.many_to_many]


def _changed(
    sender: type[Model],
    instance: Model,
    action: str,
    reverse: bool,
    pk_set: set[Any] | None,
    using: str,
    **kwargs: Any,
) -> None:
    """Rows were added to a relation of `instance`, or removed; or all of them are about to be."""
    relation = _relations[sender]
    here, there = (relation.target, relation.source) if reverse else relation[::2]
    if action == "pre_clear":
        pk_set = _others(sender, here, instance.pk, using, reverse=reverse)
    elif action not in ("post_add", "post_remove"):
        return
    if pk_set:
        _see(here, [instance.pk], using)
        _see(there, sorted(pk_set, key=str), using)


def _others(
    through: type[Model], here: type[Model], pk: Any, using: str, *, reverse: bool
) -> set[Any]:
    """The keys of all rows that this one is related to."""
    relation = _relations[through]
    own, other = relation.source_key, relation.target_key
    if reverse:
        own, other = other, own
    rows = through._base_manager.using(using).filter(**{own: pk})
    return set(rows.values_list(f"{other}_id", flat=True))


def _deleting(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """A row is about to be deleted: those related to it will not be."""
    for through, relation in _relations.items():
        if not through._meta.auto_created:
            continue
        for reverse in (False, True):
            here, there = (relation.target, relation.source) if reverse else relation[::2]
            if issubclass(sender, here) and _related(there):
                _see(there, _others(through, here, instance.pk, using, reverse=reverse), using)


def _linked(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """A row in between was saved or deleted by itself."""
    relation = _relations[sender]
    _see(relation.source, [getattr(instance, f"{relation.source_key}_id")], using)
    _see(relation.target, [getattr(instance, f"{relation.target_key}_id")], using)
