"""The messages that a `RoutedSocketHandler` takes, for lists of a project's sockets."""

import re
from collections.abc import Iterable
from typing import Any

from rest_channels.introspection.descriptions import Operation, docstring_of
from rest_channels.introspection.operations import describe_class

from .handlers import RoutedSocketHandler
from .route_targets import RouteTarget

__all__ = ["register"]


def register() -> None:
    """Let descriptions of a project's sockets contain the routes of handlers."""
    describe_class.register(RoutedSocketHandler, _operations)


def _operations(cls: Any) -> Iterable[Operation]:
    """Return the routes of `cls`. Of two with the same type, the last one is called."""
    last: dict[str | re.Pattern[str], RouteTarget] = {}
    for name, target in cls._route_table.routes:
        last.pop(name, None)
        last[name] = target
    return [_operation(cls, name, target) for name, target in last.items()]


def _operation(cls: Any, name: str | re.Pattern[str], target: RouteTarget) -> Operation:
    handler = target.handler
    function = getattr(cls, handler) if isinstance(handler, str) else handler
    return Operation(
        name if isinstance(name, str) else name.pattern,
        function,
        docstring_of(function),
        takes_any=target.serializer_class is None,
        content=target.serializer_class,
        permissions=("login_required",) if cls.login_required else (),
        is_pattern=not isinstance(name, str),
    )
