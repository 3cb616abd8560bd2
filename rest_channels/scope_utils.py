"""Two helpers with the names they have in djangochannelsrestframework."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from .concurrency.execution import is_async
from .handshake.http_request import http_request
from .handshake.identity import unauthenticated_user

__all__ = ["ensure_async", "request_from_scope"]


def request_from_scope(scope: dict[str, Any]) -> HttpRequest:
    """Return the handshake of `scope` as a Django request, with its user and its session.

    Without them `user` is that of a DRF request without a login, and `session` is `None`.
    """
    found = {name: scope[name] for name in ("user", "session") if scope.get(name) is not None}
    defaults = {"user": unauthenticated_user(), "session": None}
    return http_request({**scope, **defaults, **found})


def ensure_async(method: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Return a function that can be awaited. It runs a `def` in a thread."""
    return method if is_async(method) else sync_to_async(method)
