"""The store in the site's database. It needs the app `rest_channels.history`.

A row counts the messages of a group. Whatever appends locks this row until its transaction ends, so
offsets are in the order of commits, and a rollback leaves no hole. It costs one lock for each group
and transaction: transactions that append to one group wait for each other. Those that append to
several groups must do so in one order, or the database ends one of them as a deadlock.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError, router, transaction
from django.db.models import (
    BooleanField,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
)
from django.db.models.functions import Now

from ...cluster.layer import BROKER_TIMEOUT
from ...concurrency.execution import thread_lease
from ...concurrency.tasks import cancel_tasks
from ...concurrency.timers import await_in_time
from ..models import HistoryGroup, HistoryMessage
from ..records import KeptMessage, Page, Position, StoreUnavailable
from .base import (
    EPOCH_AGE,
    PAGE_BYTES,
    WRITER_AGE,
    Append,
    HistoryStore,
    Retention,
    new_epoch_name,
    no_longer_kept,
    text_size,
)

__all__ = ["DatabaseStore", "append_in_transaction"]

T = TypeVar("T")

logger = logging.getLogger("rest_channels")

MAX_CALLS = 4
"""Calls of one event loop at a time, each in a thread. Those that a database does not answer count."""

ROWS = 50
"""Messages that are read at once."""

SWEEP_INTERVAL = 60.0
"""Seconds between two deletions of what has expired, in groups that nothing is appended to."""

SWEEP_ROWS = 1_000
"""Rows of each table that are deleted at once."""


class DatabaseStore(HistoryStore):
    """Runs its queries in the threads of the library. Each event loop has its own."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MAX_CALLS)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweep_at = time.monotonic() + SWEEP_INTERVAL

    async def append_many(self, items: Sequence[Append]) -> list[Position]:
        self._sweep_if_due()
        return await self._in_thread(partial(_append_to_groups, items))

    async def since(self, group: str, position: Position, limit: int = PAGE_BYTES) -> Page:
        return await self._in_thread(partial(_since, group, position, limit))

    async def position(self, group: str, history: Retention) -> Position:
        return await self._in_thread(partial(_position, group))

    async def positions(self, groups: Sequence[str]) -> list[Position | None]:
        return await self._in_thread(partial(_positions, groups))

    async def new_epoch(self, group: str, history: Retention) -> Position:
        return await self._in_thread(partial(_new_epoch, group))

    async def last(self, group: str, limit: int) -> list[KeptMessage]:
        return await self._in_thread(partial(_last, group, limit))

    async def close(self) -> None:
        await cancel_tasks(self._tasks, BROKER_TIMEOUT)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        """Return `function()`, called in a thread, or raise `StoreUnavailable` after a second.

        A call that has begun goes on then, and holds its place until the database answers.
        """
        begun: list[bool] = []
        task = self._start(function, begun)
        try:
            await await_in_time(asyncio.wait({task}), BROKER_TIMEOUT)
        except TimeoutError as error:
            if not begun:
                task.cancel()
            text = f"The database did not answer within {BROKER_TIMEOUT:g} s"
            raise StoreUnavailable(text) from error
        try:
            return task.result()
        except (DatabaseError, InterfaceError) as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    def _start(self, function: Callable[[], T], begun: list[bool]) -> asyncio.Task[T]:
        task = asyncio.create_task(self._run(function, begun))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def _run(self, function: Callable[[], T], begun: list[bool]) -> T:
        async with self._free, thread_lease(urgent=True):
            begun.append(True)
            return await sync_to_async(function)()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.debug("A query of a history failed: %r", error)  # it may have been given up

    def _sweep_if_due(self) -> None:
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_INTERVAL
            self._start(_sweep, [])


