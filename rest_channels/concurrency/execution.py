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
from .serial_queue import current_lane
from .threads import Lease, Leasing, current_lease

__all__ = ["awaited", "bare_context", "is_async", "leased", "own_threads", "run", "shared_thread"]

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
    lane = current_lane.get(None)  # a test may call a handler outside of any
    try:
        if lane is None or lane.turn in _held.get():
            result = await call()
        else:
            result = await _in_turn(lane.turn, call)
    except asyncio.CancelledError:
        logger.warning("%r was left running: it keeps its thread until it ends.", handler)
        raise
    return await result if isawaitable(result) else result


_held: ContextVar[Collection[asyncio.Lock]] = ContextVar("rest_channels_held", default=())
"""The turn that this context has; empty when it is over, also for tasks begun meanwhile."""


async def _in_turn(turn: asyncio.Lock, call: Callable[[], Awaitable[Any]]) -> Any:
    async with turn:
        held = [turn]
        token = _held.set(held)
        try:
            return await call()
        finally:
            held.clear()
            _held.reset(token)


def awaited(value: Any) -> Any:
    """`value`, in a thread, whether or not it has to be awaited."""
    return async_to_sync(_wait_for)(value) if isawaitable(value) else value


async def _wait_for(value: Awaitable[Any]) -> Any:
    return await value


def own_threads() -> AbstractAsyncContextManager[Any]:
    """The block in which thread-sensitive code goes to our threads, not to asgiref's one.

    It changes nothing where `THREAD_SENSITIVE` is on, or in a test's transaction.
    """
    if api_settings.THREAD_SENSITIVE or shared_thread.get():
        return nullcontext()
    return ThreadSensitiveContext(executor=_leasing)


shared_thread: ContextVar[bool] = ContextVar("rest_channels_shared_thread", default=False)


def bare_context() -> Context:
    """An empty context, but that a test's transaction is still where it was."""
    context = Context()
    context.run(shared_thread.set, shared_thread.get())
    return context


_leasing = Leasing()


@asynccontextmanager
async def leased(*, urgent: bool = False) -> AsyncIterator[None]:
    """A block outside any lane whose database work gets a thread of its own.

    In: `urgent`, whether it gets one also where handlers keep all of them busy.
    """
    async with own_threads():
        lease = Lease(urgent=urgent)
        token = current_lease.set(lease)
        try:
            yield
        finally:
            lease.release()
            current_lease.reset(token)
