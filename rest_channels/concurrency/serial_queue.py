"""Queues that run themselves: a connection's calls and its events.

A lane takes one thing after another and has no task while it has nothing to do. Since Python 3.12
a task may start eagerly: work that never waits is over when `put` returns, at the cost of about a
microsecond. Python 3.11 has no such tasks; there every item costs a turn of the loop.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Generic, TypeVar

from .threads import Lease, current_lease

__all__ = [
    "EAGER",
    "SerialQueue",
    "cancel_tasks",
    "cancel_until_done",
    "current_queue",
    "start_task",
]

logger = logging.getLogger("rest_channels")

T = TypeVar("T")

Work = Callable[[T], Coroutine[Any, Any, None]]

EAGER = sys.version_info >= (3, 12)

if sys.version_info >= (3, 12):

    def start_task(
        work: Coroutine[Any, Any, T],
        loop: asyncio.AbstractEventLoop,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """A task for `work` that has already run up to its first wait."""
        return asyncio.Task(work, loop=loop, context=context, eager_start=True)

else:

    def start_task(
        work: Coroutine[Any, Any, T],
        loop: asyncio.AbstractEventLoop,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """A task for `work`, which begins at the loop's next turn."""
        return loop.create_task(work, context=context)


class SerialQueue(Generic[T]):
    """Does `work(item)` for one item at a time, in order, each in a task of its own.

    Every task starts in a fresh copy of the context the lane was made in, so nothing that one
    item leaves in context variables (an activated language, say) reaches the next. Every item has
    a deadline and a lease on a thread. Errors are the work's to handle; asyncio logs what escapes.

    In: `turn`, a lock shared by the lanes of one connection, so that its `def` handlers never run
    beside each other; `timeout`, in seconds, `None` for no deadline.
    """

    __slots__ = (
        "_due",
        "_expired",
        "_loop",
        "_task",
        "_timer",
        "_work",
        "busy",
        "context",
        "handler_lock",
        "items",
        "lease",
        "timeout",
    )

    def __init__(self, work: Work[T], handler_lock: asyncio.Lock, timeout: float | None) -> None:
        self.items: list[T] = []  # short and seldom filled: an empty deque has ten times its size
        self.lease = Lease()
        self.handler_lock = handler_lock
        self.timeout = timeout
        self.context = copy_context()
        self.context.run(current_queue.set, self)
        self.context.run(current_lease.set, self.lease)
        self._work = work
        self.busy = False
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._expired = False

    def put(self, item: T) -> None:
        """Queue `item`, and start with it if there is nothing before it."""
        self.items.append(item)
        if not self.busy:
            self.busy = True
            self._run()

    def _run(self) -> None:
        items = self.items
        while items:
            task = start_task(self._work(items.pop(0)), self._loop, self.context.copy())
            if not task.done():
                self._task = task
                task.add_done_callback(self._resume)
                self._watch()
                return
            if self.lease.thread is not None:
                self.lease.release()
        self.busy = False

    def _resume(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self._expired = False
        self.lease.release()
        self._run()

    # The deadline. Only work that waits can have one, and one timer serves many items: where it
    # comes too early, it comes again.

    def _watch(self) -> None:
        if self.timeout is not None:
            self._due = time.monotonic() + self.timeout
            if self._timer is None:
                self._timer = self._loop.call_later(self.timeout, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._task is None:
            return
        left = self._due - time.monotonic()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._expired = True
            self._task.cancel()

    def take_timeout(self) -> bool:
        """Whether the running item was cancelled by its deadline; it may then go on, once."""
        if not self._expired or self._task is None:
            return False
        self._expired = False
        self._task.uncancel()
        return True

    # The end.

    async def drain(self, timeout: float | None) -> None:
        """Wait until everything queued is done, at most `timeout` seconds (`None`: its own)."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._task is not None:
                    await asyncio.wait({self._task})

    async def stop(self, timeout: float) -> None:
        """Drop what is queued, cancel what runs, and wait for it at most `timeout` seconds."""
        self.items.clear()
        if self._timer is not None:
            self._timer.cancel()
        if (task := self._task) is not None:
            await cancel_tasks({task}, timeout)


current_queue: ContextVar[SerialQueue[Any]] = ContextVar("rest_channels_lane")


async def cancel_until_done(task: asyncio.Task[Any], timeout: float) -> None:
    """Cancel `task` again and again until it has ended, for at most `timeout` seconds.

    For work of our own that is safe to interrupt anywhere: what it awaits may swallow a
    cancellation (Python 3.11's `wait_for` and brokers' clients do).
    """
    deadline = time.monotonic() + timeout
    while not task.done() and time.monotonic() < deadline:
        task.cancel()
        await asyncio.wait({task}, timeout=timeout / 20)


async def cancel_tasks(tasks: set[asyncio.Task[Any]], timeout: float) -> None:
    """Cancel `tasks` and wait for their end; complain of those that refuse to end."""
    for task in tasks:
        task.cancel()
    if tasks:
        _done, alive = await asyncio.wait(tasks, timeout=timeout)
        for task in alive:
            logger.warning("%r ignores its cancellation and goes on unattended.", task)
