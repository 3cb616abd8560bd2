"""The handshake as Django sees a request: the `HttpRequest` of an ASGI scope, and its path."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.http import QueryDict
from django.urls import Resolver404, ResolverMatch
from rest_framework.settings import api_settings as drf_settings

from ..exceptions import CloseCode
from ..protocol.messages import Scope
from ..renderers import NumberText, encode_text
from ..settings import api_settings

__all__ = [
    "ROUTE_ENTRY",
    "accept_and_close",
    "http_request",
    "path_info",
    "query_dict",
    "reject_handshake",
    "with_route",
]


ROUTE_ENTRY = "rest_channels.route_entry"
"""The key of the scope with the `path()` or `re_path()` that `SocketApplication` has found."""

ADDRESS_CLAIMS = (b"x-forwarded-for", b"x-real-ip", b"forwarded")


def http_request(scope: Scope, method: str = "GET", body: bytes = b"") -> ASGIRequest:
    """Return the handshake as a request, with the scope's user and session if it has them.

    The address of the client is that of the scope. Headers that claim another one are left out.
    """
    http = {**scope, "type": "http", "method": method}
    http["scheme"] = "https" if scope.get("scheme") == "wss" else "http"
    # Django would raise for invalid UTF-8 and answer 400. A handshake cannot be answered with 400.
    http["query_string"] = scope.get("query_string", b"").decode(errors="replace")
    http["headers"] = _without_claims(scope.get("headers", ()))
    request = ASGIRequest(http, BytesIO(body))
    for name in ("user", "session"):
        if name in scope:
            setattr(request, name, scope[name])
    if "user" in scope:
        request.auser = partial(_get_user, scope["user"])  # as Django's AuthenticationMiddleware
    request.resolver_match = scope.get("resolver_match") or _resolver_match(scope)
    return request


async def _get_user(user: Any) -> Any:
    return user


def _without_claims(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return `headers` without those that claim an address: DRF's throttles believe them.

    `proxies` has used those of trusted proxies. Where DRF's `NUM_PROXIES` says how many proxies
    there are, and `TRUSTED_PROXIES` does not say which, `X-Forwarded-For` stays for DRF.
    """
    for_drf = drf_settings.NUM_PROXIES is not None and not api_settings.TRUSTED_PROXIES
    claims = ADDRESS_CLAIMS[1:] if for_drf else ADDRESS_CLAIMS
    return [pair for pair in headers if pair[0].lower().replace(b"_", b"-") not in claims]


def _resolver_match(scope: Scope) -> ResolverMatch | None:
    """Return Django's match of the route. One in front of a router has its arguments only."""
    if (entry := scope.get(ROUTE_ENTRY)) is not None:
        with suppress(Resolver404):
            return entry.resolve(path_info(scope).removeprefix("/"))  # type: ignore[no-any-return]
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
    text = encode_text(value)
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


def with_route(
    scope: Scope,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    path_remaining: str | None = None,
) -> Scope:
    """Return a copy of `scope` whose `url_route` is extended with the arguments of a route.

    `path_remaining` is what the routers of Channels continue with, or `None` to leave it out.
    """
    outer = scope.get("url_route", {})
    args = (*outer.get("args", ()), *args)
    route = {"args": args, "kwargs": {**outer.get("kwargs", {}), **kwargs}}
    rest = {} if path_remaining is None else {"path_remaining": path_remaining}
    return {**scope, **rest, "url_route": route}


async def accept_and_close(
    receive: Callable[[], Any],
    send: Callable[[Any], Any],
    code: int = CloseCode.CONNECT_FAILED,
    reason: str = "",
    *,
    text: str | None = None,
    subprotocol: str | None = None,
) -> None:
    """Accept the handshake, send the frame `text`, and close: a browser can read why.

    By default close with 4500, which tells a browser to connect again later.
    """
    await receive()
    await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
    if text is not None:
        await send({"type": "websocket.send", "text": text})
    await send({"type": "websocket.close", "code": int(code), "reason": reason})


async def reject_handshake(receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Answer the handshake with HTTP 403, through ASGI's two callables."""
    await receive()
    await send({"type": "websocket.close", "code": 1000})
