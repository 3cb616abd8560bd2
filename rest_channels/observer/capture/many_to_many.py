"""Many-to-many relations: whom a row is related to, seen from both sides.

Django has a signal for what is done through a relation's manager. It has none where the row at
the other end is deleted, and none of its kind where a project has a model of its own in between:
of that, rows are saved and deleted.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from django.db.models import ManyToManyField, Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from .inheritance import key_of, record_rows, related_models
from .registry import Watcher, active_watchers, classes_of, log_errors

__all__ = ["watch"]

UID = "rest_channels.observer.relations"


class Side(NamedTuple):
    """One end of a relation."""

    model: type[Model]
    link: Any
    """The foreign key, of the table in between, that leads there."""

    @property
    def column(self) -> str:
        """What that key refers to: mostly, but not always, the primary key."""
        name: str = self.link.target_field.attname
        return name

    def has_subscribers(self) -> bool:
        """Whether anybody may hear of whom these rows are related to."""
        return any(
            active_watchers(one, _cares) for one in (self.model, *related_models([self.model]))
        )

    def see(self, values: Iterable[Any], using: str) -> None:
        """The rows to which these values of the foreign key lead have other relations now."""
        values = [one for one in dict.fromkeys(values) if one is not None]
        if not values or not self.has_subscribers():
            return
        pk: Any = self.model._meta.pk
        if self.link.target_field != pk:
            rows = self.model._base_manager.using(using).filter(**{f"{self.column}__in": values})
            values = list(rows.values_list("pk", flat=True))
        record_rows(self.model, values, using, _cares)


class Relation(NamedTuple):
    """A table in between, and its two ends."""

    source: Side
    target: Side

    def sides(self, reverse: bool) -> tuple[Side, Side]:
        """Here and there."""
        return (self.target, self.source) if reverse else (self.source, self.target)


_relations: dict[type[Model], dict[Any, Relation]] = {}
"""A table in between → its relations, by their fields: it may be that of several."""


def watch(model: type[Model]) -> None:
    """See to it that who watches `model`, with its relations, hears of those."""
    for field in model._meta.get_fields(include_hidden=True):
        forward: Any = field if isinstance(field, ManyToManyField) else field.remote_field
        if not isinstance(forward, ManyToManyField):
            continue
        through: Any = forward.remote_field.through
        link, reverse_link = forward.m2m_field_name(), forward.m2m_reverse_field_name()
        relation = _relations.setdefault(through, {})[forward] = Relation(
            Side(_concrete(forward.model), through._meta.get_field(link)),
            Side(_concrete(forward.remote_field.model), through._meta.get_field(reverse_link)),
        )
        m2m_changed.connect(_changed, through, dispatch_uid=UID)
        if through._meta.auto_created:
            for side in relation:
                for one in classes_of(side.model):
                    pre_delete.connect(_deleting, one, dispatch_uid=UID)
        else:
            pre_save.connect(_linking, through, dispatch_uid=UID)
            post_save.connect(_linked, through, dispatch_uid=UID)
            post_delete.connect(_linked, through, dispatch_uid=UID)


def _concrete(model: type[Model]) -> type[Model]:
    return model._meta.concrete_model or model  # an abstract one has no relations


def _cares(watcher: Watcher) -> bool:
    return watcher.many_to_many


# By a relation's manager.


@log_errors
def _changed(
    sender: type[Model],
    instance: Model,
    action: str,
    reverse: bool,
    pk_set: set[Any] | None,
    using: str,
    **kwargs: Any,
) -> None:
    """Rows were added to a relation of `instance`; or are about to be removed.

    Whether they are related at all is not known after that. What is removed from a table of the
    project's own is deleted there row by row, and told as that.
    """
    for relation in _relations[sender].values():
        here, there = relation.sides(reverse)
        if not isinstance(instance, here.model) or not (
            here.has_subscribers() or there.has_subscribers()
        ):
            continue
        others: Iterable[Any] = ()
        if action == "post_add":
            others = pk_set or ()
        elif action in ("pre_remove", "pre_clear") and sender._meta.auto_created:
            others = _others(sender, here, there, instance, using, pk_set)
        if others := sorted(others, key=str):
            here.see([_end(here, instance)], using)
            there.see(others, using)


def _end(side: Side, instance: Model) -> Any:
    """What a foreign key to `instance` has for a value."""
    target = side.link.target_field
    return key_of(side.model, instance) if target.primary_key else getattr(instance, side.column)


def _others(
    through: type[Model],
    here: Side,
    there: Side,
    instance: Model,
    using: str,
    among: Iterable[Any] | None = None,
) -> list[Any]:
    """What leads to the rows that this one is related to."""
    links = {here.link.attname: _end(here, instance)}
    if among is not None:
        links[f"{there.link.attname}__in"] = among
    rows = through._base_manager.using(using).filter(**links)
    return list(rows.values_list(there.link.attname, flat=True))


# By deletions, and rows of a project's own tables in between.


@log_errors
def _deleting(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """A row is about to be deleted: those related to it will not be."""
    for through, relations in _relations.items():
        for relation in relations.values() if through._meta.auto_created else ():
            for reverse in (False, True):
                here, there = relation.sides(reverse)
                if _concrete(sender) is here.model and there.has_subscribers():
                    there.see(_others(through, here, there, instance, using), using)


_ends: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""The `_state` of a row in between that is being saved → where its foreign keys led before."""


@log_errors
def _linking(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """A row in between is about to be saved: it may leave its ends for others."""
    _ends.pop(instance._state, None)
    sides = [side for relation in _relations[sender].values() for side in relation]
    new = instance._state.adding and sender._meta.pk.has_default()
    if instance.pk is not None and not new and any(side.has_subscribers() for side in sides):
        rows = sender._base_manager.using(using).filter(pk=instance.pk)
        names = {side.link.attname for side in sides}
        _ends[instance._state] = rows.values(*names).first() or {}


@log_errors
def _linked(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """A row in between was saved or deleted by itself."""
    before = _ends.pop(instance._state, {})
    seen: set[Side] = set()
    for relation in _relations[sender].values():
        for side in relation:
            if side not in seen:
                seen.add(side)
                name = side.link.attname
                side.see([before.get(name), getattr(instance, name)], using)
