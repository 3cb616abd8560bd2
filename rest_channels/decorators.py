"""Marks on methods. They say what a method is; the class that owns it does the rest."""

from collections.abc import Callable
from typing import Any, TypeVar, overload

from django.utils.decorators import method_decorator

__all__ = ["rest_channels", "route_name", "socket_route"]

F = TypeVar("F", bound=Callable[..., Any])

_ROUTE = "_rest_channels_route"


@overload
def socket_route(name: F) -> F: ...
@overload
def socket_route(name: str | None = None) -> Callable[[F], F]: ...
def socket_route(name: F | str | None = None) -> F | Callable[[F], F]:
    """Let frames of the method dialect reach this method of a `SocketRouteView`.

    Bare (`@socket_route`) the frame's `method` is the method's name; `@socket_route("save")`
    gives it another. The method is called as `method(request, data, *args, **kwargs)`.
    """
    if callable(name):
        return _mark(name, name.__name__)
    if name is not None and (not isinstance(name, str) or not name):
        raise TypeError(f"@socket_route takes the name a frame uses, not {name!r}.")
    return lambda method: _mark(method, name or method.__name__)


def _mark(method: F, name: str) -> F:
    setattr(method, _ROUTE, name)
    return method


def route_name(method: object) -> str | None:
    """The name under which frames reach `method`, or `None` if it is not marked."""
    name = getattr(method, _ROUTE, None)
    return name if isinstance(name, str) else None


def rest_channels(
    decorator: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> Callable[[F], F]:
    """Fit a decorator of functions `f(message, …)` to a method `(self, request, …)` (seed 000).

        @rest_channels(channel_session)
        def receive(self, request, *args, **kwargs): ...

    Django's `method_decorator(channel_session)` does the same and may be used instead.
    """
    return method_decorator(decorator)
