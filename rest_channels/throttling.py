"""Check DRF's throttle classes before a handler runs.

They count in Django's cache, so they run in a thread. `engine.inbox` limits the rate of frames,
without any I/O.
"""

from collections.abc import Awaitable, Sequence
from copy import copy
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
        self._throttles = [_for_failures(throttle, view) for throttle in throttles]

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
            if isinstance(throttle, FailureThrottle)
            and throttle.is_exhausted(self._request, self._view)
        ]
        if waits:
            raise Throttled(max((wait for wait in waits if wait is not None), default=None))


class FailureThrottle:
    """Counts failures as a throttle of DRF's counts requests, but apart from them.

    It uses a copy of `throttle`, because `get_throttles` may return the same instance again.
    """

    def __init__(self, throttle: Any, scope: str | None) -> None:
        self._throttle = throttle = copy(throttle)
        throttle.scope = f"{scope}_failed_authentication"

    def allow_request(self, request: Any, view: Any) -> bool:
        """Count a failure. Return whether it was not one too many."""
        from rest_framework.throttling import SimpleRateThrottle  # noqa: PLC0415 - needs settings

        return SimpleRateThrottle.allow_request(self._throttle, request, view)

    def wait(self) -> float | None:
        """Return the seconds until the next attempt."""
        wait: float | None = self._throttle.wait()
        return wait

    def is_exhausted(self, request: Any, view: Any) -> bool:
        """Return whether `allow_request` would return `False`, without counting."""
        throttle = self._throttle
        if throttle.rate is None:
            return False
        key = throttle.get_cache_key(request, view)
        if key is None:
            return False
        throttle.now = throttle.timer()
        since = throttle.now - throttle.duration
        throttle.history = [time for time in throttle.cache.get(key, []) if time > since]
        return bool(len(throttle.history) >= throttle.num_requests)


def _for_failures(throttle: Any, view: Any) -> Any:
    """Return what counts failures for `throttle`. If DRF's classes do not count, it does itself."""
    from rest_framework.throttling import (  # noqa: PLC0415 - it needs settings
        ScopedRateThrottle,
        SimpleRateThrottle,
    )

    method = getattr(type(throttle), "allow_request", None)
    if method is SimpleRateThrottle.allow_request:
        return FailureThrottle(throttle, throttle.scope)
    scope = getattr(view, getattr(throttle, "scope_attr", ""), None)
    if method is not ScopedRateThrottle.allow_request or not scope:
        return throttle
    throttle = copy(throttle)  # its `allow_request` would read these from the view
    throttle.scope = scope
    throttle.rate = throttle.get_rate()
    throttle.num_requests, throttle.duration = throttle.parse_rate(throttle.rate)
    return FailureThrottle(throttle, scope)
