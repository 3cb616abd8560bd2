"""The messages that a `RoutedSocketHandler` takes and sends, for lists of a project's sockets."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from inspect import signature
from types import NoneType
from typing import Any, TypedDict

from rest_channels.decorators import hints_of
from rest_channels.introspection.descriptions import Operation, SentMessage, docstring_of
from rest_channels.introspection.hints import request_of
from rest_channels.introspection.messages import built_in_messages
from rest_channels.introspection.operations import describe_class
from rest_channels.introspection.row_actions import HAVE

from .constants import GOT_HELLO, PING, RECONNECT
from .handlers import RoutedSocketHandler
from .live_lists import LiveList
from .route_targets import RouteTarget

__all__ = ["register"]


DEFAULT = RouteTarget("default_route")
"""What is called for messages that no route matches."""


def register() -> None:
    """Let descriptions of a project's sockets contain the routes of handlers."""
    describe_class.register(RoutedSocketHandler, _operations)
    built_in_messages.register(RoutedSocketHandler, _messages)


class Hello(TypedDict):
    """The answer to HELLO: the client's own row."""

    user_id: int | str | None
    session_id: int | str
    path: str
    last_ping: datetime | None
    user_ip: str | None


class Details(TypedDict):
    """What the client is told."""

    details: str


def _messages(cls: Any) -> Iterator[SentMessage]:
    """Yield the messages that the built-in routes and the live lists of `cls` send."""
    handlers = [target.handler for target in _routes(cls).values()]
    if "on_hello" in handlers and cls.on_hello is RoutedSocketHandler.on_hello:
        yield SentMessage(GOT_HELLO, (Hello,), description="The answer to HELLO.")
        text = "Another socket of the same user has said HELLO: answer with a PING."
        yield SentMessage(PING, (NoneType,), description=text)
    if cls.login_required:
        yield SentMessage(RECONNECT, (Details,), description="Log in and connect again.")
    for live_list in filter(None, map(_live_list, handlers)):
        text = "The rows of a live list, and after each commit what differs."
        yield SentMessage(live_list.name, (live_list,), description=text)


def _operations(cls: Any) -> Iterable[Operation]:
    """Return the routes of `cls`."""
    routes = _routes(cls)
    known = {name if isinstance(name, str) else name.pattern for name in routes}
    others = [_operation(cls, name, DEFAULT) for name in cls.receives or {} if name not in known]
    return [*(_operation(cls, name, target) for name, target in routes.items()), *others]


def _routes(cls: Any) -> dict[str | re.Pattern[str], RouteTarget]:
    """Return what is called for each type. Of two routes with the same type, it is the last one."""
    last: dict[str | re.Pattern[str], RouteTarget] = {}
    for name, target in cls._route_table.routes:
        last.pop(name, None)
        last[name] = target
    return last


def _live_list(handler: Any) -> LiveList | None:
    """Return the live list to which `handler` subscribes clients, if it does."""
    response = hints_of(handler).get("response")
    return response if isinstance(response, LiveList) else None


def _operation(cls: Any, name: str | re.Pattern[str], target: RouteTarget) -> Operation:
    handler = target.handler
    function = getattr(cls, handler) if isinstance(handler, str) else handler
    text = name if isinstance(name, str) else name.pattern
    content = target.serializer_class or _declared(cls, text, function)
    live_list = _live_list(handler)
    return Operation(
        text,
        function,
        docstring_of(function),
        () if live_list is None else (HAVE,),
        takes_any=content is None,
        content=content,
        response=live_list,
        permissions=("login_required",) if cls.login_required else (),
        is_pattern=not isinstance(name, str),
    )


def _declared(cls: Any, name: str, function: Callable[..., Any]) -> Any:
    """Return the hint for messages of a type, from `receives` or from the function's argument."""
    if isinstance(cls.receives, Mapping) and name in cls.receives:
        hint = cls.receives[name]
        return NoneType if hint is None else hint
    names = list(signature(function).parameters)
    return request_of(function, names[1]) if len(names) > 1 else None
