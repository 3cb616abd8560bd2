"""How a handler runs: `async def` is awaited, `def` leases a thread.

Both run in the lane of their connection, under its deadline.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import Context, ContextVar
from functools import partial
from inspect import CO_COROUTINE, isawaitable
from typing import Any

from asgiref.sync import ThreadSensitiveContext, async_to_sync, iscoroutinefunction, sync_to_async

from ..settings import api_settings
from .serial_queue import current_queue
from .threads import Lease, LeasingExecutor, current_lease

__all__ = [
    "await_in_thread",
    "empty_context",
    "is_async",
    "run",
    "shared_thread",
    "thread_lease",
    "use_thread_pool",
]

logger = logging.getLogger("rest_channels")


def is_async(handler: Callable[..., Any]) -> bool:
    """Whether to await `handler` (`inspect` says the same, ten times as slowly)."""
    function = getattr(handler, "__func__", handler)
    code = getattr(function, "__code__", None)
    return bool(code and code.co_flags & CO_COROUTINE) or iscoroutinefunction(handler)


async def run(handler: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a `def` or `async def` handler; its result. Raises what it raises.

    A `def` that is cancelled goes on in its thread, which it keeps until it ends; nobody waits
    for it. One that calls another, by way of `async_to_sync`, has it done in its own turn.
    """
    if is_async(handler):
        return await handler(*args, **kwargs)
    call = sync_to_async(partial(handler, *args, **kwargs))
    queue = current_queue.get(None)  # a test may call a handler outside of any
    try:
        if queue is None or queue.handler_lock in _held_locks.get():
            result = await call()
        else:
            result = await _with_lock(queue.handler_lock, call)
    except asyncio.CancelledError:
        logger.warning("%r was left running: it keeps its thread until it ends.", handler)
        raise
    return await result if isawaitable(result) else result


_held_locks: ContextVar[Collection[asyncio.Lock]] = ContextVar("rest_channels_held", default=())
"""The turn that this context has; empty when it is over, also for tasks begun meanwhile."""


async def _with_lock(handler_lock: asyncio.Lock, call: Callable[[], Awaitable[Any]]) -> Any:
    async with handler_lock:
        held = [handler_lock]
        token = _held_locks.set(held)
        try:
            return await call()
        finally:
            held.clear()
            _held_locks.reset(token)


def await_in_thread(value: Any) -> Any:
    """`value`, in a thread, whether or not it has to be awaited."""
    return async_to_sync(_wait_for)(value) if isawaitable(value) else value


async def _wait_for(value: Awaitable[Any]) -> Any:
    return await value


def use_thread_pool() -> AbstractAsyncContextManager[Any]:
    """The block in which thread-sensitive code goes to our threads, not to asgiref's one.

    It changes nothing where `THREAD_SENSITIVE` is on, or in a test's transaction.
    """
    if api_settings.THREAD_SENSITIVE or shared_thread.get():
        return nullcontext()
    return ThreadSensitiveContext(executor=_leasing)


shared_thread: ContextVar[bool] = ContextVar("rest_channels_shared_thread", default=False)


def empty_context() -> Context:
    """An empty context, but that a test's transaction is still where it was."""
    context = Context()
    context.run(shared_thread.set, shared_thread.get())
    return context


_leasing = LeasingExecutor()


@asynccontextmanager
async def thread_lease(*, urgent: bool = False) -> AsyncIterator[None]:
    """A block outside any lane whose database work gets a thread of its own.

    In: `urgent`, whether it gets one also where handlers keep all of them busy.
    """
    async with use_thread_pool():
        lease = Lease(urgent=urgent)
        token = current_lease.set(lease)
        try:
            yield
        finally:
            lease.release()
            current_lease.reset(token)
