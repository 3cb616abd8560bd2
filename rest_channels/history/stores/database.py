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
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import DatabaseError, InterfaceError, transaction

from ...cluster.layer import BROKER_TIMEOUT
from ...concurrency.execution import thread_lease
from ...concurrency.tasks import cancel_tasks
from ...concurrency.timers import await_in_time
from ..records import KeptMessage, Page, Position, StoreUnavailable
from . import database_rows
from .base import PAGE_BYTES, Append, HistoryStore, Retention

__all__ = ["DatabaseStore", "append_and_call", "append_in_transaction"]

T = TypeVar("T")

logger = logging.getLogger("rest_channels")

MAX_CALLS = 4
"""Calls of one event loop at a time, each in a thread. Calls that were given up count, too."""

SWEEP_INTERVAL = 60.0
"""Seconds between two deletions of what has expired, in groups that nothing is appended to."""


class DatabaseStore(HistoryStore):
    """Runs its queries in the threads of the library. Each event loop has its own."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MAX_CALLS)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweep_at = time.monotonic() + SWEEP_INTERVAL

    async def append_many(self, items: Sequence[Append]) -> list[Position]:
        self._sweep_if_due()
        return await self._in_thread(partial(database_rows.append_to_groups, items))

    async def since(self, group: str, position: Position, limit: int = PAGE_BYTES) -> Page:
        return await self._in_thread(partial(database_rows.since, group, position, limit))

    async def position(self, group: str, history: Retention) -> Position:
        return await self._in_thread(partial(database_rows.position, group))

    async def positions(self, groups: Sequence[str]) -> list[Position | None]:
        return await self._in_thread(partial(database_rows.positions, groups))

    async def new_epoch(
        self, group: str, history: Retention, writer: str = "", number: int = 0
    ) -> Position:
        return await self._in_thread(partial(database_rows.new_epoch, group, writer, number))

    async def last(self, group: str, limit: int) -> list[KeptMessage]:
        return await self._in_thread(partial(database_rows.last, group, limit))

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
        except (DatabaseError, InterfaceError, ValueError) as error:  # or a text it cannot store
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
            self._start(database_rows.sweep, [])


def append_and_call(
    group: str, text: str, history: Retention, function: Callable[[Position], None]
) -> None:
    """Append a message with `append_in_transaction`, and call `function(position)` on commit."""
    using = database_rows.write_alias()
    position = append_in_transaction(group, text, history, using)
    transaction.on_commit(partial(function, position), using=using, robust=True)


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
    alias = using or database_rows.write_alias()
    return database_rows.append(group, [Append(group, text, history, "", 0)], alias)[0]
