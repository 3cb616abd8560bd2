"""A save between `pre_save` and `post_save`: the groups of the row before and after.

`signals` calls this module, and `changes` publishes the result at the commit.

The groups before are those of the stored row. Usually they are remembered with the instance. The
database is queried if the save changes the groups, writes only some fields, or writes to another
database than the one that the instance comes from.
"""

from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from django.db.models import Model

from .changes import PendingChange, pending_change
from .inheritance import ancestors, related_models, shared_parent, tables_of
from .keys import key_in, normalize_key
from .known_groups import forget_groups, recall_groups, sequence
from .registry import NO_GROUPS, ObserverGroups, RowObserver, active_observers, groups_of
from .snapshots import Snapshot, find_rows, snapshot_related

__all__ = ["Save", "begin_save", "end_save"]


@dataclass(eq=False, slots=True)
class Save:
    """One call of `Model.save`, with what Django's signals report of it."""

    sender: type[Model]
    instance: Any
    """Set only while it is used: a save that fails must not keep the instance alive."""
    using: str
    update_fields: Any
    raw: bool
    adding: bool
    """Whether the instance was new when the save began."""
    number: int = field(default_factory=lambda: next(sequence))
    observers: dict[type[Model], list[RowObserver]] = field(init=False)
    """The observed tables that are written, with their observers."""
    creation_recorded: bool = False
    """Whether a save within this one has recorded that the row is new."""
    before: ObserverGroups = field(default_factory=dict)
    stored: dict[type[Model], Any] = field(default_factory=dict)
    """The tables that had the row before → the row, or `None` if only its key was read."""
    related: Snapshot = field(default_factory=dict)
    """The rows of related models that share a table with this one."""

    def __post_init__(self) -> None:
        self.observers = ancestors(self.sender, raw=self.raw)

    # Before the row is written.

    def find_previous(self) -> None:
        """Find the groups that the row has before it is written."""
        if self.adding:
            self._find_overwritten()
        elif not self._recall():
            forget_groups(self.instance._state)
            if any(map(self._groups_need_row, self.observers)):
                rows = self.sender._base_manager.using(self.using)
                row = rows.filter(pk=self.instance.pk).first()
                for model in self.observers if row is not None else ():
                    self._add_stored(model, row)
        self._find_related()

    def _groups_need_row(self, model: type[Model]) -> bool:
        observers = self.observers[model]
        return any(each.groups_need_row and each.has_subscribers() for each in observers)

    def _find_overwritten(self) -> None:
        """Find rows that exist although the instance is new."""
        forget_groups(self.instance._state)
        own = self.sender._meta.concrete_model  # its `post_save` says whether the row is new
        for model, observers in self.observers.items():
            if not self._may_exist(model):
                continue
            whole = self._groups_need_row(model)
            if whole or (model is not own and any(each.has_subscribers() for each in observers)):
                keys = [key_in(model, self.instance)]
                for row in find_rows(model, keys, self.using, whole=whole).values():
                    self._add_stored(model, row)

    def _may_exist(self, model: type[Model]) -> bool:
        """Return whether `model` may have the row: Django inserts new rows with a default key."""
        if key_in(model, self.instance) is None:
            return False
        made = all(key.has_default() or key.has_db_default() for key in model._meta.pk_fields)
        return self.raw or not (self.adding and made)

    def _add_stored(self, model: type[Model], row: Any) -> None:
        self.stored[model] = row
        if row is not None:
            pk = normalize_key(model, key_in(model, row))
            for observer in self.observers[model]:
                if observer.groups_need_row:
                    self.before[observer] = groups_of(observer, pk, row)

    def _recall(self) -> bool:
        """Use the remembered groups. Return False if the database must be queried instead."""
        observers = [
            (model, observer)
            for model, observers in self.observers.items()
            for observer in observers
            if observer.groups_need_row
        ]
        instance = self.instance
        if observers and (instance._state.db != self.using or self._differs_from_row()):
            return False
        for model, observer in observers:
            known = recall_groups(instance._state, instance.pk, observer)
            pk = normalize_key(model, key_in(model, instance))
            if known is None or known != groups_of(observer, pk, instance):
                return False
            self.before[observer] = known
        return True

    def _is_partial(self) -> bool:
        return self.update_fields is not None or bool(self.instance.get_deferred_fields())

    def _differs_from_row(self) -> bool:
        """Return whether the instance may have other values than the row will have."""
        return self._is_partial() or _has_expressions(self.instance)

    def _find_related(self) -> None:
        tables = tables_of(self.sender, raw=self.raw)
        for model in related_models(tables):
            observers = active_observers(model)
            parent = shared_parent(model, tables)
            if observers and self._may_exist(parent):
                keys = [key_in(parent, self.instance)]
                self.related |= snapshot_related(model, parent, keys, self.using, observers)

    # After the row was written.

    def changes(self, created: bool, outer: "Save | None") -> list[PendingChange]:
        """Return what happened to the row. `outer` is the save that this one was made within.

        A receiver of the project may save a new row again before its creation is recorded here.
        Then the first save that ends records the creation.
        """
        first = self
        if outer is not None and outer.adding and not self.adding and not outer.creation_recorded:
            first, created, outer.creation_recorded = outer, True, True
        number = next(sequence) if self.creation_recorded else first.number
        changes = []
        for model, observers in self.observers.items():
            if (pk := key_in(model, self.instance)) is None:
                continue
            pk, row = normalize_key(model, pk), self._row_after(model)
            is_new = created and not self.creation_recorded and model not in first.stored
            moves = {}
            for observer in observers:
                after = groups_of(observer, pk, row)
                before = NO_GROUPS if is_new else first.before.get(observer, after)
                moves[observer] = before, after
            change = pending_change(model, pk, self.using, moves, row=self.instance, number=number)
            if row is self.instance and self._differs_from_row():
                change.state = None  # the groups of the row were not read, so forget them
            changes.append(change)
        return [*changes, *self._related_changes()]

    def _row_after(self, model: type[Model]) -> Any:
        """Return the row as it is stored now."""
        if not self._groups_need_row(model):
            return self.instance
        if _has_expressions(self.instance) or (self.raw and model._meta.parents):
            rows = model._base_manager.using(self.using)
            return rows.filter(pk=key_in(model, self.instance)).first() or self.instance
        row = self.stored.get(model)
        if row is None or not self._is_partial():
            return self.instance
        self._apply_to(row)
        return row

    def _related_changes(self) -> list[PendingChange]:
        changes = []
        for (model, pk), (stored, before) in self.related.items():
            row = stored
            if row is not None and _has_expressions(self.instance):
                row = model._base_manager.using(self.using).filter(pk=pk).first()
            elif row is not None:
                self._apply_to(row)
            moves = {each: (groups, groups_of(each, pk, row)) for each, groups in before.items()}
            change = pending_change(model, pk, self.using, moves, row=row, number=self.number)
            changes.append(change)
        return changes

    def _apply_to(self, row: Any) -> None:
        """Write the saved values to `row`, past any descriptor that rejects them."""
        tables, values = tables_of(self.sender, raw=self.raw), vars(self.instance)
        for column in row._meta.concrete_fields:
            names = {column.name, column.attname}
            written = self.update_fields is None or not names.isdisjoint(self.update_fields)
            if written and column.model in tables and column.attname in values:
                vars(row)[column.attname] = values[column.attname]
                if column.is_relation and column.is_cached(row):
                    column.delete_cached_value(row)