def append_in_transaction(
    group: str, text: str, history: Retention, using: str | None = None
) -> Position:
    """Append a message in the transaction of the caller, or in its own if there is none.

    A rollback of that transaction takes the message back. Until its end, others that append to the
    group wait.

    Args:
        group: The name of the group in the channel layer.
        text: The text of the frame.
        history: How much of the group is kept.
        using: The alias of the database; by default the one that is written to.

    Returns:
        The position of the message. It counts from the commit on.

    Raises:
        django.db.DatabaseError: As for any other query. The transaction is rolled back.
    """
    alias = using or _alias()
    return _append(group, [Append(group, text, history, "", 0)], alias)[0]


def _append_to_groups(items: Sequence[Append]) -> list[Position]:
    """Append in a transaction for each group: one that locks several could cause a deadlock."""
    by_group: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        by_group.setdefault(item.group, []).append(index)
    positions: dict[int, Position] = {}
    for group, indexes in by_group.items():
        found = _append(group, [items[index] for index in indexes], _alias())
        positions.update(zip(indexes, found, strict=True))
    return [positions[index] for index in range(len(items))]


def _append(group: str, items: Sequence[Append], using: str) -> list[Position]:
    """Append to one group in one transaction."""
    with transaction.atomic(using, savepoint=False):
        row = _locked(group, using)
        found = [_Appending(row, item) for item in items]
        messages = [each.message() for each in found if not each.is_repeated]
        HistoryMessage.objects.using(using).bulk_create(messages)
        row.save(using=using, update_fields=["last_offset", "writers"])
        history = items[-1].history
        is_old = Q(offset__lte=row.last_offset - history.size) | Q(expires_at__lte=Now())
        _messages(row).filter(is_old).delete()
    return [Position(row.epoch, each.offset) for each in found]


class _Appending:
    """One message, and the offset that it gets, or has already."""

    def __init__(self, row: HistoryGroup, item: Append) -> None:
        self.row = row
        self.item = item
        before = row.writers.get(item.writer)
        self.is_repeated = before is not None and item.number <= before[0]
        if self.is_repeated:
            self.offset = before[1] if item.number == before[0] else self._offset_of_repeated()
            return
        self.offset = row.last_offset = row.last_offset + 1
        if item.writer:
            now = row.used_at.timestamp()  # by the clock of the database
            recent = {name: each for name, each in row.writers.items() if each[2] > now - WRITER_AGE}
            row.writers = {**recent, item.writer: [item.number, self.offset, now]}

    def _offset_of_repeated(self) -> int:
        item = self.item
        found = _messages(self.row).filter(writer=item.writer, number=item.number)
        offset: int | None = found.values_list("offset", flat=True).first()
        if offset is None:
            raise StoreUnavailable(no_longer_kept(item.group, item.number))
        return offset

    def message(self) -> HistoryMessage:
        item, age = self.item, timedelta(seconds=self.item.history.age)
        return HistoryMessage(
            group=self.row,
            offset=self.offset,
            text=item.text,
            writer=item.writer,
            number=item.number,
            expires_at=ExpressionWrapper(Now() + age, output_field=DateTimeField()),
        )


def _alias() -> str:
    """Return the database that is written to. Another one may be a replica that lags behind."""
    return router.db_for_write(HistoryGroup)


def _groups(name: str, using: str) -> QuerySet[HistoryGroup]:
    return HistoryGroup.objects.using(using).filter(name=name)


def _messages(row: HistoryGroup) -> QuerySet[HistoryMessage]:
    return HistoryMessage.objects.using(row._state.db).filter(group=row)


def _locked(group: str, using: str) -> HistoryGroup:
    """Return the row of `group`, locked until the end of the transaction. Create it if necessary.

    An UPDATE locks the row. On SQLite it locks the database, and before that nothing was read that
    another connection could change.
    """
    found = _groups(group, using)
    while not found.update(used_at=Now()):
        _create(group, using)
    return found.get()


def _create(group: str, using: str) -> None:
    """Begin the first epoch of `group`, unless another connection does."""
    row = HistoryGroup(name=group, epoch=new_epoch_name(), used_at=Now())
    HistoryGroup.objects.using(using).bulk_create([row], ignore_conflicts=True)


def _position(group: str) -> Position:
    row = _used(group)
    return Position(row.epoch, row.last_offset)


