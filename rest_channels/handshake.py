"""The handshake as Django sees requests: an `HttpRequest` made from a WebSocket's scope."""

from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest

__all__ = ["http_request"]

_SCHEMES = {"ws": "http", "wss": "https"}


def http_request(scope: dict[str, Any], method: str = "GET") -> ASGIRequest:
    """The request by which `scope`'s connection was opened, with its user and its session.

    In: an ASGI `websocket` scope (the keys `user` and `session` are optional); `method`, the HTTP
    method that permission classes are to see.
    """
    http = {**scope, "type": "http", "method": method}
    http["scheme"] = _SCHEMES.get(scope.get("scheme", "ws"), "http")
    http.setdefault("query_string", b"")
    http.setdefault("headers", [])
    request = ASGIRequest(http, BytesIO())
    for name in ("user", "session"):
        if name in scope:
            setattr(request, name, scope[name])
    return request
