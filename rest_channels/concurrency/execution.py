"""Run handlers: `async def` is awaited, `def` leases a thread.

Both run in the serial queue of their connection, with its timeout.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from contextvars import Context, ContextVar
from functools import partial
from inspect import CO_COROUTINE
from types import FunctionType
from typing import Any, TypeVar

from asgiref.sync import (
    async_to_sync,
    iscoroutinefunction,
)
from django.core.exceptions import SynchronousOnlyOperation

from ..client_logs import log_for_client
from ..exceptions import HandlerTimeout
from ..protocol.function_cache import FunctionCache
from ..settings import api_settings
from .awaitables import is_awaitable
from .pool_blocks import use_thread_pool
from .serial_queue import current_queue, waiting_tasks
from .testcase import shared_thread
from .thread_calls import function_in_thread
from .threads import ThreadLease, current_thread_lease
from .timers import start_timeout

__all__ = [
    "await_in_thread",
    "empty_context",
    "explain_query",
    "forget_held_locks",
    "handshake_thread",
    "has_thread_form",
    "in_handshake_thread",
    "is_async",
    "mark_thread_form",
    "render_in_thread",
    "run",
    "run_and_render",
    "shared_thread",
    "thread_form",
    "thread_lease",
]

T = TypeVar("T")

logger = logging.getLogger("rest_channels")


def is_async(handler: Callable[..., Any]) -> bool:
    """Return whether `handler` has to be awaited, ten times as fast as `inspect` does."""
    code = getattr(handler, "__code__", None)  # also of a method, a compiled function, or a mock
    if code is not None and code.co_flags & CO_COROUTINE:
        return True
    function = getattr(handler, "__func__", handler)
    if type(function) is not FunctionType:
        return _is_async_object(handler, code)
    if not function.__dict__:  # nothing has marked it
        return False
    if function is handler and function.__closure__ is not None:
        return iscoroutinefunction(function)  # often made for one call: keeping would cost more
    key = id(function)
    if (marked := _marked.get(key)) is not None:
        return marked
    return _marked.keep(function, key, iscoroutinefunction(function))


_marked = FunctionCache[bool]()
"""Whether `markcoroutinefunction` has marked a `def`."""


def _is_async_object(handler: Any, code: Any) -> bool:
    call = None
    if code is None:  # its class calls it, as that of an observer does
        call = type(handler).__call__
        code = getattr(call, "__code__", None)
        if code is not None and code.co_flags & CO_COROUTINE:
            return True
    return iscoroutinefunction(handler) or (call is not None and iscoroutinefunction(call))


async def run(handler: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a `def` or `async def` handler and return its result.

    A `def` handler that is cancelled keeps its thread until it ends, and is not waited for. If it
    calls another handler through `async_to_sync`, that one runs under the same handler lock.
    """
    if is_async(handler):
        return await handler(*args, **kwargs)
    return await _run_in_thread(handler, partial(handler, *args, **kwargs))


async def run_and_render(
    render: Callable[[Any], T], handler: Any, /, *args: Any, **kwargs: Any
) -> T:
    """Call a handler as `run` does, and return `render(result)`."""
    handler = thread_form(handler)
    if not is_async(handler):
        return await render_in_thread(render, handler, *args, **kwargs)
    result = await handler(*args, **kwargs)
    try:
        return render(result)
    except (SynchronousOnlyOperation, TypeError) as error:
        explain_query(error, handler)
        raise


async def render_in_thread(
    render: Callable[[Any], T], handler: Any, /, *args: Any, **kwargs: Any
) -> T:
    """Call a `def` handler as `run` does, and return `render(result)`.

    The result is rendered in its thread, because data may query when it is rendered.
    """

    def call() -> tuple[bool, Any]:
        result = handler(*args, **kwargs)
        return (True, result) if is_awaitable(result) else (False, render(result))

    returned_awaitable, value = await _run_in_thread(handler, call)
    if not returned_awaitable:
        return value  # type: ignore[no-any-return]
    result = await value
    return render(result) if result is None else await run(render, result)


def explain_query(error: Exception, handler: Any) -> None:
    """Raise an error that says what to write, if a query on the event loop caused `error`."""
    cause: BaseException | None = error
    while not isinstance(cause, SynchronousOnlyOperation):
        if cause is None:
            return
        cause = cause.__cause__  # orjson wraps what it calls
    name = getattr(handler, "__qualname__", handler)
    raise SynchronousOnlyOperation(
        f"{name} returned data that queries the database when it is rendered. Write def, not "
        "async def, or query in the handler, as in [row async for row in rows]."
    ) from error


