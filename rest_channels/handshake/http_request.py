"""The handshake as Django sees requests: an `HttpRequest` made from a scope, its path."""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest, get_script_prefix

from ..exceptions import CloseCode

__all__ = ["accept_and_close", "http_request", "path_info", "reject_handshake", "with_route"]

Scope = dict[str, Any]

_SCHEMES = {"ws": "http", "wss": "https"}


def http_request(scope: Scope, method: str = "GET", body: bytes = b"") -> ASGIRequest:
    """The request by which `scope`'s connection was opened, with its user and its session.

    In: an ASGI `websocket` scope (the keys `user` and `session` are optional); `method` and `body`,
    those of HTTP that permission classes and views are to see.
    """
    http = {**scope, "type": "http", "method": method}
    http["scheme"] = _SCHEMES.get(scope.get("scheme", "ws"), "http")
    # Django would raise for what is no UTF-8, and answer 400; a handshake has no 400.
    http["query_string"] = scope.get("query_string", b"").decode(errors="replace")
    http.setdefault("headers", [])
    request = ASGIRequest(http, BytesIO(body))
    for name in ("user", "session"):
        if name in scope:
            setattr(request, name, scope[name])
    return request


def path_info(scope: Scope) -> str:
    """The path below the prefix that the site is mounted under: what routes are matched with.

    The prefix is a server's `root_path`, or Django's setting `FORCE_SCRIPT_NAME`. A proxy may
    have cut it off already.
    """
    path: str = scope["path"]
    root = get_script_prefix(scope).rstrip("/")
    inside = root and (path == root or path.startswith(root + "/"))
    return path[len(root) :] if inside else path


def with_route(scope: Scope, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Scope:
    """`scope` for the application that a route leads to: its `url_route` joined with an outer."""
    outer = scope.get("url_route", {})
    args = (*outer.get("args", ()), *args)
    return {**scope, "url_route": {"args": args, "kwargs": {**outer.get("kwargs", {}), **kwargs}}}


async def accept_and_close(receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Accept and close, so that a browser can read why: come back later."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
    await send({"type": "websocket.close", "code": int(CloseCode.CONNECT_FAILED), "reason": ""})


async def reject_handshake(receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Answer the handshake with HTTP 403. In: ASGI's two callables, unused as yet."""
    await receive()
    await send({"type": "websocket.close", "code": 1000})
