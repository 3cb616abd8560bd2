"""Committed changes: rows that were created, updated and deleted.

Django sends its signals before the commit. Changes are published when they are committed on the
database that they were written to. Each row is published once per transaction, in order. Savepoints
that were rolled back are left out.

Django drops a commit hook together with the savepoint it was registered in. Every change has a hook
of its own, so the hooks that are left at the commit belong to committed changes. These are
published before other hooks run, because one of those may fail, or write.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary, ref

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from ...client_logs import log_for_client
from ...engine.commit_hooks import CommitHook
from ...partitions import changed_partition
from .instances import copy_instance
from .keys import normalize_key
from .known_groups import mark_moved, remember_groups, sequence
from .registry import NO_GROUPS, Groups, RowObserver

__all__ = [
    "Action",
    "Change",
    "GroupMoves",
    "PendingChange",
    "listeners",
    "pending_change",
    "record",
]

logger = logging.getLogger("rest_channels")

GroupMoves = dict[RowObserver, tuple[Groups, Groups]]
"""For each observer the groups of a row before and after a change."""


class Action(StrEnum):
    """What happened to a row, as one group sees it. A row that leaves a group is deleted there."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Change(NamedTuple):
    """What happened to one row in one transaction."""

    model: type[Model]
    pk: Any
    using: str
    row: Any
    """The instance as it was saved last, if an observer keeps it."""
    exists: bool
    moves: GroupMoves
    partition: str = ""

    def notifications(self) -> Iterator[tuple[RowObserver, str, Action]]:
        """Yield which group of which observer receives which action."""
        for observer, (before, after) in self.moves.items():
            for group in sorted(before - after):
                yield observer, group, Action.DELETE
            for group in sorted(before & after):
                yield observer, group, Action.UPDATE
            for group in sorted(after - before):
                yield observer, group, Action.CREATE


listeners: list[Callable[[list[Change]], None]] = []
"""Functions that are called with the changes of each commit."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class PendingChange(CommitHook):
    """One change that is not yet committed."""

    model: type[Model]
    pk: Any
    connection: BaseDatabaseWrapper
    exists: bool
    moves: GroupMoves
    row: Any
    state: Any
    """The `_state` of the instance whose groups are remembered at the commit."""
    number: int
    """When the change began, as a number of `sequence`."""
    partition: str = ""
    batch: "Batch | None" = None
    published: bool = False

    @classmethod
    def publish_all(cls, hooks: list[Self]) -> None:
        """Publish the changes of one commit together."""
        _publish([change for change in hooks if not change.published])

    def commit_hook(self) -> None:
        """Publish the whole batch, where Django runs hooks one by one: autocommit, and tests."""
        if self.batch is not None and not self.published:
            self.batch.publish()


@dataclass(eq=False, slots=True)
class Batch:
    """Changes that are published together where commit hooks run one by one.

    The references are weak: a change that is rolled back disappears.
    """

    pending: list[ref[PendingChange]] = field(default_factory=list)

    def add(self, change: PendingChange) -> None:
        if self.pending and self.pending[0]() is None:  # rolled back, perhaps others as well
            self.pending = [reference for reference in self.pending if reference() is not None]
        self.pending.append(ref(change))
        change.batch = self

    def publish(self) -> None:
        alive = (reference() for reference in self.pending)
        changes = [change for change in alive if change is not None and not change.published]
        self.pending.clear()
        _publish(changes)


_batches: WeakKeyDictionary[BaseDatabaseWrapper, tuple[str, Batch]] = WeakKeyDictionary()
"""A connection → its savepoint and batch. Only the connection's own thread uses them."""


def pending_change(
    model: type[Model],
    pk: Any,
    using: str,
    moves: GroupMoves,
    *,
    row: Any = None,
    exists: bool = True,
    number: int | None = None,
) -> PendingChange:
    """Return a change of the running transaction, to be passed to `record`."""
    connection = transaction.get_connection(using)
    keeps = row is not None and any(observer.keeps_instance for observer in moves)
    kept = copy_instance(row) if keeps else None
    state = getattr(row, "_state", None)
    number = next(sequence) if number is None else number
    pk = normalize_key(model, pk)
    partition = changed_partition(using)
    return PendingChange(model, pk, connection, exists, moves, kept, state, number, partition)


def record(*changes: PendingChange) -> None:
    """Publish these changes at the commit of their transaction, or now if there is none."""
    for connection in dict.fromkeys(change.connection for change in changes):
        own = [change for change in changes if change.connection is connection]
        batch = _batch_of(connection)
        for change in own:
            batch.add(change)
        try:
            for change in own:
                change.add_to(connection)
        except transaction.TransactionManagementError:
            text = "A change of %s cannot be observed without autocommit: write it in atomic()."
            log_for_client(logger, logging.WARNING, text, own[0].model._meta.label)


def _batch_of(connection: BaseDatabaseWrapper) -> Batch:
    """Return the batch of the savepoint that is the project's transaction in a `TestCase`."""
    tests = sum(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
    inner = connection.savepoint_ids[max(tests - 1, 0) :]  # the outermost block has no savepoint
    if (savepoint := next(filter(None, inner), None)) is None:
        return Batch()
    known = _batches.get(connection)
    if known is None or known[0] != savepoint:
        known = _batches[connection] = savepoint, Batch()
    return known[1]


def _publish(pending: list[PendingChange]) -> None:
    rows: dict[tuple[type[Model], Any, str], list[PendingChange]] = {}
    for change in pending:
        change.published = True
        rows.setdefault((change.model, change.pk, change.partition), []).append(change)
    committed = [_merge(changes) for changes in rows.values()]
    for merged in committed:
        if any(before - after and after for before, after in merged.moves.values()):
            mark_moved(merged.model)
    for merged, changes in zip(committed, rows.values(), strict=True):
        for change in changes:
            if change.state is not None:
                groups = {observer: after for observer, (_before, after) in merged.moves.items()}
                remember_groups(change.state, change.pk, groups, change.partition)
    for listener in listeners if committed else ():
        try:
            listener(committed)
        except Exception as error:  # noqa: BLE001 - the other listeners receive them
            text = "%s failed to publish committed changes."
            log_for_client(logger, logging.ERROR, text, listener, error=error)


def _merge(changes: list[PendingChange]) -> Change:
    """Merge the changes of one row: from the groups before the first to those after the last."""
    moves: GroupMoves = {}
    for change in sorted(changes, key=lambda change: change.number):
        for observer, (before, _after) in change.moves.items():
            moves.setdefault(observer, (before, NO_GROUPS))
    for change in changes:
        for observer, (_before, after) in change.moves.items():
            moves[observer] = moves[observer][0], after
    last = changes[-1]
    row = next((change.row for change in reversed(changes) if change.row is not None), None)
    using = last.connection.alias
    return Change(last.model, last.pk, using, row, last.exists, moves, last.partition)
