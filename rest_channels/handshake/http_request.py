"""The handshake as Django sees a request: the `HttpRequest` of an ASGI scope, and its path."""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.http import QueryDict
from django.urls import ResolverMatch

from ..exceptions import CloseCode
from ..protocol.messages import Scope
from ..renderers import NumberText, encode

__all__ = [
    "accept_and_close",
    "http_request",
    "path_info",
    "query_dict",
    "reject_handshake",
    "with_route",
]


def http_request(scope: Scope, method: str = "GET", body: bytes = b"") -> ASGIRequest:
    """Return the handshake as a request, with the scope's user and session if it has them."""
    http = {**scope, "type": "http", "method": method}
    http["scheme"] = "https" if scope.get("scheme") == "wss" else "http"
    # Django would raise for invalid UTF-8 and answer 400. A handshake cannot be answered with 400.
    http["query_string"] = scope.get("query_string", b"").decode(errors="replace")
    http.setdefault("headers", [])
    request = ASGIRequest(http, BytesIO(body))
    for name in ("user", "session"):
        if name in scope:
            setattr(request, name, scope[name])
    request.resolver_match = scope.get("resolver_match") or _route_match(scope)
    return request


def _route_match(scope: Scope) -> ResolverMatch | None:
    """Return the route that a router other than `SocketApplication` has found."""
    if (route := scope.get("url_route")) is None:
        return None
    return ResolverMatch(None, route.get("args", ()), route.get("kwargs", {}))  # type: ignore[arg-type]


def query_dict(query: Mapping[str, Any]) -> QueryDict:
    """Return the `query` of a frame as a query string would carry it: all values are text.

    A list gives several values to a name, as in `?tag=a&tag=b`. `None` is empty text. Other values
    are written as JSON: `true`, `2.5`, `{"gte":1}`.
    """
    result = QueryDict(mutable=True)
    for name, value in query.items():
        values = value if isinstance(value, list | tuple) else [value]
        result.setlist(name, [_query_text(item) for item in values])
    result._mutable = False
    return result


def _query_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = encode(value).decode()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return NumberText(text) if is_number else text


def path_info(scope: Scope) -> str:
    """Return the path to match with routes: without the prefix that the site is mounted under.

    The prefix is the server's `root_path` or Django's setting `FORCE_SCRIPT_NAME`. A proxy may
    have removed it already.
    """
    path: str = scope["path"]
    prefix = get_script_prefix(scope).rstrip("/")
    has_prefix = prefix and (path == prefix or path.startswith(prefix + "/"))
    return path[len(prefix) :] if has_prefix else path


def with_route(scope: Scope, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Scope:
    """Return a copy of `scope` whose `url_route` is extended with the arguments of a route."""
    outer = scope.get("url_route", {})
    args = (*outer.get("args", ()), *args)
    return {**scope, "url_route": {"args": args, "kwargs": {**outer.get("kwargs", {}), **kwargs}}}


async def accept_and_close(receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Accept the handshake and close with 4500, which tells a browser to connect again later."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
    await send({"type": "websocket.close", "code": int(CloseCode.CONNECT_FAILED), "reason": ""})


async def reject_handshake(receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Answer the handshake with HTTP 403, through ASGI's two callables."""
    await receive()
    await send({"type": "websocket.close", "code": 1000})
