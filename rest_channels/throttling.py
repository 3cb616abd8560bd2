"""Check DRF's throttle classes before a handler runs.

They count in Django's cache, so they run in a thread. `engine.inbox` limits the rate of frames,
without any I/O.
"""

from collections.abc import Awaitable, Sequence
from inspect import isawaitable
from typing import Any

from rest_framework.exceptions import Throttled

from .concurrency.execution import await_in_thread, run

__all__ = ["check_throttles"]


async def check_throttles(
    throttles: Sequence[Any] | Awaitable[Sequence[Any]], request: Any, view: Any
) -> None:
    """Check all throttles. Raise `Throttled` (429), with the longest wait in seconds."""
    throttles = await throttles if isawaitable(throttles) else throttles
    if throttles:
        await run(_count_request, throttles, request, view)


def _count_request(throttles: Sequence[Any], request: Any, view: Any) -> None:
    # All throttles are called, as in DRF, so that each of them counts this request.
    waits = [
        await_in_thread(throttle.wait())
        for throttle in throttles
        if not await_in_thread(throttle.allow_request(request, view))
    ]
    if waits:
        raise Throttled(max((wait for wait in waits if wait is not None), default=None))
