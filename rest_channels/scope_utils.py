"""Two helpers that users of djangochannelsrestframework import."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from .concurrency.execution import is_async
from .handshake.http_request import http_request

__all__ = ["ensure_async", "request_from_scope"]


def request_from_scope(scope: dict[str, Any]) -> HttpRequest:
    """The handshake of `scope` as a request of Django's, with its user and its session."""
    return http_request(scope)


def ensure_async(method: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """`method`, so that it can be awaited; a `def` then runs in a thread."""
    return method if is_async(method) else sync_to_async(method)
