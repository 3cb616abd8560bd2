r"""Channels 1's route lists: each event of a connection finds its own consumer.

    routing = [
        route("websocket.connect", on_connect, path=r"^/editor/(?P<pk>\d+)/$"),
        route("websocket.receive", Editor.as_view(), path=r"^/editor/(?P<pk>\d+)/$"),
        route_class(Chat, path=r"^/chat/(?P<room>\w+)/$"),
        include("shop.routing.routing", path=r"^/shop"),
    ]

Filters are regular expressions matched from the start of what an event has of text: its `path`
(below the prefix that the site is mounted under), the `query_string` of a connect, the `text` or
the `bytes` of a frame. Their named groups become keyword arguments; the first route that fits
wins. An event without a route is ignored, so a path that has any route, but none for
`websocket.connect`, is accepted. A path that has none at all is refused (HTTP 403).
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
from ..request import SocketRequest
from ..views import SocketView

__all__ = ["ChannelRouter", "Include", "Route", "covers", "include", "route", "route_class"]

EVENTS = CONNECT, RECEIVE, DISCONNECT = (
    "websocket.connect",
    "websocket.receive",
    "websocket.disconnect",
)
FILTERS = ("path", "query_string", "text", "bytes")

Scope = dict[str, Any]
Content = dict[str, Any]
Consumer = Callable[..., Any]

_ANYTHING: Any = object()
"""The value of a key that fits every filter: it is not known yet."""


class Found(NamedTuple):
    """A consumer and its keyword arguments; `whole`: it is an ASGI application."""

    consumer: Consumer
    kwargs: dict[str, Any]
    whole: bool = False


class Route:
    """One consumer for some events; made by `route()` and `route_class()`."""

    def __init__(
        self,
        events: Iterable[str],
        consumer: Consumer,
        filters: dict[str, str],
        *,
        whole: bool = False,
    ) -> None:
        self.events = frozenset(events)
        self.consumer = consumer
        self.filters = _compiled(filters)
        self.whole = whole

    def match(self, event: str, content: Content) -> Found | None:
        """The consumer and its keyword arguments, if this route is for `event`."""
        if event not in self.events or (matches := _matches(self.filters, content)) is None:
            return None
        return Found(self.consumer, _named(matches), self.whole)


class Include:
    """A list of routes behind a prefix; made by `include()`."""

    def __init__(self, routes: Sequence["Route | Include"], prefixes: dict[str, str]) -> None:
        for entry in routes:
            if not isinstance(entry, Route | Include):
                raise ImproperlyConfigured(
                    f"{entry!r} is no route(), route_class() or include(). The list of a "
                    "SocketApplication may hold path() and re_path() as well."
                )
        self.routes = tuple(routes)
        self.prefixes = _compiled(prefixes)

    def match(self, event: str, content: Content) -> Found | None:
        """What an inner route finds behind the prefixes; it sees the rest of what they matched."""
        if (matches := _matches(self.prefixes, content)) is None:
            return None
        rest = {key: match.string[match.end() :] for key, match in matches.items()}
        for entry in self.routes:
            if (found := entry.match(event, {**content, **rest})) is not None:
                return found._replace(kwargs={**_named(matches), **found.kwargs})
        return None


def route(channels: str | Iterable[str], consumer: Consumer | str, **filters: str) -> Route:
    """Let `consumer(message, **kwargs)` handle the events `channels`.

    In: names of `websocket.connect`, `websocket.receive`, `websocket.disconnect`; a function, a
    `SocketView.as_view()` or the dotted path of one; regular expressions by key of the event.
    Raises `ImproperlyConfigured` for other names and for what cannot be imported or called so.
    """
    events = [channels] if isinstance(channels, str) else list(channels)
    for event in events:
        if event not in EVENTS:
            raise ImproperlyConfigured(f"route() takes {', '.join(EVENTS)}; not {event!r}.")
    found = _import(consumer) if isinstance(consumer, str) else consumer
    if not callable(found):
        raise ImproperlyConfigured(f"route() takes something to call, not {found!r}.")
    if _serves(found):
        name = _name(found)
        other = f", or route(…, {name}.as_view(), …)" if _is_view(found) else ""
        raise ImproperlyConfigured(
            f"{found!r} serves connections, not events: use route_class({name}, …){other}."
        )
    return Route(events, found, filters)


def route_class(consumer: Any, **filters: str) -> Route:
    """Let a class handle everything that happens on a connection.

    In: a `SocketView`, any other class with `as_asgi()` (a `SocketConsumer`, a plain consumer of
    Channels), or the dotted path of one; regular expressions for `path` and `query_string`.

    A view is what `route()` for all three events would make of it. Of any other class there is
    one instance for the whole connection, if it is the first that fits `websocket.connect`; it
    finds the named groups in `scope["url_route"]["kwargs"]`. Raises `ImproperlyConfigured`.
    """
    found = _import(consumer) if isinstance(consumer, str) else consumer
    if _is_view(found):
        return Route(EVENTS, found.as_view(), filters)
    if isinstance(found, type) and _serves(found):
        return Route([CONNECT], found.as_asgi(), filters, whole=True)  # type: ignore[attr-defined]
    hint = "It takes the class itself, without .as_asgi()."
    if callable(found) and not _serves(found):
        hint = "What is called with a message, as_view() included, goes into route()."
    raise ImproperlyConfigured(f"route_class() takes a class with as_asgi(), not {found!r}. {hint}")


def include(routing: str | Sequence[Route | Include], **prefixes: str) -> Include:
    """Put the routes of a list, or of the dotted path of one, behind prefixes (no `/` at the end).

    Raises `ImproperlyConfigured` for what cannot be imported or is no list of routes.
    """
    return Include(_import(routing) if isinstance(routing, str) else routing, prefixes)


def covers(entry: Route | Include, scope: Scope) -> bool:
    """Whether some event of the connection of `scope` could come to `entry`."""
    path = path_info(scope)
    possible = {
        CONNECT: _handshake(scope),
        RECEIVE: {"path": path, "text": _ANYTHING, "bytes": _ANYTHING},
        DISCONNECT: {"path": path},
    }
    return any(entry.match(event, content) for event, content in possible.items())


class ChannelRouter:
    """An ASGI application of a route list. In: the list, or its dotted path."""

    def __init__(self, routes: str | Sequence[Route | Include]) -> None:
        self.routes = include(routes)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one connection, or refuse it if no route could be for it."""
        if not covers(self.routes, scope):
            await reject_handshake(receive, send)
            return
        application, scope = self.find(scope)
        await application(scope, receive, send)

    def find(self, scope: Scope) -> tuple[Any, Scope]:
        """The application for a connection that this covers, and the scope it gets.

        It is that of a class whose route comes first for the connect; else each event is routed.
        """
        found = self.match(CONNECT, _handshake(scope))
        if found is not None and found.whole:
            return found.consumer, with_route(scope, (), found.kwargs)
        return self._serve, scope

    def match(self, event: str, content: Content) -> Found | None:
        """The first consumer for `event`, and its keyword arguments."""
        return self.routes.match(event, content)

    async def _serve(self, scope: Scope, receive: Any, send: Any) -> None:
        await Connection(scope, receive, send, partial(RouteAdapter, router=self)).serve()


