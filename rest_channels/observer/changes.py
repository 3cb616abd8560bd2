"""What was committed: rows that were made, changed and deleted.

Django's signals tell what is done, within transactions too. What is told here was committed, on
the database it was written to: each row once per transaction, nothing of a savepoint that was
rolled back, in order.

How that is known: Django drops a commit hook together with the savepoint it was registered in.
Every change that is seen is held by a hook of its own, and by nobody else; so those that are
still there when the first hook runs are those that were committed.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary, ref

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

__all__ = [
    "Action",
    "Change",
    "Groups",
    "Seen",
    "Watcher",
    "add_watcher",
    "below",
    "classes_of",
    "groups_of",
    "listeners",
    "recall",
    "remember",
    "see",
    "see_rows",
    "seen",
    "watched",
    "watching",
]

logger = logging.getLogger("rest_channels")

Groups = frozenset[str]
NONE: Groups = frozenset()


class Action(StrEnum):
    """What has happened to a row, as a group sees it: to leave a group is to be deleted there."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Watcher(Protocol):
    """Who wants to know what happens to the rows of a model. It is hashed by identity."""

    id: str
    many_to_many: bool
    """Whether that includes whom a row is related to."""
    looks_at_rows: bool
    """Whether its groups depend on more than the primary key."""

    @property
    def model(self) -> type[Model]:
        """The model."""

    @property
    def keeps_rows(self) -> bool:
        """Whether it takes the instance, as it was saved, along."""

    def groups_of(self, pk: Any, row: Any) -> Iterable[str]:
        """Who is to be told of that row. `row` is `None` unless it `looks_at_rows`."""


class Change(NamedTuple):
    """What became of a row in a transaction."""

    model: type[Model]
    pk: Any
    using: str
    row: Any
    """The instance as it was saved last, for watchers that keep it."""
    exists: bool
    moves: dict[Watcher, tuple[Groups, Groups]]
    """For each watcher the row's groups, before and after."""

    def told(self) -> Iterator[tuple[Watcher, str, Action]]:
        """Which groups are to be told what."""
        for watcher, (before, after) in self.moves.items():
            for group in sorted(before - after):
                yield watcher, group, Action.DELETE
            for group in sorted(before & after):
                yield watcher, group, Action.UPDATE
            for group in sorted(after - before):
                yield watcher, group, Action.CREATE


listeners: list[Callable[[list[Change]], None]] = []
"""Who is told what was committed."""


_watchers: dict[type[Model], list[ref[Watcher]]] = {}


def add_watcher(model: type[Model], watcher: Watcher) -> None:
    """Let `watcher` be asked about changes of `model`, which is concrete, while it lives."""
    alive = [one for one in _watchers.get(model, ()) if one() is not None]
    _watchers[model] = [*alive, ref(watcher)]


def watching(model: type[Model]) -> list[Watcher]:
    """Who watches that model."""
    alive = (one() for one in _watchers.get(model, ()))
    return [one for one in alive if one is not None]


def watched() -> list[type[Model]]:
    """The models that somebody watches."""
    return list(_watchers)


def below(model: type[Model]) -> Iterator[type[Model]]:
    """The classes that are made of `model`: its proxies, its children, and theirs."""
    for one in model.__subclasses__():
        yield one
        yield from below(one)


def classes_of(model: type[Model]) -> list[type[Model]]:
    """`model`, which is concrete, and its proxies: what the sender of a row's signal may be."""
    return [model, *(one for one in below(model) if one._meta.concrete_model is model)]


def groups_of(watcher: Watcher, pk: Any, row: Any) -> Groups:
    """The groups of a row; an error in a project's code is logged, and never fails a save."""
    try:
        return frozenset(watcher.groups_of(pk, row if watcher.looks_at_rows else None))
    except Exception:
        logger.exception("The groups of %s %r cannot be told.", watcher.model.__name__, pk)
        return NONE


