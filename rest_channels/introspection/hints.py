"""What hints and annotations say about the content of a frame and of its answer."""

import inspect
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from ..declarations.hints import hint_error
from ..decorators import hints_of
from .descriptions import NO_DEFAULT, Argument

__all__ = ["Content", "arguments_of", "request_of", "response_of", "types_of"]

WEAK = (Any, dict, object, inspect.Parameter.empty)
"""Annotations that say nothing of a frame's content."""


class Content(NamedTuple):
    """The answer of a function."""

    hint: Any = None
    """`NoneType` for an answer without data; `None` if nothing is known."""
    is_given: bool = False
    """Whether a decorator was given it."""
    is_answered: bool = True


def types_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function, without those whose names cannot be found."""
    original = inspect.unwrap(function)
    try:
        return get_type_hints(original)
    except Exception:  # noqa: BLE001 - evaluates the project's text
        found = getattr(original, "__annotations__", {})
        return {name: each for name, each in found.items() if not isinstance(each, str)}


def arguments_of(function: Callable[..., Any], positional_count: int) -> list[Argument]:
    """Return the arguments that `function` takes by name, after the first `positional_count`."""
    every = list(inspect.signature(function).parameters.values())
    single = [each for each in every if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    types = types_of(function)
    return [
        Argument(
            each.name,
            types.get(each.name, None if each.annotation is each.empty else each.annotation),
            NO_DEFAULT if each.default is each.empty else each.default,
        )
        for each in single[positional_count:]
        if each.kind is not each.POSITIONAL_ONLY
    ]


def request_of(function: Callable[..., Any], argument: str) -> Any:
    """Return the hint of what `function` is given as `argument`; `None` if nothing is known."""
    hints = hints_of(function)
    if "request" in hints:
        return NoneType if hints["request"] is None else hints["request"]
    return _known(types_of(function).get(argument))


def response_of(function: Callable[..., Any], *, returns_data: bool) -> Content:
    """Return what is known of the answer of `function`.

    Args:
        function: A function whose result is answered if it is `(data, status)`.
        returns_data: Whether data without a status is answered, too.
    """
    hints = hints_of(function)
    if "response" in hints:
        return Content(NoneType if hints["response"] is None else hints["response"], is_given=True)
    returned = types_of(function).get("return", inspect.Parameter.empty)
    if returned is NoneType:
        return Content(is_answered=False)
    return Content(_known(_data_of(returned, returns_data=returns_data)))


def _data_of(returned: Any, *, returns_data: bool) -> Any:
    """Return the type of the data in the annotation of a result."""
    arguments = get_args(returned)
    if get_origin(returned) in (Union, UnionType):  # `None` in it is not answered
        kinds = [each for each in arguments if each is not NoneType]
        found = [_data_of(each, returns_data=returns_data) for each in kinds]
        return None if None in found or not found else Union[tuple(found)]  # noqa: UP007
    if get_origin(returned) is tuple and len(arguments) == 2 and arguments[1] is int:
        return arguments[0]
    return returned if returns_data else None


def _known(hint: Any) -> Any:
    if hint is None or any(hint is weak for weak in WEAK) or hint_error(hint):
        return None
    return None if get_origin(hint) is dict and get_args(hint)[1] is Any else hint
