"""Check DRF's throttle classes before a handler runs.

They count in Django's cache, so they run in a thread. `engine.inbox` limits the rate of frames,
without any I/O.
"""

from collections.abc import Awaitable, Sequence
from inspect import isawaitable
from typing import Any

from rest_framework.exceptions import AuthenticationFailed, Throttled

from .concurrency.execution import await_in_thread, run

__all__ = ["FailedAuthentications", "check_throttles"]


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


class FailedAuthentications:
    """Counts the failed authentications of handshakes, by `throttles`, as those of an address.

    They have a count of their own, under the same rates. So a client that guesses tokens is refused
    before its next token is looked up, and clients with valid ones are not counted. A throttle with
    its own `allow_request` cannot be asked without counting: it is called after each failure.
    """

    def __init__(self, throttles: Sequence[Any], request: Any, view: Any) -> None:
        self._request = request
        self._view = view
        self._throttles = throttles
        for throttle in throttles:
            if _counts_by_scope(throttle):
                throttle.scope = f"{throttle.scope}_failed_authentication"

    async def __aenter__(self) -> None:
        """Raise `Throttled` (429) if there were too many before this one."""
        if self._throttles:
            await run(self._check)

    async def __aexit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if self._throttles and isinstance(error, AuthenticationFailed):
            await run(_count_request, self._throttles, self._request, self._view)

    def _check(self) -> None:
        waits = [
            throttle.wait()
            for throttle in self._throttles
            if _counts_by_scope(throttle) and self._is_exhausted(throttle)
        ]
        if waits:
            raise Throttled(max((wait for wait in waits if wait is not None), default=None))

    def _is_exhausted(self, throttle: Any) -> bool:
        """Return what `allow_request` would, without counting the request."""
        if throttle.rate is None:
            return False
        key = throttle.get_cache_key(self._request, self._view)
        if key is None:
            return False
        throttle.now = throttle.timer()
        since = throttle.now - throttle.duration
        throttle.history = [time for time in throttle.cache.get(key, []) if time > since]
        return bool(len(throttle.history) >= throttle.num_requests)


def _counts_by_scope(throttle: Any) -> bool:
    """Return whether `throttle` is counted as DRF's `SimpleRateThrottle` counts."""
    from rest_framework.throttling import SimpleRateThrottle  # noqa: PLC0415 - it needs settings

    method = getattr(type(throttle), "allow_request", None)
    return method is SimpleRateThrottle.allow_request
