"""What was committed: rows that were made, changed and deleted.

Django's signals tell what is done, within transactions too. What is told here was committed, on
the database it was written to: each row once per transaction, nothing of a savepoint that was
rolled back, in order.

How that is known: Django drops a commit hook together with the savepoint it was registered in.
Every change that is seen has a hook of its own, so those that are left at the commit are those
that were committed. They are told before other hooks run: one of those may fail, or write.
"""

import logging
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from .registry import NONE, Groups, Watcher, as_stored, clock, move, remember

__all__ = [
    "Action",
    "Change",
    "GroupMoves",
    "PendingChange",
    "Watcher",
    "listeners",
    "pending_change",
    "record",
]

logger = logging.getLogger("rest_channels")

GroupMoves = dict[Watcher, tuple[Groups, Groups]]
"""For each watcher a row's groups, before and after."""


class Action(StrEnum):
    """What has happened to a row, as a group sees it: to leave a group is to be deleted there."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Change(NamedTuple):
    """What became of a row in a transaction."""

    model: type[Model]
    pk: Any
    using: str
    row: Any
    """The instance as it was saved last, for watchers that keep it."""
    exists: bool
    moves: GroupMoves

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


@dataclass(eq=False, slots=True, weakref_slot=True)
class PendingChange:
    """One change, not yet committed."""

    model: type[Model]
    pk: Any
    connection: BaseDatabaseWrapper
    exists: bool
    moves: GroupMoves
    row: Any
    state: Any
    """The `_state` of the instance, which is to remember its groups once they are committed."""
    began: int
    batch: "Batch | None" = None
    told: bool = False

    def committed(self) -> None:
        """The transaction was: here by itself, as where nothing is begun, or in a test."""
        if self.batch is not None and not self.told:
            self.batch.tell()


@dataclass(eq=False, slots=True)
class Batch:
    """What is told together where commit hooks are run one by one.

    It holds nothing: what is rolled back is gone.
    """

    pending: list[ref[PendingChange]] = field(default_factory=list)

    def add(self, pending: PendingChange) -> None:
        if self.pending and self.pending[0]() is None:  # rolled back, maybe all of them
            self.pending = [one for one in self.pending if one() is not None]
        self.pending.append(ref(pending))
        pending.batch = self

    def tell(self) -> None:
        alive = [row for one in self.pending if (row := one()) is not None and not row.told]
        self.pending.clear()
        _tell(alive)


_batches: WeakKeyDictionary[BaseDatabaseWrapper, tuple[str, Batch]] = WeakKeyDictionary()
"""A connection belongs to one thread, so nobody else looks at its batch."""


def pending_change(
    model: type[Model],
    pk: Any,
    using: str,
    moves: GroupMoves,
    *,
    row: Any = None,
    exists: bool = True,
    began: int | None = None,
) -> PendingChange:
    """A row that was written in the running transaction, for `record`."""
    connection = transaction.get_connection(using)
    kept = _kept(row) if row is not None and any(one.keeps_rows for one in moves) else None
    state = getattr(row, "_state", None)
    began = next(clock) if began is None else began
    return PendingChange(model, as_stored(model, pk), connection, exists, moves, kept, state, began)


def _kept(row: Any) -> Any:
    """The instance as it is now. How its class wants to be copied is not asked: that may fail."""
    kept = object.__new__(type(row))
    vars(kept).update(vars(row))
    vars(kept)["_state"] = state = copy(row._state)
    state.fields_cache = row._state.fields_cache.copy()
    return kept


def record(*rows: PendingChange) -> None:
    """Tell of these when their transaction is committed; together, where there is none."""
    for connection in dict.fromkeys(one.connection for one in rows):
        own = [one for one in rows if one.connection is connection]
        batch = _batch(connection)
        for one in own:
            batch.add(one)
        if "run_and_clear_commit_hooks" not in vars(connection):
            vars(connection)["run_and_clear_commit_hooks"] = partial(_commit, ref(connection))
        try:
            for one in own:
                transaction.on_commit(one.committed, using=connection.alias, robust=True)
        except transaction.TransactionManagementError:
            logger.warning("Without autocommit and outside of atomic() no change can be observed.")


def _batch(connection: BaseDatabaseWrapper) -> Batch:
    """In a test's transaction, that of the transaction which the project began: a savepoint."""
    tests = sum(getattr(one, "_from_testcase", False) for one in connection.atomic_blocks)
    inner = connection.savepoint_ids[max(tests - 1, 0) :]  # the outermost block has no savepoint
    if (savepoint := next(filter(None, inner), None)) is None:
        return Batch()
    known = _batches.get(connection)
    if known is None or known[0] != savepoint:
        known = _batches[connection] = savepoint, Batch()
    return known[1]


def _commit(whose: ref[BaseDatabaseWrapper]) -> None:
    """In the place of a connection's `run_and_clear_commit_hooks`: ours first, then the others."""
    connection: Any = whose()
    if not connection.in_atomic_block:
        hooks, connection.run_on_commit = connection.run_on_commit, []
        owners = [getattr(hook, "__self__", None) for _savepoints, hook, _robust in hooks]
        try:
            _tell([one for one in owners if isinstance(one, PendingChange) and not one.told])
        finally:
            others = zip(hooks, owners, strict=True)
            connection.run_on_commit = [
                hook for hook, one in others if not isinstance(one, PendingChange)
            ]
    type(connection).run_and_clear_commit_hooks(connection)


def _tell(pending: list[PendingChange]) -> None:
    rows: dict[tuple[type[Model], Any], list[PendingChange]] = {}
    for one in pending:
        one.told = True
        rows.setdefault((one.model, one.pk), []).append(one)
    changes = [_merged(some) for some in rows.values()]
    for change in changes:
        if any(before - after and after for before, after in change.moves.values()):
            move(change.model)
    for change, some in zip(changes, rows.values(), strict=True):
        for one in some:
            if one.state is not None:
                groups = {watcher: after for watcher, (_before, after) in change.moves.items()}
                remember(one.state, one.pk, groups)
    for listener in listeners if changes else ():
        try:
            listener(changes)
        except Exception:
            logger.exception("%s failed to tell what was committed.", listener)


def _merged(pending: list[PendingChange]) -> Change:
    """One change out of all that happened to a row: from what began first to what ended last."""
    moves: GroupMoves = {}
    for one in sorted(pending, key=lambda one: one.began):
        for watcher, (before, _after) in one.moves.items():
            moves.setdefault(watcher, (before, NONE))
    for one in pending:
        for watcher, (_before, after) in one.moves.items():
            moves[watcher] = moves[watcher][0], after
    last = pending[-1]
    row = next((one.row for one in reversed(pending) if one.row is not None), None)
    return Change(last.model, last.pk, last.connection.alias, row, last.exists, moves)
