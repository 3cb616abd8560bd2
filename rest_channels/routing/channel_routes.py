r"""Channels 1's route lists: each event of a connection is routed to a consumer of its own.

    routing = [
        route("websocket.connect", on_connect, path=r"^/editor/(?P<pk>\d+)/$"),
        route("websocket.receive", Editor.as_view(), path=r"^/editor/(?P<pk>\d+)/$"),
        route_class(Chat, path=r"^/chat/(?P<room>\w+)/$"),
        include("shop.routing.routing", path=r"^/shop"),
    ]

Filters are regular expressions, matched from the start. They match the `path` of an event (below
the prefix that the site is mounted under), the `query_string` of a connect, and the `text` or the
`bytes` of a frame. Their named groups become keyword arguments. The first route that matches wins.

An event without a route is ignored. So a connection is accepted if its path has routes, but none
for `websocket.connect`. A path without any route is refused (HTTP 403).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from ..dispatch.adapters import RequestAdapter
from ..dispatch.dispatcher import dispatch
from ..dispatch.invocation import DirectInvocation
from ..engine.connection import Connection
from ..handshake.http_request import path_info, reject_handshake, with_route
from ..protocol.messages import Scope
from ..request import SocketRequest
from ..views import SocketView

__all__ = ["ChannelRouter", "Include", "Route", "covers", "include", "route", "route_class"]

CONNECT, RECEIVE, DISCONNECT = "websocket.connect", "websocket.receive", "websocket.disconnect"
EVENTS = (CONNECT, RECEIVE, DISCONNECT)
FILTERS = ("path", "query_string", "text", "bytes")

Content = dict[str, Any]
Consumer = Callable[..., Any]

_UNKNOWN: Any = object()  # the value of a key that is not known yet: every filter matches it


class Match(NamedTuple):
    """A consumer and its keyword arguments."""

    consumer: Consumer
    kwargs: dict[str, Any]
    is_application: bool = False  # whether an ASGI application handles all events


class Route:
    """One consumer for some events. `route()` and `route_class()` make them."""

    def __init__(
        self,
        events: Iterable[str],
        consumer: Consumer,
        filters: dict[str, str],
        *,
        is_application: bool = False,
    ) -> None:
        self.events = frozenset(events)
        self.consumer = consumer
        self.filters = _compile(filters)
        self.is_application = is_application

    def match(self, event: str, content: Content) -> Match | None:
        """Return the consumer and its keyword arguments if `event` matches, else `None`."""
        if event not in self.events or (matches := _matches(self.filters, content)) is None:
            return None
        return Match(self.consumer, _named_groups(matches), self.is_application)


class Include:
    """A list of routes behind a prefix. `include()` makes them."""

    def __init__(self, routes: Sequence["Route | Include"], prefixes: dict[str, str]) -> None:
        for entry in routes:
            if not isinstance(entry, Route | Include):
                raise ImproperlyConfigured(
                    f"{entry!r} is no route(), route_class() or include(). Only the list of a "
                    "SocketApplication may also have path() and re_path()."
                )
        self.routes = tuple(routes)
        self.prefixes = _compile(prefixes)

    def match(self, event: str, content: Content) -> Match | None:
        """Return the match of an inner route, which sees the text after the prefixes."""
        if (matches := _matches(self.prefixes, content)) is None:
            return None
        rest = {key: match.string[match.end() :] for key, match in matches.items()}
        for entry in self.routes:
            if (found := entry.match(event, {**content, **rest})) is not None:
                return found._replace(kwargs={**_named_groups(matches), **found.kwargs})
        return None


def route(channels: str | Iterable[str], consumer: Consumer | str, **filters: str) -> Route:
    """Let `consumer(message, **kwargs)` handle the events `channels`.

    Args:
        channels: One or more of `websocket.connect`, `websocket.receive`, `websocket.disconnect`.
        consumer: A function, a `SocketView.as_view()`, or the dotted path of one.
        **filters: Regular expressions, by the key of the event that they match.

    Raises:
        ImproperlyConfigured: An argument is something else, or cannot be imported.
    """
    events = [channels] if isinstance(channels, str) else list(channels)
    for event in events:
        if event not in EVENTS:
            raise ImproperlyConfigured(f"route() takes {', '.join(EVENTS)}; not {event!r}.")
    found = _import(consumer) if isinstance(consumer, str) else consumer
    if not callable(found):
        raise ImproperlyConfigured(f"route() takes something to call, not {found!r}.")
    if _serves_connections(found):
        name = _name(found)
        other = f", or route(…, {name}.as_view(), …)" if _is_view(found) else ""
        hint = f"use route_class({name}, …){other}"
        raise ImproperlyConfigured(f"{found!r} serves connections, not events: {hint}.")
    return Route(events, found, filters)


def route_class(consumer: Any, **filters: str) -> Route:
    """Let a class handle all events of a connection.

    A view is routed as by `route()` for all three events. Any other class has one instance for each
    connection. It serves the connection if this route is the first to match `websocket.connect`.
    The named groups are in `scope["url_route"]["kwargs"]`.

    Args:
        consumer: A `SocketView`, another class with `as_asgi()` (a `SocketConsumer`, a consumer of
            Channels), or the dotted path of one.
        **filters: Regular expressions for `path` and `query_string`.

    Raises:
        ImproperlyConfigured: `consumer` is something else, or cannot be imported.
    """
    found = _import(consumer) if isinstance(consumer, str) else consumer
    if _is_view(found):
        return Route(EVENTS, found.as_view(), filters)
    if isinstance(found, type) and _serves_connections(found):
        return Route([CONNECT], found.as_asgi(), filters, is_application=True)  # type: ignore[attr-defined]
    hint = "It takes the class itself, without .as_asgi()."
    if callable(found) and not _serves_connections(found):
        hint = "Use route() for a function that takes a message, and for as_view()."
    raise ImproperlyConfigured(f"route_class() takes a class with as_asgi(), not {found!r}. {hint}")


def include(routing: str | Sequence[Route | Include], **prefixes: str) -> Include:
    """Put the routes of a list behind prefixes, which have no `/` at the end.

    Args:
        routing: A list of routes, or its dotted path.
        **prefixes: Regular expressions, by the key of the event that they match.

    Raises:
        ImproperlyConfigured: `routing` is something else, or cannot be imported.
    """
    return Include(_import(routing) if isinstance(routing, str) else routing, prefixes)


def covers(entry: Route | Include, scope: Scope) -> bool:
    """Return whether `entry` may match any event of the connection of `scope`."""
    path = path_info(scope)
    possible = {
        CONNECT: _connect_content(scope),
        RECEIVE: {"path": path, "text": _UNKNOWN, "bytes": _UNKNOWN},
        DISCONNECT: {"path": path},
    }
    return any(entry.match(event, content) for event, content in possible.items())


class ChannelRouter:
    """An ASGI application that routes each event by a route list, or by its dotted path."""

    def __init__(self, routes: str | Sequence[Route | Include]) -> None:
        self.routes = include(routes)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one connection, or refuse it if no route matches any of its events."""
        if not covers(self.routes, scope):
            await reject_handshake(receive, send)
            return
        application, scope = self.find(scope)
        await application(scope, receive, send)

    def find(self, scope: Scope) -> tuple[Any, Scope]:
        """Return the application for a connection that this covers, and its scope.

        If the connect matches a class first, that class serves it. Otherwise each event is routed.
        """
        found = self.routes.match(CONNECT, _connect_content(scope))
        if found is not None and found.is_application:
            return found.consumer, with_route(scope, (), found.kwargs)
        return self._serve, scope

    def find_target(self, scope: Scope) -> Any:
        """Return what handles the frames of a connection that this covers, or `None`."""
        path = path_info(scope)
        found = self.routes.match(CONNECT, _connect_content(scope))
        if found is None or not found.is_application:
            found = self.routes.match(RECEIVE, {"path": path, "text": _UNKNOWN, "bytes": _UNKNOWN})
        return None if found is None else found.consumer

    async def _serve(self, scope: Scope, receive: Any, send: Any) -> None:
        await Connection(scope, receive, send, partial(RouteAdapter, routes=self.routes)).serve()


