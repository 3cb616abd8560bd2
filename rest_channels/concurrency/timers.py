"""Timers that keep nothing alive once they are cancelled.

A cancelled timer stays in the event loop until its time has come, which may be hours later, and so
does its context. The context of a handler has its connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TypeVar

__all__ = ["await_in_time", "call_later", "start_timeout"]

T = TypeVar("T")

TICK = 0.1
"""Seconds between two timer calls of `await_in_time`; a late call counts for no more than this."""


def call_later(
    loop: asyncio.AbstractEventLoop, seconds: float, callback: Callable[[], None]
) -> asyncio.TimerHandle:
    """Call `callback` on `loop` after `seconds`, in an empty context."""
    return loop.call_later(seconds, callback, context=Context())


def start_timeout(timeout: asyncio.Timeout, seconds: float | None) -> None:
    """Let `timeout`, whose block has begun, end after `seconds`; `None`: never."""
    if seconds is not None:
        when = asyncio.get_running_loop().time() + seconds
        Context().run(timeout.reschedule, when)


async def await_in_time(awaitable: Awaitable[T], seconds: float) -> T:
    """Await another program's answer, and raise `TimeoutError` if it takes longer than `seconds`.

    The time that this loop was blocked does not count. Otherwise a busy process would believe that
    it had lost its broker.
    """
    loop = asyncio.get_running_loop()
    ticks = int(seconds / TICK)
    timer: asyncio.TimerHandle

    def tick() -> None:
        nonlocal ticks, timer
        ticks -= 1
        if ticks > 0:
            timer = loop.call_later(TICK, tick)
        else:
            timeout.reschedule(loop.time())

    timer = loop.call_later(TICK, tick)
    try:
        async with asyncio.timeout(None) as timeout:
            return await awaitable
    finally:
        timer.cancel()
