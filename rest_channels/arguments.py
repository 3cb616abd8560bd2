"""What a client sends as arguments, fitted to what a function takes.

Keys are a client's choice: `self`, `queryset`, `__class__` as well. So no dict of a client is ever
spread over a call as it is.
"""

import inspect
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

__all__ = ["check_arguments", "hand", "offered"]

T = TypeVar("T")


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


def offered(function: Callable[..., Any], given: int, arguments: dict[str, Any]) -> dict[str, Any]:
    """Those of `arguments` that `function` takes by name, beside `given` ones by position."""
    known = parameters(function, given)
    if not known.any_name:
        return {name: arguments[name] for name in known.names & arguments.keys()}
    if known.taken.isdisjoint(arguments):
        return arguments
    return {name: value for name, value in arguments.items() if name not in known.taken}


def hand(method: Callable[..., T], *given: Any, arguments: dict[str, Any]) -> T:
    """Call a bound `method` with `given`, and with those of a client's `arguments` it takes."""
    function = getattr(method, "__func__", None)
    if function is None:
        return method(*given, **offered(method, len(given), arguments))
    return method(*given, **offered(function, 1 + len(given), arguments))


def check_arguments(
    function: Callable[..., Any], given: int, names: Collection[str], own: Collection[str] = ()
) -> None:
    """Raise `ValidationError` (400) that names what `function` lacks, or has no use for.

    In: the `names` of a client's arguments; those that the library adds, which are no mistake of
    the client's.
    """
    known = parameters(function, given)
    wrong = {
        name: [_("This argument is required.")]
        for name in known.required
        if name not in names and name not in own
    }
    surplus = known.taken if known.any_name else set(names) - known.names
    wrong |= {name: [_("There is no such argument.")] for name in sorted(surplus & set(names))}
    if wrong:
        raise ValidationError(wrong)
