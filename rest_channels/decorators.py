"""Decorators that mark methods as actions or routes. Their classes read the marks."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction, isfunction, isroutine
from typing import Any, Generic, NamedTuple, TypeVar, overload

from asgiref.sync import SyncToAsync
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.utils.decorators import method_decorator

from .concurrency.execution import mark_thread_form, run
from .declarations.classes import is_own_class
from .declarations.hints import UNKNOWN, check_hints
from .declarations.unsupported import OPTIONS, refuse_options
from .declarations.values import check_values

__all__ = [
    "ACTION",
    "DETACHED",
    "ROUTE",
    "action",
    "action_mark",
    "check_marks",
    "detached",
    "detail_action",
    "hints_of",
    "list_action",
    "overridable_property",
    "rest_channels",
    "route_name",
    "socket_route",
]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

ROUTE = "_rest_channels_route"
ACTION = "_rest_channels_action"
DETACHED = "_rest_channels_detached"
HINTS = "_rest_channels_hints"
"""Attributes of marked methods."""

HTTP_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

MARKS = {
    ACTION: ("@action", "an AsyncAPIConsumer"),
    DETACHED: ("@detached", "an AsyncAPIConsumer"),
    ROUTE: ("@socket_route", "a SocketRouteView"),
}
"""The decorator of each mark, and the class that reads it."""


@overload
def socket_route(name: F) -> F: ...
@overload
def socket_route(
    name: str | None = None, *, request: Any = UNKNOWN, response: Any = UNKNOWN
) -> Callable[[F], F]: ...
def socket_route(
    name: F | str | None = None, *, request: Any = UNKNOWN, response: Any = UNKNOWN, **options: Any
) -> F | Callable[[F], F]:
    """Let frames of the method dialect reach this method of a `SocketRouteView`.

    Frames name it by the name of the method, or by the one in `@socket_route("save")`. The
    method is called as `method(request, data, *args, **kwargs)`.

    Args:
        name: The name.
        request: A serializer class or a type, of `data`; for schemas.
        response: A serializer class or a type, of the answer's data; for schemas.
        **options: Raise `TypeError`.
    """
    refuse_options("@socket_route", options, ["name", "request", "response"])
    hints = _given_hints("@socket_route", request, response)
    if callable(name):
        return _mark(name, name.__name__, hints)
    if name is not None and (not isinstance(name, str) or not name):
        raise TypeError(f"@socket_route takes the name a frame uses, as text, not {name!r}.")
    return lambda method: _mark(method, name or method.__name__, hints)


def _mark(method: F, name: str, hints: dict[str, Any]) -> F:
    setattr(method, ROUTE, name)
    setattr(method, HINTS, hints)
    return method


def _given_hints(decorator: str, request: Any, response: Any) -> dict[str, Any]:
    """Return the hints that were given. Raises `TypeError` for a wrong one."""
    hints = {"request": request, "response": response}
    hints = {name: hint for name, hint in hints.items() if hint is not UNKNOWN}
    check_hints(decorator, hints)
    return hints


def hints_of(method: object) -> dict[str, Any]:
    """Return the hints `request` and `response` that a decorator was given for `method`."""
    hints: dict[str, Any] = getattr(method, HINTS, {})
    return hints


def route_name(method: object) -> str | None:
    """Return the name by which frames reach `method`, or `None` if it is not marked."""
    name = getattr(method, ROUTE, None)
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
    request: Any = UNKNOWN,
    response: Any = UNKNOWN,
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
        request: A serializer class or a type, for schemas: of `data` if the method has an argument
            of this name, else of the frame's other keys.
        response: A serializer class or a type, for schemas, of the answer's data. `None`: none.
        **kwargs: Class attributes that this action replaces, as in DRF's viewsets, such as
            `permission_classes` and `serializer_class`. They are kept as `method.kwargs`.

    Raises:
        TypeError: An option does not exist, or has a wrong value.
        ValueError: An `async def` is to be atomic, or a `def` is to be detached.
    """
    if isfunction(atomic):  # @action, bare
        marked: Callable[..., Any] = action()(atomic)
        return marked
    _check_options(atomic, detached, name, http_method)
    _check_kwargs(kwargs)
    hints = _given_hints("@action", request, response)

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        _check_method(method)
        original = getattr(method, DETACHED, None)  # written above @detached
        is_detached = bool(detached) or original is not None
        method = original or method
        if atomic and iscoroutinefunction(method):
            raise ValueError(f"{method.__name__} is async def: only a def can be atomic.")
        if is_detached and not iscoroutinefunction(method):
            raise ValueError(f"{method.__name__} is def: only an async def can be detached.")
        awaitable = method if iscoroutinefunction(method) else _in_thread(method, atomic)
        mark = ActionMark(name or method.__name__, is_detached, http_method, kwargs)
        return _with_marks(awaitable, mark, hints)

    return decorate


