"""Timers that keep nothing alive once they are cancelled.

A cancelled timer stays in the event loop until its time has come, which may be hours later, and so
does its context. The context of a handler has its connection.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context

__all__ = ["call_later", "start_timeout"]


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
