"""What a client sends as arguments, fitted to what a function takes.

Keys are a client's choice: `self`, `queryset`, `__class__` as well. So no dict of a client is ever
spread over a call as it is.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

__all__ = ["Parameters", "accepted_arguments", "fit_arguments", "parameters", "parameters_of"]


class Parameters(NamedTuple):
    """What a function takes by name, apart from those it was given by position."""

    names: frozenset[str]
    required: tuple[str, ...]
    taken: frozenset[str]
    """Names of the parameters that were given by position."""
    any_name: bool


@lru_cache(maxsize=1_000)
def parameters(function: Callable[..., Any], given: int) -> Parameters:
    """The parameters of `function` after the first `given`, which are given by position."""
    every = list(inspect.signature(function).parameters.values())
    named = [one for one in every if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    rest = [one for one in named[given:] if one.kind is not one.POSITIONAL_ONLY]
    return Parameters(
        frozenset(one.name for one in rest),
        tuple(one.name for one in rest if one.default is one.empty),
        frozenset(one.name for one in named[:given] if one.kind is not one.POSITIONAL_ONLY),
        any(one.kind is one.VAR_KEYWORD for one in every),
    )


def parameters_of(method: Callable[..., Any], given: int) -> Parameters:
    """`parameters`, of a bound `method`, apart from what it is bound to.

    Those of its function are kept: it lives as long as its class, and a method only as its
    instance. What asgiref makes of a method, `@sync_to_async`, is bound anew each time.
    """
    if (function := getattr(method, "__func__", None)) is not None:
        return parameters(function, 1 + given)
    if isinstance(method, partial) and (function := getattr(method, "__wrapped__", None)):
        return parameters(function, 1 + given)
    return parameters.__wrapped__(method, given)


def accepted_arguments(
    method: Callable[..., Any], given: int, arguments: dict[str, Any]
) -> dict[str, Any]:
    """Those of `arguments` that `method` takes by name, beside `given` ones by position."""
    known = parameters_of(method, given)
    if not known.any_name:
        return {name: arguments[name] for name in known.names & arguments.keys()}
    if known.taken.isdisjoint(arguments):
        return arguments
    return {name: value for name, value in arguments.items() if name not in known.taken}


def fit_arguments(
    known: Parameters, arguments: dict[str, Any], own: Mapping[str, Any]
) -> dict[str, Any]:
    """What to call a function with: a client's `arguments`, and of our `own` those it takes.

    Raises `ValidationError` (400) that names what it lacks, or has no use for.
    """
    surplus: Collection[str] = arguments.keys() & known.taken
    if not known.any_name:
        surplus = arguments.keys() - known.names
    missing = [name for name in known.required if name not in arguments and name not in own]
    if surplus or missing:
        wrong = {name: [_("This argument is required.")] for name in missing}
        wrong |= {name: [_("There is no such argument.")] for name in sorted(surplus)}
        raise ValidationError(wrong)
    if known.any_name:
        return {**arguments, **own}
    if known.names.isdisjoint(own):
        return arguments
    return arguments | {name: own[name] for name in own if name in known.names}
