"""The calls in threads of the live queries of one hub: a few at a time, each with its own thread.

A call may take seconds: for a search in a large table, or until a lock is released. So that it
delays nothing but itself, calls of one kind have only some of the places.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from ..client_logs import log_for_client
from ..concurrency.execution import thread_lease
from ..concurrency.thread_calls import function_in_thread
from ..engine.hub import Hub

__all__ = ["Calls", "wait_for"]

T = TypeVar("T")

logger = logging.getLogger("rest_channels")

MAX_CALLS = 6
"""How many calls a hub makes at a time."""

CALLS_PER_KIND = 2
"""How many of them may be of one kind, such as the readings of one model."""


class Calls:
    """The calls that run.

    `on_end` is called after each that the hub has not cancelled, and after each part of the rest
    that was left to `call_soon`. What waited for this may begin then.
    """

    def __init__(self, hub: Hub, on_end: Callable[[], None]) -> None:
        self._hub = hub
        self._on_end = on_end
        self._running: Counter[object] = Counter()  # by kind

    def has_room(self, kind: object) -> bool:
        """Return whether a call of this kind may begin."""
        return self._running.total() < MAX_CALLS and self._running[kind] < CALLS_PER_KIND

    def start(
        self, kind: object, function: Callable[..., T], *args: Any, then: Callable[[T | None], None]
    ) -> asyncio.Task[T]:
        """Call `function(*args)` in a thread, and `then(result)` on the event loop.

        The result is `None` if the call has failed: there is no thread, or the hub stops.

        Returns:
            The task, for those who wait until `then` was called.
        """
        self._running[kind] += 1
        task = self._hub.start_task(_call(function, *args))
        task.add_done_callback(partial(self._ended, kind, then))
        return task

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call `callback`, which ends more of a call, in a later iteration of the event loop."""
        self._hub.loop.call_soon(self._end_more, callback)

    def _end_more(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        finally:
            self._on_end()

    def _ended(self, kind: object, then: Callable[[Any], None], task: asyncio.Task[Any]) -> None:
        self._running[kind] -= 1
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log_for_client(logger, logging.ERROR, "Live queries cannot be read.", error=error)
        try:
            then(None if error is not None or task.cancelled() else task.result())
        finally:
            if not task.cancelled():
                self._on_end()


async def _call(function: Callable[..., T], *args: Any) -> T:
    async with thread_lease(urgent=True):
        return await function_in_thread(partial(function, *args))()  # type: ignore[no-any-return]


async def wait_for(tasks: list[asyncio.Task[Any]], seconds: float) -> None:
    """Wait for calls that the next ones depend on, unless they take long."""
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
