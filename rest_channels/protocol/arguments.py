"""Match the arguments that a client sends with the parameters that a function takes.

A client may send any key: `self`, `queryset` or `__class__`. So its dict is always matched here
before a function receives it with `**`.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from ..renderers import encode
from ..settings import api_settings
from .function_cache import FunctionCache

__all__ = [
    "Parameters",
    "accepted_arguments",
    "accepted_by",
    "check_request_id",
    "fit_arguments",
    "method_parameters",
    "parameters",
]


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters that a function takes by name."""

    names: frozenset[str]
    required: tuple[str, ...]
    positional: frozenset[str]
    """Names of the parameters that already have a value, given by position."""
    has_var_keyword: bool
    """Whether the function takes `**kwargs`."""


def parameters(function: Any, positional_count: int) -> Parameters:
    """Return the parameters of `function` after the first `positional_count`."""
    key = id(function), positional_count
    if (known := _known.get(key)) is not None:
        return known
    return _known.keep(function, key, _read(function, positional_count))


def _read(function: Any, positional_count: int) -> Parameters:
    every = list(inspect.signature(function).parameters.values())
    single = [item for item in every if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)]
    rest = [item for item in single[positional_count:] if item.kind is not item.POSITIONAL_ONLY]
    positional = single[:positional_count]
    return Parameters(
        frozenset(item.name for item in rest),
        tuple(item.name for item in rest if item.default is item.empty),
        frozenset(item.name for item in positional if item.kind is not item.POSITIONAL_ONLY),
        any(item.kind is item.VAR_KEYWORD for item in every),
    )


_known = FunctionCache[Parameters]()


def method_parameters(method: Callable[..., Any], positional_count: int) -> Parameters:
    """Return the parameters of a bound method, without `self`.

    Those of its function are cached, because a bound method is a new object at each access.
    asgiref's `@sync_to_async` binds a method as a `partial`. A function with variables of an outer
    one is often made for one call, and not cached.
    """
    if (function := getattr(method, "__func__", None)) is not None:
        return parameters(function, 1 + positional_count)
    if isinstance(method, partial) and (function := getattr(method, "__wrapped__", None)):
        return parameters(function, 1 + positional_count)
    if isinstance(method, FunctionType) and method.__closure__ is None:
        return parameters(method, positional_count)
    return _read(method, positional_count)


def accepted_arguments(
    method: Callable[..., Any], positional_count: int, arguments: dict[str, Any]
) -> dict[str, Any]:
    """Return those of `arguments` that `method` takes after `positional_count` positional ones."""
    return accepted_by(method_parameters(method, positional_count), arguments)


def accepted_by(known: Parameters, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return those of `arguments` that a function with the parameters `known` takes."""
    if not known.has_var_keyword:
        return {name: arguments[name] for name in known.names & arguments.keys()}
    for name in known.positional:  # mostly `self`; `isdisjoint` would visit all `arguments`
        if name in arguments:
            return {key: value for key, value in arguments.items() if key not in known.positional}
    return arguments


def check_request_id(request_id: Any) -> None:
    """Raise `ValidationError` (400) for an id that is too long to be kept after its frame."""
    if request_id is None or isinstance(request_id, int | float):
        return
    limit = api_settings.MAX_NAME_LENGTH
    if len(encode(request_id)) > limit + 2:  # with the quotation marks of a string
        message = _("It may have at most %(limit)d bytes.") % {"limit": limit}
        raise ValidationError({"request_id": [message]})


def fit_arguments(
    known: Parameters, arguments: dict[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a client's `arguments`, and those of the library's `own` that a function takes.

    Raise `ValidationError` (400), which names each argument that is missing or does not exist.
    """
    if not own and arguments.keys() == known.names:
        return arguments
    surplus: Collection[str] = arguments.keys() & known.positional
    if not known.has_var_keyword:
        surplus = arguments.keys() - known.names
    missing = [name for name in known.required if name not in arguments and name not in own]
    if surplus or missing:
        errors = {name: [_("This argument is required.")] for name in missing}
        errors |= {name: [_("There is no such argument.")] for name in sorted(surplus)}
        raise ValidationError(errors)
    if known.has_var_keyword:
        return {**arguments, **own}
    if known.names.isdisjoint(own):
        return arguments
    return arguments | {name: own[name] for name in own if name in known.names}
