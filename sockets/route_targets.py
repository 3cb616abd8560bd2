"""Where the routes of a handler lead, checked when its class is made."""

import difflib
from collections.abc import Callable
from typing import Any, NamedTuple

from rest_framework.serializers import BaseSerializer

__all__ = ["Target", "check_route"]


class Target(NamedTuple):
    """Where a route leads: a method's name, or a callable that takes the handler first."""

    handler: str | Callable[..., Any]
    serializer_class: type[BaseSerializer[Any]] | None = None


def check_route(cls: type[Any], route: Any) -> tuple[Any, Target]:
    """An entry of `cls.routes` for its table. Raises `TypeError` for what can lead nowhere."""
    if not isinstance(route, tuple) or len(route) not in (2, 3):
        raise TypeError(
            f"{cls.__name__}.routes: {route!r} is not (type, handler) or "
            "(type, handler, serializer_class)."
        )
    name, target = route[0], Target(*route[1:])
    if isinstance(target.handler, str):
        if not callable(getattr(cls, target.handler, None)):
            public = [name for name in dir(cls) if not name.startswith("_")]
            near = difflib.get_close_matches(target.handler, public, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise TypeError(
                f"{cls.__name__}.routes: {name!r} leads to {target.handler!r}, which is no method "
                f"of it.{hint}"
            )
    elif not callable(target.handler):
        raise TypeError(f"{cls.__name__}.routes: {target.handler!r} cannot be called.")
    serializer_class = target.serializer_class
    if serializer_class is not None and not hasattr(serializer_class, "is_valid"):
        raise TypeError(f"{cls.__name__}.routes: {name!r}: {serializer_class!r} is no serializer.")
    return name, target
