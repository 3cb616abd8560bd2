"""A save between `pre_save` and `post_save`: where the row was before, and where it is after.

What is stored counts, not what an instance has been through. An instance's memory is believed
where it is saved whole, unmoved, to the database it comes from; else the database is asked.
"""

from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from django.db.models import Model

from .changes import PendingChange, pending_change
from .inheritance import ancestors, find, key_of, related_models, shared_parent, tables_of
from .registry import (
    NONE,
    Groups,
    Watcher,
    active_watchers,
    as_stored,
    clock,
    forget,
    groups_of,
    needs_rows,
    recall,
    watchers_of,
)

__all__ = ["Save", "begin", "end"]

Before = dict[Watcher, Groups]


@dataclass(eq=False, slots=True)
class Save:
    """One call of `save`. In: what Django's signals say of it."""

    sender: type[Model]
    instance: Any
    """Held only while one looks at it: it would be kept alive by a save that failed."""
    using: str
    update_fields: Any
    raw: bool
    adding: bool
    """Whether the instance was new when it began."""
    began: int = field(default_factory=lambda: next(clock))
    told: bool = False
    """Whether a save within this one has told that the row is new."""
    before: Before = field(default_factory=dict)
    stored: dict[type[Model], Any] = field(default_factory=dict)
    """The tables in which the row was there already → the row, as far as it was asked for."""
    relatives: list[tuple[type[Model], Any, Any, Before]] = field(default_factory=list)
    """Rows of children and their siblings: model, key, the row, its groups."""

    # Before it is written.

    def look(self) -> None:
        """Find out where the row is."""
        models = ancestors(self.sender, raw=self.raw)
        if self.adding:
            self._look_for_rows_saved_over(models)
        elif not self._remembered(models):
            forget(self.instance._state)
            if any(one.looks_at_rows for model in models for one in active_watchers(model)):
                rows = self.sender._base_manager.using(self.using)
                row = rows.filter(pk=self.instance.pk).first()
                for model in models if row is not None else ():
                    self._found(model, row)
        self._look_for_relatives()

    def _look_for_rows_saved_over(self, models: list[type[Model]]) -> None:
        forget(self.instance._state)
        own = self.sender._meta.concrete_model  # of which Django says whether it is created
        for model in models:
            watchers = active_watchers(model)
            looks = any(one.looks_at_rows for one in watchers)
            if self._may_exist(model) and (looks or (watchers and model is not own)):
                found = find(model, [key_of(model, self.instance)], self.using, whole=looks)
                for row in found.values():
                    self._found(model, row)

    def _may_exist(self, model: type[Model]) -> bool:
        """Whether the row may be in that table. Django inserts new ones whose key has a default."""
        if key_of(model, self.instance) is None:
            return False
        made = all(one.has_default() or one.has_db_default() for one in model._meta.pk_fields)
        return self.raw or not (self.adding and made)

    def _found(self, model: type[Model], row: Any) -> None:
        self.stored[model] = row
        if row is not None:
            looking = [one for one in watchers_of(model) if one.looks_at_rows]
            self.before |= _groups(looking, model, row)

    def _remembered(self, models: list[type[Model]]) -> bool:
        """Whether there is nothing that the database has to be asked."""
        watchers = [(model, one) for model in models for one in watchers_of(model)]
        looking = [(model, one) for model, one in watchers if one.looks_at_rows]
        instance = self.instance
        if not looking:
            return True
        if self._is_partial() or instance._state.db != self.using or _has_expressions(instance):
            return False
        for model, one in looking:
            known = recall(instance._state, instance.pk, one)
            if known is None or known != _groups([one], model, instance)[one]:
                return False
            self.before[one] = known
        return True

    def _is_partial(self) -> bool:
        return self.update_fields is not None or bool(self.instance.get_deferred_fields())

    def _is_unknown(self) -> bool:
        """Whether the instance does not say what is stored."""
        return self._is_partial() or _has_expressions(self.instance)

    def _look_for_relatives(self) -> None:
        tables = tables_of(self.sender, raw=self.raw)
        for model in related_models(tables):
            watchers = active_watchers(model)
            table = shared_parent(model, tables)
            if watchers and self._may_exist(table):
                column = table._meta.pk.attname
                whole = needs_rows(watchers)
                keys = [key_of(table, self.instance)]
                found = find(model, keys, self.using, whole=whole, column=column)
                for pk, row in found.items():
                    before = {one: groups_of(one, pk, row) for one in watchers}
                    self.relatives.append((model, pk, row, before))

    # After it was written.

    def written(self, created: bool, outer: "Save | None") -> list[PendingChange]:
        """What happened. In: `outer`, the save that this one was made within.

        A receiver of the project's may save a new row again before we hear that it is new. Then
        this is told of the first save that ends.
        """
        first = self
        if outer is not None and outer.adding and not self.adding and not outer.told:
            first, created, outer.told = outer, True, True
        began = next(clock) if self.told else first.began
        told = []
        for model in ancestors(self.sender, raw=self.raw):
            if (pk := key_of(model, self.instance)) is None:
                continue
            row = self._after(model)
            is_new = created and not self.told and model not in first.stored
            moves = {}
            for watcher in watchers_of(model):
                after = groups_of(watcher, as_stored(model, pk), row)
                before = NONE if is_new else first.before.get(watcher, after)
                moves[watcher] = before, after
            one = pending_change(model, pk, self.using, moves, row=self.instance, began=began)
            if row is self.instance and self._is_unknown():
                one.state = None  # where it is was not looked for, and is not to be remembered
            told.append(one)
        return [*told, *self._relatives_after()]

    def _after(self, model: type[Model]) -> Any:
        """The row as it is stored now."""
        if not any(one.looks_at_rows for one in active_watchers(model)):
            return self.instance
        if _has_expressions(self.instance) or (self.raw and model._meta.parents):
            rows = model._base_manager.using(self.using)
            return rows.filter(pk=key_of(model, self.instance)).first() or self.instance
        row = self.stored.get(model)
        if row is None or not self._is_partial():
            return self.instance
        self._write(row)
        return row

    def _relatives_after(self) -> list[PendingChange]:
        told = []
        for model, pk, stored, before in self.relatives:
            row = stored
            if row is not None and _has_expressions(self.instance):
                row = model._base_manager.using(self.using).filter(pk=pk).first()
            elif row is not None:
                self._write(row)
            moves = {one: (groups, groups_of(one, pk, row)) for one, groups in before.items()}
            told.append(pending_change(model, pk, self.using, moves, row=row, began=self.began))
        return told

    def _write(self, row: Any) -> None:
        """Do to `row`, which was stored, what was done to it there; no setter may object."""
        tables, values = tables_of(self.sender, raw=self.raw), vars(self.instance)
        for column in row._meta.concrete_fields:
            names = {column.name, column.attname}
            chosen = self.update_fields is None or not names.isdisjoint(self.update_fields)
            if chosen and column.model in tables and column.attname in values:
                vars(row)[column.attname] = values[column.attname]
                if column.is_relation and column.is_cached(row):
                    column.delete_cached_value(row)


def _groups(watchers: list[Watcher], model: type[Model], row: Any) -> Before:
    pk = as_stored(model, key_of(model, row))
    return {one: groups_of(one, pk, row) for one in watchers}


def _has_expressions(instance: Model) -> bool:
    """Whether the database has yet to say what is stored, as with `F("number") + 1`."""
    return any(hasattr(value, "resolve_expression") for value in vars(instance).values())


_running: WeakKeyDictionary[Any, list[Save]] = WeakKeyDictionary()
"""An instance's `_state` → its saves that have begun, the innermost last.

A save that failed stays, and is passed over: what ends is the last that has begun with the same
`update_fields`, which is the very object in both signals.
"""

DEPTH = 8
"""How many are kept."""


def begin(save: Save) -> None:
    """A save begins: look where the row is.

    Where it is of something new, no save before has succeeded.
    """
    saves = _running.setdefault(save.instance._state, [])
    if save.adding:
        saves.clear()
    saves.append(save)
    del saves[:-DEPTH]
    try:
        save.look()
    finally:
        save.instance = None


def end(instance: Model, update_fields: Any) -> tuple[Save | None, Save | None]:
    """It has ended: the save that has, and the one that it was made within."""
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
