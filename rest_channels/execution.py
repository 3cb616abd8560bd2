"""How a handler runs: `async def` is awaited, `def` leases a thread; both have a deadline.

Every lane of a connection has a `Runner`, put into the lane's context. `run(handler, …)` finds it
there, so that a handler may be run from anywhere below without passing it along.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import Context, ContextVar, copy_context
from inspect import CO_COROUTINE, isawaitable, iscoroutinefunction
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async

from .exceptions import HandlerTimeout
from .settings import api_settings
from .threads import Lease, Leasing, current_lease

__all__ = ["Runner", "current_runner", "leased", "own_threads", "run", "shared_thread"]

logger = logging.getLogger("rest_channels")


def own_threads() -> AbstractAsyncContextManager[Any]:
    """The block in which thread-sensitive code goes to our threads, not to asgiref's one.

    It changes nothing where `THREAD_SENSITIVE` is on, or in a test's transaction.
    """
    if api_settings.THREAD_SENSITIVE or shared_thread.get():
        return nullcontext()
    return ThreadSensitiveContext(executor=_leasing)


shared_thread: ContextVar[bool] = ContextVar("rest_channels_shared_thread", default=False)


def is_async(handler: Callable[..., Any]) -> bool:
    """Whether to await `handler` (`inspect` says the same, ten times as slowly)."""
    function = getattr(handler, "__func__", handler)
    code = getattr(function, "__code__", None)
    return bool(code and code.co_flags & CO_COROUTINE) or iscoroutinefunction(handler)


class Runner:
    """Runs what one lane does: one piece of work at a time, under one deadline, on one thread.

    In: `turn`, a lock shared by the lanes of one connection, so that its `def` handlers never
    run beside each other; `timeout` in seconds, `None` for no deadline.

        with runner:                        # the deadline begins, the lease may be taken
            await runner.call(handler, …)   # as often as the work needs
    """

    __slots__ = ("_due", "_expired", "_loop", "_task", "_timer", "lease", "timeout", "turn")

    def __init__(self, turn: asyncio.Lock, timeout: float | None) -> None:
        self.turn = turn
        self.timeout = timeout
        self.lease = Lease()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._due = 0.0
        self._expired = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        if self.timeout is not None:
            self._due = self._loop.time() + self.timeout
            if self._timer is None:
                self._timer = self._loop.call_at(self._due, self._look)

    def __exit__(self, *error: object) -> None:
        self._task = None
        self._expired = False
        self.lease.release()

    async def call(self, handler: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `handler`; its result. Raises what it raises, or `HandlerTimeout` (504)."""
        try:
            if is_async(handler):
                return await handler(*args, **kwargs)
            async with self.turn:
                result = await sync_to_async(handler)(*args, **kwargs)
            return await result if isawaitable(result) else result
        except asyncio.CancelledError:
            if not is_async(handler):
                logger.warning("%r was left running: it keeps its thread until it ends.", handler)
            if not self._expired or self._task is None:
                raise
            self._task.uncancel()
            raise HandlerTimeout from None

    def _look(self) -> None:
        """One timer serves many calls: where it comes too early, it comes again."""
        self._timer = None
        if self._task is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
        else:
            self._expired = True
            self._task.cancel()

    def context(self) -> Context:
        """The running context, with this runner and its lease in it."""
        context = copy_context()
        context.run(current_runner.set, self)
        context.run(current_lease.set, self.lease)
        return context

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


current_runner: ContextVar[Runner] = ContextVar("rest_channels_runner")


def run(handler: Callable[..., Any], *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
    """Run a `def` or `async def` handler where the caller's lane runs its handlers."""
    return current_runner.get().call(handler, *args, **kwargs)


_leasing = Leasing()


@asynccontextmanager
async def leased() -> AsyncIterator[None]:
    """A block outside any lane whose database work gets a thread of its own."""
    async with own_threads():
        lease = Lease()
        token = current_lease.set(lease)
        try:
            yield
        finally:
            lease.release()
            current_lease.reset(token)