def _used(group: str) -> HistoryGroup:
    """Return the row of `group`, which is kept from now on. Create it if necessary."""
    found = _groups(group, _alias())
    while (row := found.first()) is None:
        _create(group, _alias())
    _keep([group])
    return row


def _keep(groups: Sequence[str]) -> None:
    """Note that `groups` are used, but not at each use."""
    cutoff = _ago(EPOCH_AGE / 24)
    found = HistoryGroup.objects.using(_alias()).filter(name__in=groups, used_at__lt=cutoff)
    found.update(used_at=Now())


def _positions(groups: Sequence[str]) -> list[Position | None]:
    rows = HistoryGroup.objects.using(_alias()).filter(name__in=groups)
    found = {name: Position(*rest) for name, *rest in rows.values_list("name", "epoch", "last_offset")}
    _keep(groups)
    return [found.get(group) for group in groups]


def _new_epoch(group: str) -> Position:
    using = _alias()
    with transaction.atomic(using):
        row = _locked(group, using)
        _messages(row).delete()
        row.epoch, row.last_offset, row.writers = new_epoch_name(), 0, {}
        row.save(using=using, update_fields=["epoch", "last_offset", "writers"])
    return Position(row.epoch, 0)


def _since(group: str, position: Position, limit: int) -> Page:
    row = _used(group)
    end = Position(row.epoch, row.last_offset)
    gap = Page(end, (), has_more=False, is_gap=True)
    if position.epoch != row.epoch or not 0 <= position.offset <= row.last_offset:
        return gap
    page: list[KeptMessage] = []
    size, at = 0, position.offset
    while at < row.last_offset:
        rows = _messages_after(row, at)
        if not rows or (rows[0][2] and not page):
            return gap
        for offset, text, _ in rows:
            size += text_size(text)
            if offset != at + 1:
                return gap
            if page and size > limit:
                return Page(end, tuple(page), has_more=True, is_gap=False)
            page.append(KeptMessage(offset, text))
            at = offset
    return Page(end, tuple(page), has_more=False, is_gap=False)


def _messages_after(row: HistoryGroup, offset: int) -> list[tuple[int, str, bool]]:
    """Return the offset and the text of messages, and whether each has expired.

    They are of the epoch of `row`, up to its last offset: both may be others by now.
    """
    is_expired = ExpressionWrapper(Q(expires_at__lte=Now()), output_field=BooleanField())
    found = HistoryMessage.objects.using(_alias()).filter(
        group=row, group__epoch=row.epoch, offset__gt=offset, offset__lte=row.last_offset
    )
    rows = found.order_by("offset").annotate(is_expired=is_expired)
    return list(rows.values_list("offset", "text", "is_expired")[:ROWS])


def _last(group: str, limit: int) -> list[KeptMessage]:
    found = HistoryMessage.objects.using(_alias()).filter(group__name=group, expires_at__gt=Now())
    rows = found.order_by("-offset").values_list("offset", "text")[:limit]
    return [KeptMessage(offset, text) for offset, text in rows][::-1]


def _ago(seconds: float) -> Any:
    age = timedelta(seconds=seconds)
    return ExpressionWrapper(Now() - age, output_field=DateTimeField())


def _sweep() -> None:
    """Delete expired messages, and groups that were not used for `EPOCH_AGE`.

    Rows that are locked are in use, and are left out.
    """
    using = _alias()
    messages = HistoryMessage.objects.using(using).filter(expires_at__lte=Now())
    is_empty = ~Exists(HistoryMessage.objects.filter(group=OuterRef("pk")))
    groups = HistoryGroup.objects.using(using).filter(is_empty, used_at__lt=_ago(EPOCH_AGE))
    for rows in (messages, groups):
        with transaction.atomic(using):
            locked = rows.select_for_update(skip_locked=True).values_list("pk", flat=True)
            keys = list(locked[:SWEEP_ROWS])
            rows.model._default_manager.using(using).filter(pk__in=keys).delete()
