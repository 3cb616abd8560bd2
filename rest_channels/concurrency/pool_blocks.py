"""The blocks of code whose work in threads runs in the pool, and the executor for asgiref there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from contextvars import Context
from functools import cache, partial
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext

from ..settings import api_settings
from .asgiref_locals import LocalValue
from .database_connections import SharedThreadExecutor
from .testcase import runs_tests, shared_thread, testcase_transaction
from .threads import ThreadLease, WorkItem, current_thread_lease, thread_pool

__all__ = ["blocks_other_work", "is_pool_next", "start_in_pool", "use_thread_pool"]


def use_thread_pool() -> AbstractAsyncContextManager[Any]:
    """Run the thread-sensitive code of a block in the pool, not in asgiref's single thread.

    With `THREAD_SENSITIVE` it runs there. In the transaction of a test nothing is changed, and the
    block gets its savepoints.
    """
    shared = api_settings.THREAD_SENSITIVE
    if shared_thread.get():
        return nullcontext()
    if runs_tests():
        return nullcontext() if shared else _pool_or_testcase()
    if _thread_waits():
        return nullcontext() if shared else ThreadSensitiveContext(executor=_leasing)
    return _RunningIn(_shared_thread if shared else _leasing)


class _RunningIn:
    """Runs the thread-sensitive code of a block in `executor`.

    All blocks share one context of asgiref: to enter a new one takes several times as long.
    """

    __slots__ = ("_executor", "_token")

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def __aenter__(self) -> None:
        context = _context_of(self._executor)
        self._token = SyncToAsync.thread_sensitive_context.set(context)

    async def __aexit__(self, *error: object) -> None:
        SyncToAsync.thread_sensitive_context.reset(self._token)


@cache
def _context_of(executor: Executor) -> ThreadSensitiveContext:
    """Return a context that was entered and is never left."""
    context = ThreadSensitiveContext(executor=executor)
    entering: Any = context.__aenter__()  # type: ignore[no-untyped-call]
    with suppress(StopIteration):  # it never waits
        Context().run(entering.send, None)
    return context


@asynccontextmanager
async def _pool_or_testcase() -> AsyncIterator[dict[str, int]]:
    async with (
        testcase_transaction() as savepoints,
        nullcontext() if savepoints else ThreadSensitiveContext(executor=_leasing),
    ):
        yield savepoints


class LeasingExecutor(Executor):
    """The executor for asgiref. It uses the lease of the calling context.

    A task that has outlived its handler gets a lease of its own. Work outside of handlers, such as
    that of a middleware in `receive`, has a lease while it runs.
    """

    def __init__(self) -> None:
        self._of_tasks: WeakKeyDictionary[asyncio.Task[Any], ThreadLease] = WeakKeyDictionary()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function in a thread, and return a future of the running event loop.

        `run_in_executor` passes such a future on. It would wrap one of `concurrent.futures`, which
        takes two more locks and callbacks.
        """
        return self.start(partial(fn, *args, **kwargs)).future

    def start(self, function: Callable[[], Any]) -> "WorkItem":
        """Call `function` in the thread of the current lease. To be called on an event loop."""
        lease = current_thread_lease.get()
        if lease is not None and not lease.is_used:
            task = asyncio.current_task()
            lease = None if task is None else self._of_tasks.get(task) or self._lend_to(task)
        work = WorkItem(function, lease)
        thread_pool.submit(work)
        return work

    def _lend_to(self, task: "asyncio.Task[Any]") -> ThreadLease:
        lease = self._of_tasks[task] = ThreadLease()
        task.add_done_callback(lease.end)
        return lease


_leasing = LeasingExecutor()
start_in_pool = _leasing.start
_shared_thread = SharedThreadExecutor()

_waiting_thread = LocalValue(partial(setattr, AsyncToSync.executors, "current", None))
"""It may be set in contexts that have passed through `async_to_sync`."""


def _thread_waits() -> bool:
    """Return whether `async_to_sync` runs this code, while a thread waits for it.

    That thread runs the calls of this code. They do not go to the pool.
    """
    if not _waiting_thread.may_be_set():
        return False
    return getattr(AsyncToSync.executors, "current", None) is not None


def is_pool_next() -> bool:
    """Return whether asgiref would run the next call in the pool."""
    return _uses_pool() and not _thread_waits()


def blocks_other_work() -> bool:
    """Return whether a thread waits for the running code, in which other tasks may have to work.

    That is so for what `async_to_sync` runs, outside of the pool: with `THREAD_SENSITIVE`, and in
    the tests of Django's `TestCase`. To wait for work in another task would take for ever.
    """
    return _thread_waits() and not _uses_pool()


def _uses_pool() -> bool:
    return SyncToAsync.thread_sensitive_context.get(None) is _context_of(_leasing)