def mark_thread_form(awaitable: Any, make_function: Callable[[], Callable[..., Any]]) -> None:
    """Mark the `async def` handler `awaitable`: `run_and_render` calls another function instead.

    `make_function()` returns that function, a `def`.
    """
    setattr(awaitable, _THREAD_FORM, (awaitable, make_function))


def has_thread_form(function: Any) -> bool:
    """Return whether `mark_thread_form` has marked `function` itself."""
    mark = getattr(function, _THREAD_FORM, None)
    return isinstance(mark, tuple) and mark[0] is function  # a `Mock` has every attribute


def thread_form(handler: Any) -> Any:
    """Return the `def` that runs in place of a handler that `mark_thread_form` has marked."""
    function = getattr(handler, "__func__", handler)
    if not has_thread_form(function):  # a decorator copies the mark of what it wraps
        return handler
    return getattr(function, _THREAD_FORM)[1]().__get__(getattr(handler, "__self__", None))


_THREAD_FORM = "_rest_channels_thread_form"


async def _run_in_thread(handler: Callable[..., Any], function: Callable[[], Any]) -> Any:
    queue = current_queue.get(None)  # tests may call handlers outside of a queue
    task: Any = asyncio.current_task()

    def begin() -> Any:
        waiting_tasks.discard(task)
        return function()

    call = function_in_thread(begin)
    waiting_tasks.add(task)
    try:
        if queue is None or queue.handler_lock in _held_locks.get():
            result = await call()
        else:
            result = await _with_lock(queue.handler_lock, call)
    except asyncio.CancelledError:
        if task not in waiting_tasks:
            text = "%r was left running: it keeps its thread until it ends."
            log_for_client(logger, logging.WARNING, text, handler)
        raise
    finally:
        waiting_tasks.discard(task)
    return await result if is_awaitable(result) else result


_held_locks: ContextVar[Collection[asyncio.Lock]] = ContextVar("rest_channels_held", default=())
"""The handler lock that this context holds. Tasks that it started see it released as well."""


def forget_held_locks() -> None:
    """Let the `def` handlers of the running task wait for one that has begun it, and goes on."""
    _held_locks.set(())


async def _with_lock(handler_lock: asyncio.Lock, call: Callable[[], Awaitable[Any]]) -> Any:
    await handler_lock.acquire()  # `async with` takes three times as long
    held = [handler_lock]
    token = _held_locks.set(held)
    try:
        return await call()
    finally:
        held.clear()
        _held_locks.reset(token)
        handler_lock.release()


def await_in_thread(value: Any) -> Any:
    """Return `value`, or its result if it is awaitable. To be called in a thread."""
    return async_to_sync(_await)(value) if is_awaitable(value) else value


async def _await(value: Awaitable[Any]) -> Any:
    return await value


def empty_context() -> Context:
    """Return an empty context that only keeps the shared thread of a test's transaction."""
    context = Context()
    context.run(shared_thread.set, shared_thread.get())
    return context


@asynccontextmanager
async def handshake_thread() -> AsyncIterator[None]:
    """Run the threads' work of a block in the threads for handshakes.

    Raise `HandlerTimeout` if it takes longer than the setting `HANDSHAKE_TIMEOUT`.
    """
    try:
        async with asyncio.timeout(None) as timeout, thread_lease(for_handshake=True):
            start_timeout(timeout, api_settings.HANDSHAKE_TIMEOUT)
            yield
    except TimeoutError as error:
        raise HandlerTimeout from error


async def in_handshake_thread(check: Awaitable[None]) -> None:
    """Await `check`, whose threads' work runs in the threads for handshakes."""
    async with handshake_thread():
        await check


@asynccontextmanager
async def thread_lease(*, urgent: bool = False, for_handshake: bool = False) -> AsyncIterator[None]:
    """Lease a thread for the database work of a block outside of a serial queue.

    An `urgent` block gets a thread even if handlers use all of them. Blocks `for_handshake` have
    threads of their own.
    """
    async with use_thread_pool():
        lease = ThreadLease(urgent=urgent, for_handshake=for_handshake)
        token = current_thread_lease.set(lease)
        try:
            yield
        finally:
            lease.end()
            current_thread_lease.reset(token)
