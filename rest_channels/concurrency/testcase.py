"""The transactions of Django's `TestCase`, in which connections have to run their queries.

`TestCase` opens one for each database in the thread of the test, and rolls it back. A handler in
another thread would have a database connection of its own: it would see no row of the test, wait
for its locks, and commit rows that later tests see.

An `async def` test of a `TestCase` runs in a loop beside that thread, and asgiref's thread for
`sync_to_async` is the one of the test. With pytest-django, and with `asyncio.run`, the loop runs in
the thread of the test. asgiref's thread then borrows the database connections of the transactions.
"""

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = [
    "COMMIT_INTERVAL",
    "open_transactions",
    "receive_after_commits",
    "run_commit_hooks",
    "runs_tests",
    "shared_thread",
    "testcase_transaction",
]

logger = logging.getLogger("rest_channels")

Receive = Callable[[], Coroutine[Any, Any, Any]]

COMMIT_INTERVAL = 0.01
"""Seconds between two runs of commit hooks, which a transaction of a test holds back."""

shared_thread: ContextVar[bool] = ContextVar("rest_channels_shared_thread", default=False)
"""Whether handlers and the ORM run in the thread of the test, and not in the pool."""


def runs_tests() -> bool:
    """Return whether a test with a transaction may run this event loop.

    Its transaction is in the thread of the loop, or in the main thread.
    """
    # Not `hasattr`: the module has a `__getattr__`, which would raise an error for each connection.
    if "outbox" not in getattr(sys.modules.get("django.core.mail"), "__dict__", ()):
        return False
    return threading.current_thread() is not threading.main_thread() or bool(_own_transactions())


async def open_transactions() -> dict[str, int]:
    """For each database in a transaction of a test, return the number of savepoints in it."""
    return await sync_to_async(_savepoints)()


@asynccontextmanager
async def testcase_transaction() -> AsyncIterator[dict[str, int]]:
    """Run a block in the transaction of the test, if there is one. Yield `open_transactions()`.

    Meanwhile commit hooks run soon after they are registered, so that observers send.
    """
    async with _lent(_own_transactions()):
        if not (savepoints := await open_transactions()):
            yield savepoints
            return
        token = shared_thread.set(True)
        ended = asyncio.Event()
        committing = asyncio.create_task(_commit_until(ended, savepoints))
        try:
            yield savepoints
        finally:
            ended.set()
            shared_thread.reset(token)
            await committing


def _own_transactions() -> list[BaseDatabaseWrapper]:
    """Return the connections of a loop's thread that `def` code has left in a transaction.

    Django's `connections` has others for code that runs on a loop, so here none seems to run.
    """
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return [each for each in connections.all(initialized_only=True) if each.in_atomic_block]
    finally:
        asyncio._set_running_loop(loop)


@asynccontextmanager
async def _lent(lent: list[BaseDatabaseWrapper]) -> AsyncIterator[None]:
    """Let asgiref's thread use the connections `lent`, which belong to the loop's thread."""
    if not lent:
        yield
        return
    await sync_to_async(_borrow)(lent)
    try:
        yield
    finally:
        await sync_to_async(_give_back)(lent)


def _borrow(lent: list[BaseDatabaseWrapper]) -> None:
    for connection in lent:
        if connections[connection.alias] is not connection:
            vars(connection)[_REPLACED] = connections[connection.alias]
            connections[connection.alias] = connection
        connection.inc_thread_sharing()


def _give_back(lent: list[BaseDatabaseWrapper]) -> None:
    """Restore the thread's own connections after the last client of a test has left."""
    for connection in lent:
        connection.dec_thread_sharing()
        if not connection.allow_thread_sharing and _REPLACED in vars(connection):
            connections[connection.alias] = vars(connection).pop(_REPLACED)


_REPLACED = "_rest_channels_replaced"
"""The attribute of a connection that is lent: the connection whose place it takes."""


async def _commit_until(ended: asyncio.Event, savepoints: dict[str, int]) -> None:
    while not ended.is_set():
        try:
            await sync_to_async(run_commit_hooks)(savepoints)
        except Exception:
            logger.exception("A commit hook failed.")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COMMIT_INTERVAL):
                await ended.wait()


def receive_after_commits(receive: Receive, savepoints: dict[str, int]) -> Receive:
    """Return a `receive` that runs the commit hooks before it returns a message.

    What a test has saved before it sends a frame would otherwise be committed after the frame.
    """

    async def receive_message() -> Any:
        message = await receive()
        await sync_to_async(run_commit_hooks)(savepoints)
        return message

    return receive_message


def run_commit_hooks(savepoints: dict[str, int]) -> None:
    """Run commit hooks, except inside a further `atomic` block."""
    for alias, depth in savepoints.items():
        connection = connections[alias]
        while connection.run_on_commit and len(connection.savepoint_ids) <= depth:
            hooks: list[Any] = connection.run_on_commit
            connection.run_on_commit = []
            for _ids, hook, robust in hooks:
                try:
                    hook()
                except Exception:
                    if not robust:
                        raise
                    logger.exception("A commit hook failed.")


def _savepoints() -> dict[str, int]:
    """Return the savepoints of each transaction, whose connection is kept open from now on.

    `channels.db.database_sync_to_async` would close it as obsolete, because it does not
    autocommit, and the test would lose its data.
    """
    savepoints = {}
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            _keep_open(connection)
            savepoints[connection.alias] = len(connection.savepoint_ids)
    return savepoints


def _keep_open(connection: BaseDatabaseWrapper) -> None:
    if "close_if_unusable_or_obsolete" in vars(connection):
        return
    close = connection.close_if_unusable_or_obsolete

    def close_unless_atomic() -> None:
        if not connection.in_atomic_block:
            close()

    vars(connection)["close_if_unusable_or_obsolete"] = close_unless_atomic
