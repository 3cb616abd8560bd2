"""Queues that run themselves: a connection's calls and its events.

A lane takes one thing after another and has no task while it has nothing to do. Since Python 3.12
a task may start eagerly: work that never waits is over when `put` returns, at the cost of about a
microsecond. Python 3.11 has no such tasks; there every item costs a turn of the loop.
"""

import asyncio
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Generic, TypeVar

__all__ = ["EAGER", "Lane", "cancel", "start"]

logger = logging.getLogger("rest_channels")

T = TypeVar("T")

Work = Callable[[T], Coroutine[Any, Any, None]]

NESTING = 16
"""Work that starts work that starts work … is started at once this deep, and soon beyond it."""


class _Nesting(threading.local):
    depth = 0


_nesting = _Nesting()

EAGER = sys.version_info >= (3, 12)

if sys.version_info >= (3, 12):

    def start(work: Coroutine[Any, Any, T], context: Context | None = None) -> asyncio.Task[T]:
        """A task for `work` that has already run up to its first wait."""
        loop = asyncio.get_running_loop()
        if _nesting.depth >= NESTING:
            return asyncio.Task(work, loop=loop, context=context)
        _nesting.depth += 1
        try:
            return asyncio.Task(work, loop=loop, context=context, eager_start=True)
        finally:
            _nesting.depth -= 1

else:

    def start(work: Coroutine[Any, Any, T], context: Context | None = None) -> asyncio.Task[T]:
        """A task for `work`, which begins at the loop's next turn."""
        return asyncio.get_running_loop().create_task(work, context=context)


class Lane(Generic[T]):
    """Does `work(item)` for one item at a time, in order, each in a task of its own.

    Every task starts in a fresh copy of `context`, so nothing that one item leaves in context
    variables (an activated language, say) reaches the next. Errors are the work's to handle; one
    that escapes is logged, and the lane goes on.
    """

    __slots__ = ("_busy", "_task", "_work", "context", "items")

    def __init__(self, work: Work[T], context: Context) -> None:
        self.items: deque[T] = deque()
        self.context = context
        self._work = work
        self._busy = False
        self._task: asyncio.Task[None] | None = None

    def put(self, item: T) -> None:
        """Queue `item`, and start with it if there is nothing before it."""
        self.items.append(item)
        if not self._busy:
            self._busy = True
            self._run()

    def _run(self) -> None:
        while self.items:
            task = start(self._work(self.items.popleft()), self.context.copy())
            if not task.done():
                self._task = task
                task.add_done_callback(self._resume)
                return
            _report(task)
        self._busy = False

    def _resume(self, task: asyncio.Task[None]) -> None:
        self._task = None
        _report(task)
        self._run()

    async def drain(self, timeout: float) -> None:
        """Wait until everything queued is done, at most `timeout` seconds."""
        deadline = asyncio.get_running_loop().time() + timeout
        while (task := self._task) is not None and timeout > 0:
            await asyncio.wait({task}, timeout=timeout)
            timeout = deadline - asyncio.get_running_loop().time()

    async def stop(self, timeout: float) -> None:
        """Drop what is queued, cancel what runs, and wait for it at most `timeout` seconds."""
        self.items.clear()
        if (task := self._task) is not None:
            await cancel({task}, timeout)


async def cancel(tasks: set[asyncio.Task[Any]], timeout: float) -> None:
    """Cancel `tasks` and wait for their end; complain of those that refuse to end."""
    for task in tasks:
        task.cancel()
    if tasks:
        _done, alive = await asyncio.wait(tasks, timeout=timeout)
        for task in alive:
            logger.warning("%r ignores its cancellation and goes on unattended.", task)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("A lane's work failed.", exc_info=error)
