"""Decorators that mark methods as actions or routes. Their classes read the marks."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, NamedTuple, TypeVar, overload

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.utils.decorators import method_decorator

from .concurrency.execution import mark_thread_form, run

__all__ = [
    "action",
    "action_mark",
    "detached",
    "detail_action",
    "list_action",
    "rest_channels",
    "route_name",
    "socket_route",
]

F = TypeVar("F", bound=Callable[..., Any])

_ROUTE = "_rest_channels_route"
_ACTION = "_rest_channels_action"
_DETACHED = "_rest_channels_detached"


@overload
def socket_route(name: F) -> F: ...
@overload
def socket_route(name: str | None = None) -> Callable[[F], F]: ...
def socket_route(name: F | str | None = None) -> F | Callable[[F], F]:
    """Let frames of the method dialect reach this method of a `SocketRouteView`.

    Frames name it by the name of the method, or by the one in `@socket_route("save")`. The
    method is called as `method(request, data, *args, **kwargs)`.
    """
    if callable(name):
        return _mark(name, name.__name__)
    if name is not None and (not isinstance(name, str) or not name):
        raise TypeError(f"@socket_route takes the name a frame uses, as text, not {name!r}.")
    return lambda method: _mark(method, name or method.__name__)


def _mark(method: F, name: str) -> F:
    setattr(method, _ROUTE, name)
    return method


def route_name(method: object) -> str | None:
    """Return the name by which frames reach `method`, or `None` if it is not marked."""
    name = getattr(method, _ROUTE, None)
    return name if isinstance(name, str) else None


def rest_channels(
    decorator: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> Callable[[F], F]:
    """Apply a decorator of functions `f(message, …)` to a method `(self, request, …)`.

        @rest_channels(channel_session)
        def receive(self, request, *args, **kwargs): ...

    Django's `method_decorator(channel_session)` does the same. Source: the rest_channels README.
    """
    return method_decorator(decorator)


class ActionMark(NamedTuple):
    """The arguments of `@action`."""

    name: str
    detached: bool
    http_method: str | None
    kwargs: dict[str, Any]


def action(
    atomic: Any = None,
    detached: bool | None = None,
    *,
    name: str | None = None,
    http_method: str | None = None,
    **kwargs: Any,
) -> Callable[..., Any]:
    """Let frames of the action dialect reach this method of an `AsyncAPIConsumer`.

    A `def` becomes awaitable and runs in a thread. Source: djangochannelsrestframework 1.3.

    Args:
        atomic: Whether a `def` runs in a transaction. `None`: as `ATOMIC_REQUESTS` of the default
            database.
        detached: Whether an `async def` runs while later frames are handled.
        name: The name that frames use. `None`: the method's.
        http_method: What DRF's permission classes see. `None`: the usual method of the name, else
            POST.
        **kwargs: Kept as `method.kwargs`.

    Raises:
        ValueError: An `async def` is to be atomic, or a `def` is to be detached.
    """
    if callable(atomic):  # @action, bare
        marked: Callable[..., Any] = action()(atomic)
        return marked

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        if atomic and iscoroutinefunction(method):
            raise ValueError(f"{method.__name__} is async def: only a def can be atomic.")
        if detached and not iscoroutinefunction(method):
            raise ValueError(f"{method.__name__} is def: only an async def can be detached.")
        awaitable = method if iscoroutinefunction(method) else _in_thread(method, atomic)
        mark = ActionMark(name or method.__name__, bool(detached), http_method, kwargs)
        setattr(awaitable, _ACTION, mark)
        awaitable.kwargs = kwargs  # type: ignore[attr-defined]
        return awaitable

    return decorate


def detached(method: F) -> F:
    """Let an action run while later frames are handled. Write it above or below `@action()`."""
    if not iscoroutinefunction(method):
        raise ValueError(f"{method.__name__} is def: only an async def can be detached.")
    setattr(method, _DETACHED, True)
    return method


def detail_action(**kwargs: Any) -> Callable[..., Any]:
    """`action(**kwargs)` for an action of one object. Source: djangochannelsrestframework 0.3."""
    return action(detail=True, **kwargs)


def list_action(**kwargs: Any) -> Callable[..., Any]:
    """`action(**kwargs)` for an action of many objects. Source: djangochannelsrestframework 0.3."""
    return action(detail=False, **kwargs)


def action_mark(method: object) -> ActionMark | None:
    """Return the arguments that `@action` had for `method`, or `None` if it is not marked."""
    mark = getattr(method, _ACTION, None)
    if not isinstance(mark, ActionMark):
        return None
    return mark._replace(detached=True) if getattr(method, _DETACHED, False) else mark


def _in_thread(method: Callable[..., Any], atomic: bool | None) -> Callable[..., Any]:
    def in_thread() -> Callable[..., Any]:
        default = connections[DEFAULT_DB_ALIAS].settings_dict["ATOMIC_REQUESTS"]
        return transaction.atomic(method) if (default if atomic is None else atomic) else method

    @wraps(method)
    async def awaitable(*args: Any, **kwargs: Any) -> Any:
        return await run(in_thread(), *args, **kwargs)

    mark_thread_form(awaitable, in_thread)
    return awaitable