@dataclass(eq=False, slots=True, weakref_slot=True)
class Seen:
    """One change, not yet committed."""

    model: type[Model]
    pk: Any
    connection: BaseDatabaseWrapper
    exists: bool
    moves: dict[Watcher, tuple[Groups, Groups]]
    row: Any = None
    state: Any = None
    """The `_state` of the instance, which is to remember its groups once they are committed."""

    def committed(self) -> None:
        """The transaction was. The first of its changes that learns it speaks for all."""
        batch = _batches.pop(self.connection, None)
        if batch is not None:
            _tell([row for one in batch.seen if (row := one()) is not None])


@dataclass(eq=False, slots=True)
class Batch:
    """What was seen in one transaction."""

    seen: list[ref[Seen]] = field(default_factory=list)

    def add(self, seen: Seen) -> None:
        if self.seen and self.seen[0]() is None:  # rolled back, maybe all of them
            self.seen = [one for one in self.seen if one() is not None]
        self.seen.append(ref(seen))


_batches: WeakKeyDictionary[BaseDatabaseWrapper, Batch] = WeakKeyDictionary()
"""A connection belongs to one thread, so nobody else looks at its batch."""


def seen(
    model: type[Model],
    pk: Any,
    using: str,
    moves: dict[Watcher, tuple[Groups, Groups]],
    *,
    row: Any = None,
    exists: bool = True,
) -> Seen:
    """A row that was written in the running transaction, for `see`."""
    connection = transaction.get_connection(using)
    kept = copy(row) if row is not None and any(one.keeps_rows for one in moves) else None
    return Seen(model, pk, connection, exists, moves, kept, getattr(row, "_state", None))


def see(*rows: Seen) -> None:
    """Tell of these when their transaction is committed; together, where there is none."""
    for one in rows:
        _batches.setdefault(one.connection, Batch()).add(one)
    for one in rows:
        try:
            transaction.on_commit(one.committed, using=one.connection.alias, robust=True)
        except transaction.TransactionManagementError:
            logger.warning("Without autocommit and outside of atomic() no change can be observed.")


def see_rows(
    model: type[Model], pks: Iterable[Any], using: str, watchers: Iterable[Watcher] | None = None
) -> None:
    """These rows were changed, and stay in their groups. It queries if watchers look at rows."""
    watchers = watching(model) if watchers is None else list(watchers)
    pks = list(pks) if watchers else []
    rows: dict[Any, Any] = {}
    if pks and any(one.looks_at_rows or one.keeps_rows for one in watchers):
        rows = model._base_manager.using(using).in_bulk(pks)
    written = []
    for pk in pks:
        row = rows.get(pk)
        if rows and row is None:
            continue  # it is gone: whoever deleted it says so
        moves = {one: (groups := groups_of(one, pk, row), groups) for one in watchers}
        written.append(seen(model, pk, using, moves, row=row))
    see(*written)


def _tell(seen: list[Seen]) -> None:
    changes: dict[tuple[type[Model], Any], Change] = {}
    for one in seen:
        moves = one.moves
        if (before := changes.get((one.model, one.pk))) is not None:
            first = {watcher: groups for watcher, (groups, _after) in before.moves.items()}
            moves = before.moves | {
                watcher: (first.get(watcher, groups), after)
                for watcher, (groups, after) in one.moves.items()
            }
        row = one.row if one.row is not None or before is None else before.row
        alias = one.connection.alias
        changes[one.model, one.pk] = Change(one.model, one.pk, alias, row, one.exists, moves)
        remember(one.state, {watcher: after for watcher, (_before, after) in one.moves.items()})
    for listener in listeners:
        listener(list(changes.values()))


MEMORY = "_rest_channels_groups"


def remember(state: Any, groups: dict[Watcher, Groups]) -> None:
    """Let an instance's `_state` know the groups that the row is in, by the database's word."""
    looking = {id(one): known for one, known in groups.items() if one.looks_at_rows}
    if state is not None and looking:
        vars(state)[MEMORY] = recall(state) | looking


def recall(state: Any) -> dict[int, Groups]:
    """What it knows: the `id` of a watcher → groups."""
    known: dict[int, Groups] = vars(state).get(MEMORY, {})
    return known
