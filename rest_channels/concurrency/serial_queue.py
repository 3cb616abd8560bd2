"""A queue that processes one item after another, without a task while it is empty.

Since Python 3.12 tasks start eagerly: work that never waits is done when `put` returns, and the
task costs about a microsecond. On Python 3.11 every item costs an iteration of the loop.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .awaitables import DONE
from .tasks import cancel_tasks, new_task
from .threads import ThreadLease, current_thread_lease
from .timers import call_later

__all__ = [
    "SerialQueue",
    "current_queue",
    "outlast_deadline",
    "outlasts_deadline",
    "waiting_tasks",
]

T = TypeVar("T")

Work = Callable[[T], Coroutine[Any, Any, None]]


@dataclass(eq=False, repr=False, slots=True)
class SerialQueue(Generic[T]):
    """Runs `work(item)` for one item at a time, in order, each in a task of its own.

    Every task starts in a new copy of the context in which the queue was created. So context
    variables that one item sets, such as an activated language, do not reach the next. Every item
    has a lease on a thread, and is cancelled after `timeout` seconds. `work` has to handle errors.

    The queues of one connection share the `handler_lock` of the `first`: its `def` handlers never
    run at one time.
    """

    work: Work[T]
    timeout: float | None
    first: "SerialQueue[Any] | None" = None
    answering: Any = None  # the connection whose calls the items are; `None`: they are no calls
    items: list[T] = field(default_factory=list)  # mostly empty: a deque is ten times as large
    lease: ThreadLease = field(default_factory=ThreadLease)
    context: Context = field(default_factory=copy_context)
    busy: bool = False
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _task: asyncio.Task[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _deadline: float = 0.0
    _expired: bool = False
    _after_item: tuple[Callable[[], None], ...] = ()
    _handler_lock: asyncio.Lock | None = None  # most connections never need one

    def __post_init__(self) -> None:
        self.lease.owner = self
        self.context.run(current_queue.set, self)
        self.context.run(current_thread_lease.set, self.lease)

    @property
    def handler_lock(self) -> asyncio.Lock:
        """Held by the `def` handler that runs. To be used on the event loop."""
        owner = self.first or self
        if owner._handler_lock is None:
            owner._handler_lock = asyncio.Lock()
        return owner._handler_lock

    def put(self, item: T) -> None:
        """Queue `item`, or start with it if the queue is idle."""
        if self.busy:
            self.items.append(item)
        else:
            self.start(self.work(item))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as an item, while the queue is idle. Then run the items that were queued."""
        self.busy = True
        while True:
            context = self.context.copy()
            task = new_task(work, loop=self._loop, context=context, eager_start=True)
            if not task.done():
                self._task = task
                task.add_done_callback(self._resume)
                self._start_deadline()
                return
            if self.lease.thread is not None or self._after_item:
                self._end_item()
            if not self.items:
                break
            work = self._take_next()
        self.busy = False

    def _take_next(self) -> Coroutine[Any, Any, None]:
        """Remove the item that has waited longest, and return the work on it."""
        return self.work(self.items.pop(0))

    def call_after_item(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the running item has ended, before the next one starts."""
        self._after_item += (callback,)

    def _end_item(self) -> None:
        if self.lease.thread is not None:
            self.lease.release()
        callbacks, self._after_item = self._after_item, ()
        for callback in callbacks:
            callback()

    async def let_item_run(self) -> None:
        """Let the running item end, if it does not have to wait for anything.

        Eager tasks have ended at once. Without them a client that sends many frames at a time would
        exceed the limits before the first of them is handled.
        """
        for _iteration in range(3):  # it starts, it ends, and the next one starts
            await asyncio.sleep(0)
            if not self.busy:
                break

    def _resume(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self._expired = False
        self._end_item()
        if self.items:
            self.start(self._take_next())
        else:
            self.busy = False

    # Only work that waits has a deadline. One timer serves many items: if it fires before the
    # deadline of the running item, it is started again.

    def _start_deadline(self) -> None:
        if self.timeout is not None:
            self._deadline = time.monotonic() + self.timeout
            if self._timer is None:
                self._timer = call_later(self._loop, self.timeout, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._task is None:
            return
        remaining = self._deadline - time.monotonic()
        if remaining > 0:
            self._timer = call_later(self._loop, remaining, self._check_deadline)
        elif self.answering is not None and self.answering.outbox.is_sending_answer:
            self._start_deadline()  # cancelled now, it would not know whether that was sent
        else:
            self._expired = True
            self._task.cancel()

    def take_timeout(self) -> bool:
        """Return whether its deadline cancelled the running item, and undo the cancellation.

        To be called by the item itself.
        """
        caller = asyncio.current_task()
        if caller is None or not self._expired or self._task is not caller:
            return False
        self._expired = False
        caller.uncancel()
        return True

    async def drain(self, timeout: float | None) -> None:
        """Wait until the queue is idle, for at most `timeout` seconds (`None`: without a limit)."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._task is not None:
                    await asyncio.wait({self._task})

    async def wait_for_current(self) -> None:
        """Wait until the item that runs now is done."""
        await asyncio.sleep(0)  # it may be in the part that runs eagerly
        if self._task is not None:
            await asyncio.wait({self._task})

    @property
    def running_task(self) -> asyncio.Task[Any] | None:
        """The task of the running item; `None` in the part that runs eagerly."""
        return self._task

    def is_running(self, task: asyncio.Task[Any] | None) -> bool:
        """Return whether `task` is that of the running item. Call this in code of the item's owner.

        The item has no task yet in the part that runs eagerly, in which nothing else runs.
        """
        return self.busy and self._task in (None, task)

    def cancel_waiting(self) -> None:
        """Cancel the running item if it waits for a `def` to begin."""
        if self._task is not None and self._task in waiting_tasks:
            self._task.cancel()

    def stop(self, timeout: float) -> Awaitable[None]:
        """Drop the queued items, cancel the running one, and wait at most `timeout` seconds.

        Return `DONE` if no item runs.
        """
        self.items.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None  # so that an item that is put later, a disconnect, starts another
        if self._task is not None:
            return self._stop_item(self._task, timeout)
        self.lease.release()  # a task that an item has started may have used it since
        return DONE

    async def _stop_item(self, task: asyncio.Task[None], timeout: float) -> None:
        await cancel_tasks({task}, timeout)
        self.lease.release()

    def drop_references(self) -> None:
        """Let go of what the queue works for. It has ended, and `stop` was called."""
        self.lease.end()
        self.lease.owner = None
        self.work = _ignore_item
        self.answering = None
        self.context = _NO_CONTEXT


async def _ignore_item(item: Any) -> None:
    """The work of a queue whose owner has ended."""


_NO_CONTEXT = Context()


current_queue: ContextVar[SerialQueue[Any]] = ContextVar("rest_channels_queue")


async def outlast_deadline(answer: Awaitable[Any]) -> None:
    """Await `answer`, which is queued already and waits for its client.

    If the deadline of the running item passes meanwhile, it is no longer awaited: a second answer
    would say that the item took too long. What the item does afterwards has a deadline of its own.
    """
    try:
        await answer
    except asyncio.CancelledError:
        if not outlasts_deadline():
            raise


def outlasts_deadline() -> bool:
    """Return whether its deadline cancelled the running item, and give the item another one.

    To be called by the item itself.
    """
    queue = current_queue.get(None)
    if queue is None or not queue.take_timeout():
        return False
    queue._start_deadline()
    return True


waiting_tasks: set[asyncio.Task[Any]] = set()
"""The tasks that wait for a handler lock or for a thread, so that a `def` can begin.

Beside the task of an item, detached actions of the same connection may wait.
"""
