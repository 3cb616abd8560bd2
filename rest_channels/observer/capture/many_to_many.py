"""Many-to-many relations, as changes of the rows at both ends.

Django sends `m2m_changed` for changes through the manager of a relation. It does not send it when
the row at the other end is deleted. For a project's own `through` model it sends the signals of the
rows that are saved and deleted.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from django.db.models import ManyToManyField, Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from .inheritance import related_models
from .keys import key_in
from .registry import RowObserver, active_observers, concrete_model, log_errors, with_proxies
from .snapshots import lock_row, record_difference, take_snapshot

__all__ = ["connect_relations"]

DISPATCH_UID = "rest_channels.observer.relations"


class End(NamedTuple):
    """One end of a relation."""

    model: type[Model]
    foreign_key: Any
    """The field of the `through` model that refers to this end."""

    @property
    def column(self) -> str:
        """The column that the foreign key refers to: usually the primary key."""
        return str(self.foreign_key.target_field.attname)

    def has_active_observers(self) -> bool:
        """Return whether changed relations of these rows may have subscribers."""
        models = (self.model, *related_models([self.model]))
        return any(active_observers(model, _includes_relations) for model in models)

    def record_updates(self, values: Iterable[Any], using: str) -> None:
        """Record a change of the rows that these values of the foreign key refer to."""
        values = [value for value in dict.fromkeys(values) if value is not None]
        if not values or not self.has_active_observers():
            return
        pk: Any = self.model._meta.pk
        if self.foreign_key.target_field != pk:
            rows = self.model._base_manager.using(using).filter(**{f"{self.column}__in": values})
            values = list(rows.values_list("pk", flat=True))
        model, condition = self.model, _includes_relations
        snapshot = take_snapshot(model, values, using, tables=[model], condition=condition)
        record_difference(snapshot, snapshot, using)  # the rows stay in their groups

    def value_of(self, instance: Model) -> Any:
        """Return the value of a foreign key that refers to `instance`."""
        is_key = self.foreign_key.target_field.primary_key
        return key_in(self.model, instance) if is_key else getattr(instance, self.column)


class Relation(NamedTuple):
    """The two ends of a many-to-many field."""

    source: End
    target: End

    def ends(self, reverse: bool) -> tuple[End, End]:
        """Return the near and the far end, seen from the source, or in `reverse`."""
        return (self.target, self.source) if reverse else (self.source, self.target)


_relations: dict[type[Model], dict[Any, Relation]] = {}
"""A `through` model → its relations by field: several fields may share one model."""


def connect_relations(model: type[Model]) -> None:
    """Record changes of the many-to-many relations of `model`."""
    for field in model._meta.get_fields(include_hidden=True):
        forward: Any = field if isinstance(field, ManyToManyField) else field.remote_field
        if not isinstance(forward, ManyToManyField):
            continue
        through: Any = forward.remote_field.through
        source, target = forward.m2m_field_name(), forward.m2m_reverse_field_name()
        relation = _relations.setdefault(through, {})[forward] = Relation(
            End(concrete_model(forward.model), through._meta.get_field(source)),
            End(concrete_model(forward.remote_field.model), through._meta.get_field(target)),
        )
        m2m_changed.connect(_relation_changed, through, dispatch_uid=DISPATCH_UID)
        if through._meta.auto_created:
            for end in relation:
                for sender in with_proxies(end.model):
                    pre_delete.connect(_before_delete, sender, dispatch_uid=DISPATCH_UID)
        else:
            pre_save.connect(_before_through_save, through, dispatch_uid=DISPATCH_UID)
            post_save.connect(_after_through_change, through, dispatch_uid=DISPATCH_UID)
            post_delete.connect(_after_through_change, through, dispatch_uid=DISPATCH_UID)


def _includes_relations(observer: RowObserver) -> bool:
    return observer.many_to_many


@log_errors
def _relation_changed(
    sender: type[Model],
    instance: Model,
    action: str,
    reverse: bool,
    pk_set: set[Any] | None,
    using: str,
    **kwargs: Any,
) -> None:
    """Record rows that are added to a relation of `instance`, or are about to be removed.

    Rows are recorded before a removal, because afterwards they are unknown. Removals from a
    project's own `through` model are not recorded here: it sends `post_delete` for each row.
    """
    for relation in _relations[sender].values():
        near, far = relation.ends(reverse)
        if not isinstance(instance, near.model) or not (
            near.has_active_observers() or far.has_active_observers()
        ):
            continue
        values: Iterable[Any] = ()
        if action == "post_add":
            values = pk_set or ()
        elif action in ("pre_remove", "pre_clear") and sender._meta.auto_created:
            values = _related_values(sender, near, far, instance, using, pk_set)
        if values := sorted(values, key=str):
            near.record_updates([near.value_of(instance)], using)
            far.record_updates(values, using)


def _related_values(
    through: type[Model],
    near: End,
    far: End,
    instance: Model,
    using: str,
    among: Iterable[Any] | None = None,
) -> list[Any]:
    """Lock `instance`, and return the foreign keys to the far end of its related rows."""
    lock_row(near.model, key_in(near.model, instance), using)
    lookup = {near.foreign_key.attname: near.value_of(instance)}
    if among is not None:
        lookup[f"{far.foreign_key.attname}__in"] = among
    rows = through._base_manager.using(using).filter(**lookup)
    return list(rows.values_list(far.foreign_key.attname, flat=True))


@log_errors
def _before_delete(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """Record the rows that are related to a row that is about to be deleted."""
    for through, relations in _relations.items():
        for relation in relations.values() if through._meta.auto_created else ():
            for reverse in (False, True):
                near, far = relation.ends(reverse)
                if concrete_model(sender) is near.model and far.has_active_observers():
                    values = _related_values(through, near, far, instance, using)
                    far.record_updates(values, using)


_previous_values: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""The `_state` of a `through` instance that is being saved → its foreign keys before."""


@log_errors
def _before_through_save(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """Read the stored foreign keys of a `through` row: the save may change them."""
    _previous_values.pop(instance._state, None)
    ends = [end for relation in _relations[sender].values() for end in relation]
    new = instance._state.adding and sender._meta.pk.has_default()
    if instance.pk is not None and not new and any(end.has_active_observers() for end in ends):
        rows = sender._base_manager.using(using).filter(pk=instance.pk)
        names = {end.foreign_key.attname for end in ends}
        _previous_values[instance._state] = rows.values(*names).first() or {}


@log_errors
def _after_through_change(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    """Record the rows at all ends of a `through` row that was saved or deleted."""
    before = _previous_values.pop(instance._state, {})
    ends = (end for relation in _relations[sender].values() for end in relation)
    for end in dict.fromkeys(ends):
        name = end.foreign_key.attname
        end.record_updates([before.get(name), getattr(instance, name)], using)
