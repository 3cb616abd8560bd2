"""Two helpers with the names they have in djangochannelsrestframework."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from .concurrency.execution import is_async
from .handshake.http_request import http_request

__all__ = ["ensure_async", "request_from_scope"]


def request_from_scope(scope: dict[str, Any]) -> HttpRequest:
    """Return the handshake of `scope` as a Django request, with its user and its session."""
    return http_request(scope)


def ensure_async(method: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Return a function that can be awaited. It runs a `def` in a thread."""
    return method if is_async(method) else sync_to_async(method)