def _with_marks(method: Any, mark: ActionMark, hints: dict[str, Any]) -> Callable[..., Any]:
    setattr(method, ACTION, mark)
    setattr(method, HINTS, hints)
    method.kwargs = mark.kwargs
    return method  # type: ignore[no-any-return]


def _check_method(method: Any) -> None:
    """Raise `TypeError` for what `@action` cannot mark."""
    if isinstance(method, SyncToAsync):
        raise TypeError("@action runs a def in a thread itself: delete the decorator below it.")
    if not isroutine(method) or not callable(method) or isinstance(method, staticmethod):
        raise TypeError(f"@action marks methods with self, not {method!r}.")


def _check_options(atomic: Any, detached: Any, name: Any, http_method: Any) -> None:
    """Raise `TypeError` for a wrong value of an option that every action has."""
    if isinstance(atomic, list | tuple):
        raise TypeError(f"@action has no option 'methods': {OPTIONS['@action']['methods']}.")
    for option, value in {"atomic": atomic, "detached": detached}.items():
        if not isinstance(value, bool | None):
            raise TypeError(f"@action({option}={value!r}): write True or False.")
    if name is not None and (not isinstance(name, str) or not name):
        raise TypeError(f"@action(name={name!r}): write the name that frames use, as text.")
    if http_method is not None and http_method not in HTTP_METHODS:
        raise TypeError(f"@action(http_method={http_method!r}): write one of {HTTP_METHODS}.")


def _check_kwargs(kwargs: dict[str, Any]) -> None:
    refuse_options("@action", kwargs, kwargs.keys() - OPTIONS["@action"].keys())
    if not isinstance(detail := kwargs.get("detail"), bool | None):
        raise TypeError(f"@action(detail={detail!r}): write True or False.")
    check_values("@action: ", kwargs)


def detached(method: F | None = None) -> F:
    """Let a method of an `AsyncAPIConsumer` run while later frames are handled.

    The caller continues at once. The method ends with the connection at the latest. For an action
    write it above or below `@action()`.
    """
    if method is None:
        raise TypeError("@detached() takes no arguments: write @detached, without parentheses.")
    if not iscoroutinefunction(method):
        name = getattr(method, "__name__", repr(method))
        raise ValueError(f"{name} is def: only an async def can be detached.")
    if action_mark(method) is not None:
        setattr(method, DETACHED, method)
        return method

    @wraps(method)
    async def start(self: Any, *args: Any, **kwargs: Any) -> None:
        self._detached.begin_method(self, method(self, *args, **kwargs))

    setattr(start, DETACHED, method)
    return start  # type: ignore[return-value]


def detail_action(**kwargs: Any) -> Callable[..., Any]:
    """`action(**kwargs)` for an action of one object. Source: djangochannelsrestframework 0.3."""
    return action(detail=True, **kwargs)


def list_action(**kwargs: Any) -> Callable[..., Any]:
    """`action(**kwargs)` for an action of many objects. Source: djangochannelsrestframework 0.3."""
    return action(detail=False, **kwargs)


def action_mark(method: object) -> ActionMark | None:
    """Return the arguments that `@action` had for `method`, or `None` if it is not marked."""
    mark = getattr(method, ACTION, None)
    if not isinstance(mark, ActionMark):
        return None
    return mark._replace(detached=True) if hasattr(method, DETACHED) else mark


def check_marks(cls: type, read: tuple[str, ...]) -> None:
    """Raise `TypeError` for a method with a mark that `cls` does not read."""
    for owner in filter(is_own_class, cls.__mro__):
        for name, method in vars(owner).items():
            found = [mark for mark in MARKS if mark not in read and hasattr(method, mark)]
            if found and isfunction(method):
                decorator, reader = MARKS[found[0]]
                raise TypeError(
                    f"{decorator} has no effect on {owner.__name__}.{name}: it is for methods of "
                    f"{reader}, which {cls.__name__} is not."
                )


def _in_thread(method: Callable[..., Any], atomic: bool | None) -> Callable[..., Any]:
    def in_thread() -> Callable[..., Any]:
        # `connections[…]` on the event loop would make a new database connection for each call.
        default = connections.settings[DEFAULT_DB_ALIAS]["ATOMIC_REQUESTS"]
        return transaction.atomic(method) if (default if atomic is None else atomic) else method

    @wraps(method)
    async def awaitable(*args: Any, **kwargs: Any) -> Any:
        return await run(in_thread(), *args, **kwargs)

    mark_thread_form(awaitable, in_thread)
    return awaitable


class overridable_property(Generic[T]):  # noqa: N801 - a decorator
    """A property that an attribute of the instance replaces, if a user sets one of that name."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "overridable_property[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: Any, owner: type) -> "overridable_property[T] | T":
        return self if instance is None else self.function(instance)
