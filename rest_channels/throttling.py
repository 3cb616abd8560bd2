"""How often: DRF's throttle classes, asked before a handler runs.

They count in Django's cache, so they are asked in a thread. The flood that threatens the server
itself is bounded elsewhere (`inbox`), without any I/O.
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
    """Ask every throttle, elsewhere. Raises `Throttled` (429) with the longest wait, in seconds."""
    await run(_ask, await throttles if isawaitable(throttles) else throttles, request, view)


def _ask(throttles: Sequence[Any], request: Any, view: Any) -> None:
    # All are asked, as DRF does, so that each counts this request.
    refused = [
        await_in_thread(one.wait())
        for one in throttles
        if not await_in_thread(one.allow_request(request, view))
    ]
    if refused:
        raise Throttled(max((wait for wait in refused if wait is not None), default=None))
