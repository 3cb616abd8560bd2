r"""Channels 1's route lists: each event of a connection finds its own consumer.

    routing = [
        route("websocket.connect", on_connect, path=r"^/editor/(?P<pk>\d+)/$"),
        route("websocket.receive", Editor.as_view(), path=r"^/editor/(?P<pk>\d+)/$"),
        include("shop.routing.routing", path=r"^/shop"),
    ]

Filters are regular expressions matched from the start of a key of the event (`path`, …); their
named groups become keyword arguments; the first route that fits wins. An event without a route is
ignored, so a path that has any route, but none for `websocket.connect`, is accepted.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .connection import Connection
from .dispatch import DirectVisit, dispatch
from .faces import RequestFace
from .request import SocketRequest

__all__ = ["ChannelRouter", "Include", "Route", "include", "route"]

EVENTS = ("websocket.connect", "websocket.receive", "websocket.disconnect")

Consumer = Callable[..., Any]
Found = tuple[Consumer, dict[str, Any]]
Content = dict[str, Any]


class Route:
    """One consumer for some events; made by `route()`."""

    def __init__(self, events: Iterable[str], consumer: Consumer, filters: dict[str, str]) -> None:
        self.events = frozenset(events)
        self.consumer = consumer
        self.filters = _compiled(filters)

    def match(self, event: str, content: Content) -> Found | None:
        """The consumer and its keyword arguments, if this route is for `event`."""
        if event not in self.events:
            return None
        kwargs: dict[str, Any] = {}
        for key, pattern in self.filters.items():
            found = _matched(pattern, content.get(key))
            if found is None:
                return None
            kwargs.update(found.groupdict())
        return self.consumer, kwargs

    def covers(self, path: str) -> bool:
        """Whether some event of a connection to `path` could come here."""
        pattern = self.filters.get("path")
        return pattern is None or pattern.match(path) is not None


class Include:
    """A list of routes behind a prefix; made by `include()`."""

    def __init__(self, routes: Sequence["Route | Include"], prefixes: dict[str, str]) -> None:
        self.routes = tuple(routes)
        self.prefixes = _compiled(prefixes)

    def match(self, event: str, content: Content) -> Found | None:
        """What an inner route finds behind the prefixes; it sees the rest of what they matched."""
        inner, kwargs = dict(content), {}
        for key, pattern in self.prefixes.items():
            found = _matched(pattern, content.get(key))
            if found is None:
                return None
            inner[key] = content[key][found.end() :]
            kwargs.update(found.groupdict())
        for entry in self.routes:
            if (match := entry.match(event, inner)) is not None:
                return match[0], {**kwargs, **match[1]}
        return None

    def covers(self, path: str) -> bool:
        """Whether some event of a connection to `path` could come here."""
        pattern = self.prefixes.get("path")
        if pattern is not None:
            found = pattern.match(path)
            if found is None:
                return False
            path = path[found.end() :]
        return any(entry.covers(path) for entry in self.routes)


def route(channels: str | Iterable[str], consumer: Consumer | str, **filters: str) -> Route:
    """Let `consumer(message, **kwargs)` handle the events `channels`.

    In: names of `websocket.connect`, `websocket.receive`, `websocket.disconnect`; a function, a
    `SocketView.as_view()` or the dotted path of one; regular expressions by key of the event.
    Raises `ImproperlyConfigured` for other names and for what cannot be imported or called.
    """
    events = [channels] if isinstance(channels, str) else list(channels)
    for event in events:
        if event not in EVENTS:
            raise ImproperlyConfigured(f"route() takes {', '.join(EVENTS)}; not {event!r}.")
    found = _import(consumer) if isinstance(consumer, str) else consumer
    if not callable(found):
        raise ImproperlyConfigured(f"route() takes something to call, not {found!r}.")
    return Route(events, found, filters)


def include(routing: str | Sequence[Route | Include], **prefixes: str) -> Include:
    """Put the routes of a list, or of the dotted path of one, behind prefixes (no `/` at the end).

    Raises `ImproperlyConfigured` for what cannot be imported.
    """
    return Include(_import(routing) if isinstance(routing, str) else routing, prefixes)


class ChannelRouter:
    """An ASGI application of a route list. In: the list, or its dotted path."""

    def __init__(self, routes: str | Sequence[Route | Include]) -> None:
        self.routes = include(routes)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one connection."""
        await Connection(scope, receive, send, partial(RouteFace, router=self)).serve()

    def match(self, event: str, content: Content) -> Found | None:
        """The first consumer for `event`, and its keyword arguments."""
        return self.routes.match(event, content)


class RouteFace(RequestFace):
    """A connection whose every event is routed on its own."""

    def __init__(self, connection: Connection, router: ChannelRouter) -> None:
        super().__init__(connection)
        self.router = router

    async def handle(self, request: SocketRequest) -> None:
        found = self.router.match(f"websocket.{request.event}", request.content)
        self.connection.admitted = True  # a connect without a route is accepted
        if found is None:
            return
        consumer, kwargs = found
        if hasattr(consumer, "view_class"):  # a view is a visit of its own
            await consumer(request, **kwargs)
        else:
            target = (consumer, (request,), kwargs)
            await dispatch(DirectVisit(self.connection, request.event, target))


def _compiled(filters: dict[str, str]) -> dict[str, re.Pattern[str]]:
    return {key: re.compile(pattern) for key, pattern in filters.items()}


def _matched(pattern: re.Pattern[str], value: Any) -> re.Match[str] | None:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return pattern.match(value) if isinstance(value, str) else None


def _import(dotted: str) -> Any:
    try:
        return import_string(dotted)
    except ImportError as error:
        raise ImproperlyConfigured(f"Cannot import {dotted!r} for a route: {error}") from error
