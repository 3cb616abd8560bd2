"""How the actions of a class are called, and what of a frame's way it has changed; found once."""

import asyncio
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import getattr_static
from typing import Any, Generic, NamedTuple, TypeVar, overload

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from .arguments import Parameters, offered, parameters
from .decorators import action_mark
from .execution import awaited, run
from .permissions import method_of

__all__ = [
    "CHECKING",
    "OWN",
    "READING",
    "REPLYING",
    "VIEWS",
    "Plan",
    "ahand",
    "bridge",
    "hand",
    "has_same",
    "own_or",
    "plan_of",
    "plans_of",
]

T = TypeVar("T")

OWN = ("action", "request_id")
"""What an action may take beside what its client sends."""

READING = ("receive", "receive_json", "decode_json", "get_action_name", "handle_action")
CHECKING = ("check_permissions", "get_permissions")
REPLYING = ("reply", "send", "send_json", "encode_json")
"""The methods through which a frame comes, is permitted, and is answered."""

VIEWS = (
    "filter_queryset",
    "get_object",
    "get_queryset",
    "get_serializer",
    "get_serializer_class",
    "get_serializer_context",
)
"""What DRF's permissions, filters and paginators may call on a view."""


class Plan(NamedTuple):
    """How an action is called."""

    name: str
    attribute: str
    parameters: Parameters
    takes_own: bool
    """Whether it takes the name of the action, or the id of the frame."""
    method: str
    detached: bool


class own_or(Generic[T]):  # noqa: N801 - a decorator
    """A property that gives way to an attribute of the instance: names of users come first."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "own_or[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: Any, owner: type) -> "own_or[T] | T":
        return self if instance is None else self.function(instance)


def plans_of(cls: type[Any], base: type[Any]) -> dict[str, Plan]:
    """How to call the actions of `cls`, by their names: the most derived class decides.

    Raises `TypeError` if one hides a method of `base`, or two of one class have the same name.
    """
    plans: dict[str, Plan] = {}
    seen: set[str] = set()
    for kind in cls.__mro__:
        own: dict[str, Plan] = {}
        for attribute in sorted(vars(kind).keys() - seen):
            if (plan := plan_of(cls, base, attribute)) is None:
                continue
            other = own.setdefault(plan.name, plan).attribute
            if getattr(cls, other) is not getattr(cls, attribute):
                both = f"{other} and {attribute} are both the action {plan.name!r}"
                raise TypeError(f"{kind.__name__}: {both}.")
        seen |= vars(kind).keys()
        plans = own | plans
    return plans


def plan_of(cls: type[Any], base: type[Any], attribute: str) -> Plan | None:
    """How to call that method of `cls`, if it is an action.

    Raises `TypeError` if it hides one of `base`.
    """
    function = getattr(cls, attribute)
    if (mark := action_mark(function)) is None:
        return None
    if hasattr(base, attribute):
        raise TypeError(
            f"{cls.__name__}.{attribute} would hide a method that every consumer has: call it "
            f"otherwise and mark it @action(name={attribute!r})."
        )
    method = method_of(mark.name, mark.http_method)
    known = parameters(function, 1)
    takes_own = known.any_name or not known.names.isdisjoint(OWN)
    return Plan(mark.name, attribute, known, takes_own, method, mark.detached)


def has_same(cls: type[Any], base: type[Any], names: Sequence[str]) -> bool:
    """Whether `cls` has what `base` has under all these `names`."""
    return all(getattr_static(cls, name) is getattr_static(base, name) for name in names)


def bridge(cls: type[Any], names: Sequence[str]) -> None:
    """Let async methods of these `names` be called without `await` in threads, as DRF does.

    On the loop they are awaited as before.
    """
    for kind in cls.__mro__:
        for name in vars(kind).keys() & names:
            method = vars(kind)[name]
            if iscoroutinefunction(method) and not hasattr(method, _BRIDGED):
                setattr(kind, name, _bridged(method))


_BRIDGED = "_rest_channels_bridged"


def _bridged(method: Any) -> Any:
    @wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        coming = method.__get__(self, type(self))(*args, **kwargs)
        return coming if _on_loop() else awaited(coming)

    setattr(called, _BRIDGED, True)
    return markcoroutinefunction(called)


def _on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def hand(method: Any, *given: Any, arguments: dict[str, Any]) -> Any:
    """Call a bound `method` with `given`, and with those of a client's `arguments` it takes.

    In a thread; a method that is `async def` is awaited.
    """
    return awaited(method(*given, **offered(method, len(given), arguments)))


async def ahand(method: Any, *given: Any, arguments: dict[str, Any]) -> Any:
    """`hand`, for a method that may be `def` or `async def`."""
    return await run(method, *given, **offered(method, len(given), arguments))