def _has_expressions(instance: Model) -> bool:
    """Return whether the database computes a value of the instance, as with `F("number") + 1`."""
    return any(hasattr(value, "resolve_expression") for value in vars(instance).values())


_running: WeakKeyDictionary[Any, list[Save]] = WeakKeyDictionary()
"""The `_state` of an instance → its saves that have begun, the innermost last.

A save that fails stays in the list, and is skipped. `post_save` belongs to the last save that began
with the same `update_fields` object, which both signals carry.
"""

MAX_RUNNING_SAVES = 8
"""How many saves are kept for each instance."""


def begin_save(save: Save) -> None:
    """Find the groups of the row before it is written."""
    saves = _running.setdefault(save.instance._state, [])
    if save.adding:  # no earlier save has succeeded
        saves.clear()
    saves.append(save)
    del saves[:-MAX_RUNNING_SAVES]
    try:
        save.find_previous()
    finally:
        save.instance = None


def end_save(instance: Model, update_fields: Any) -> tuple[Save | None, Save | None]:
    """Return the save that has ended, and the save it was made within."""
    saves = _running.get(instance._state, [])
    while saves:
        save = saves.pop()
        if save.update_fields is update_fields:
            save.instance = instance
            outer = saves[-1] if saves else None
            if outer is None:
                del _running[instance._state]
            return save, outer
    return None, None