class RouteAdapter(RequestAdapter):
    """Routes every event of a connection on its own."""

    def __init__(self, connection: Connection, routes: Include) -> None:
        super().__init__(connection)
        self.routes = routes
        self.path = path_info(connection.scope)

    async def handle(self, request: SocketRequest) -> None:
        content = {**request.content, "path": self.path}  # the request keeps the full path
        found = self.routes.match(f"websocket.{request.event}", content)
        self.connection.connect_called = True  # a connect without a route is accepted
        if found is None:
            return
        # A view makes an invocation itself. A view in a decorator is called like a function.
        if hasattr(found.consumer, "view_class") and not hasattr(found.consumer, "__wrapped__"):
            await found.consumer(request, **found.kwargs)
        else:
            target = (found.consumer, (request,), found.kwargs)
            await dispatch(DirectInvocation(self.connection, request.event, target))


def _connect_content(scope: Scope) -> Content:
    return {"path": path_info(scope), "query_string": scope.get("query_string", b"")}


def _compile(filters: dict[str, str]) -> dict[str, re.Pattern[str]]:
    return {key: _compile_filter(key, text) for key, text in filters.items()}


def _compile_filter(key: str, text: str) -> re.Pattern[str]:
    if key not in FILTERS:
        raise ImproperlyConfigured(f"Routes filter by {', '.join(FILTERS)}; not by {key!r}.")
    try:
        return re.compile(text)
    except (re.error, TypeError) as error:
        raise ImproperlyConfigured(f"{key}={text!r} is no regular expression: {error}") from error


def _matches(
    filters: dict[str, re.Pattern[str]], content: Content
) -> dict[str, re.Match[str]] | None:
    """Return the match of every filter with a known value; `None` if a filter does not match."""
    matches = {}
    for key, pattern in filters.items():
        value = content.get(key)
        if value is _UNKNOWN:
            continue
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        match = pattern.match(value) if isinstance(value, str) else None
        if match is None:
            return None
        matches[key] = match
    return matches


def _named_groups(matches: dict[str, re.Match[str]]) -> dict[str, Any]:
    return {name: value for match in matches.values() for name, value in match.groupdict().items()}


def _is_view(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, SocketView)


def _serves_connections(found: object) -> bool:
    """Return whether `found` is a class with `as_asgi()`, or the result of `as_asgi()`."""
    if isinstance(found, type):
        return callable(getattr(found, "as_asgi", None))
    is_view_application = hasattr(found, "view_class") and not hasattr(found, "view_initkwargs")
    return is_view_application or hasattr(found, "consumer_class")


def _name(found: object) -> str:
    cls = getattr(found, "consumer_class", None) or getattr(found, "view_class", None) or found
    return getattr(cls, "__name__", repr(cls))


def _import(dotted: str) -> Any:
    try:
        return import_string(dotted)
    except ImportError as error:
        raise ImproperlyConfigured(f"Cannot import {dotted!r} for a route: {error}") from error