class RouteAdapter(RequestAdapter):
    """A connection whose every event is routed on its own."""

    def __init__(self, connection: Connection, router: ChannelRouter) -> None:
        super().__init__(connection)
        self.router = router
        self.path = path_info(connection.scope)

    async def handle(self, request: SocketRequest) -> None:
        content = {**request.content, "path": self.path}  # the message itself keeps the whole path
        found = self.router.match(f"websocket.{request.event}", content)
        self.connection.connect_called = True  # a connect without a route is accepted
        if found is None:
            return
        # A view is a visit of its own; one in a decorator is a function like any other.
        if hasattr(found.consumer, "view_class") and not hasattr(found.consumer, "__wrapped__"):
            await found.consumer(request, **found.kwargs)
        else:
            target = (found.consumer, (request,), found.kwargs)
            await dispatch(DirectInvocation(self.connection, request.event, target))


def _handshake(scope: Scope) -> Content:
    return {"path": path_info(scope), "query_string": scope.get("query_string", b"")}


def _compiled(filters: dict[str, str]) -> dict[str, re.Pattern[str]]:
    return {key: _pattern(key, text) for key, text in filters.items()}


def _pattern(key: str, text: str) -> re.Pattern[str]:
    if key not in FILTERS:
        raise ImproperlyConfigured(f"Routes filter by {', '.join(FILTERS)}; not by {key!r}.")
    try:
        return re.compile(text)
    except (re.error, TypeError) as error:
        raise ImproperlyConfigured(f"{key}={text!r} is no regular expression: {error}") from error


def _matches(
    filters: dict[str, re.Pattern[str]], content: Content
) -> dict[str, re.Match[str]] | None:
    """The match of every filter whose value is known; `None` if one does not fit."""
    matches = {}
    for key, pattern in filters.items():
        value = content.get(key)
        if value is _ANYTHING:
            continue
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        match = pattern.match(value) if isinstance(value, str) else None
        if match is None:
            return None
        matches[key] = match
    return matches


def _named(matches: dict[str, re.Match[str]]) -> dict[str, Any]:
    return {name: value for one in matches.values() for name, value in one.groupdict().items()}


def _is_view(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, SocketView)


def _serves(found: object) -> bool:
    """Whether this is a class with `as_asgi()`, or what `as_asgi()` returned."""
    if isinstance(found, type):
        return callable(getattr(found, "as_asgi", None))
    made = hasattr(found, "view_class") and not hasattr(found, "view_initkwargs")
    return made or hasattr(found, "consumer_class")


def _name(found: object) -> str:
    named = getattr(found, "consumer_class", None) or getattr(found, "view_class", None) or found
    return getattr(named, "__name__", repr(named))


def _import(dotted: str) -> Any:
    try:
        return import_string(dotted)
    except ImportError as error:
        raise ImproperlyConfigured(f"Cannot import {dotted!r} for a route: {error}") from error
