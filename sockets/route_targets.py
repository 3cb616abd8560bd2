"""The targets of a handler's routes, checked when its class is created."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rest_framework.serializers import BaseSerializer

__all__ = ["RouteTarget", "check_received", "check_route"]


class RouteTarget(NamedTuple):
    """What a route calls: a method by name, or a callable that takes the handler first."""

    handler: str | Callable[..., Any]
    serializer_class: type[BaseSerializer[Any]] | None = None


def check_route(cls: type[Any], route: Any) -> tuple[Any, RouteTarget]:
    """Return an entry of `cls.routes` as `(type, target)`. Raise `TypeError` if it is invalid."""
    if not isinstance(route, tuple) or len(route) not in (2, 3):
        raise TypeError(
            f"{cls.__name__}.routes: {route!r} is not (type, handler) or "
            "(type, handler, serializer_class)."
        )
    name, target = route[0], RouteTarget(*route[1:])
    if isinstance(target.handler, str):
        if not callable(getattr(cls, target.handler, None)):
            public = [name for name in dir(cls) if not name.startswith("_")]
            matches = difflib.get_close_matches(target.handler, public, n=1)
            hint = f" Did you mean {matches[0]!r}?" if matches else ""
            raise TypeError(
                f"{cls.__name__}.routes: {name!r}: {cls.__name__} has no method "
                f"{target.handler!r}.{hint}"
            )
    elif not callable(target.handler):
        raise TypeError(f"{cls.__name__}.routes: {name!r}: {target.handler!r} is not callable.")
    serializer_class = target.serializer_class
    if serializer_class is not None and not hasattr(serializer_class, "is_valid"):
        raise TypeError(f"{cls.__name__}.routes: {name!r}: {serializer_class!r} is no serializer.")
    return name, target


def check_received(
    cls: Any, routes: Iterable[tuple[Any, RouteTarget]], *, handles_others: bool
) -> None:
    """Raise `TypeError` for a part of `cls.receives` that describes no message it may receive."""
    if cls.receives is None:
        return
    where = f"{cls.__name__}.receives"
    if not isinstance(cls.receives, Mapping):
        raise TypeError(f"{where} is no dict of types: write {{'MOVE': MoveSerializer}}.")
    targets = {getattr(name, "pattern", name): target for name, target in routes}
    for name in cls.receives:
        if name in targets and targets[name].serializer_class is not None:
            raise TypeError(f"{where}: the route {name!r} has a serializer_class already.")
        if name not in targets and not handles_others:
            raise TypeError(
                f"{where}: there is no route {name!r}. Add it to routes, or write default_route()."
            )
