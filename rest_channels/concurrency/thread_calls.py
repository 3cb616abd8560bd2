"""Call a function in a leased thread, as asgiref's `sync_to_async` does, at half its price.

The context of the caller goes into the thread, and its changes come back. In the thread
`async_to_sync` runs on the caller's event loop. asgiref itself takes four futures and three
iterations of the loop for this. Here it is one future and one call back to the loop.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial
from threading import get_ident
from typing import Any

from asgiref.sync import SyncToAsync, sync_to_async

from .asgiref_locals import LOCALS_CAN_MOVE, STORAGE
from .pool_blocks import is_pool_next, start_in_pool

__all__ = ["function_in_thread"]


def function_in_thread(function: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    """Return what `sync_to_async(function)` does, for one call in the running context."""
    if LOCALS_CAN_MOVE and is_pool_next():
        return partial(_call_in_pool, function)
    return sync_to_async(function)


async def _call_in_pool(function: Callable[[], Any]) -> Any:
    """Return `function()`, called in the thread of the current lease.

    If it is cancelled while `function` runs a coroutine by `async_to_sync`, that coroutine is
    cancelled, and `function` is waited for. Otherwise `function` goes on and its result is dropped.
    """
    loop = asyncio.get_running_loop()
    context = copy_context()
    nested: list[asyncio.Task[Any]] = []  # `async_to_sync` adds the tasks in which it runs here
    call = partial(context.run, _call_with_locals, context, function)
    work = start_in_pool(partial(_in_thread, loop, sys.exc_info(), nested, call))
    try:
        return await work.future
    except asyncio.CancelledError:
        if not nested:
            raise
        work.future = loop.create_future()
        nested[0].cancel()
        return await work.future
    finally:
        _restore(context)


# It tells `async_to_sync` about the loop, and lets the thread see the exception in `exc_info`.
_in_thread: Any = SyncToAsync(lambda: None).thread_handler


def _call_with_locals(context: Context, function: Callable[[], Any]) -> Any:
    thread = get_ident()
    for variable, value in context.items():
        if type(value) is STORAGE:
            variable.set(STORAGE(thread, value.data))
    return function()


def _restore(context: Context) -> None:
    """Set what a call has changed in `context`, which is a copy, in the running context."""
    for variable, value in context.items():
        own = variable.get(_UNSET)
        if type(value) is not STORAGE:
            if own is not value:
                variable.set(value)
        elif own is _UNSET or own.data is not value.data:  # a `Local` replaces its data
            variable.set(STORAGE(get_ident(), value.data))


_UNSET = object()
