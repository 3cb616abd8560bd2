"""How the actions of a class are called, and what of a frame's way it has changed; found once."""

from collections.abc import Sequence
from inspect import getattr_static
from typing import Any, NamedTuple, TypeVar

from ..decorators import action_mark
from ..protocol.arguments import Parameters, parameters
from .http_methods import http_method_of

__all__ = [
    "CHECKING_HOOKS",
    "READING_HOOKS",
    "REPLYING_HOOKS",
    "RESERVED_ARGUMENTS",
    "VIEW_HOOKS",
    "ActionPlan",
    "action_plan",
    "action_plans",
    "overrides_none",
]

T = TypeVar("T")

RESERVED_ARGUMENTS = ("action", "request_id")
"""What an action may take beside what its client sends."""

READING_HOOKS = ("receive", "receive_json", "decode_json", "get_action_name", "handle_action")
CHECKING_HOOKS = ("check_permissions", "get_permissions")
REPLYING_HOOKS = ("reply", "send", "send_json", "encode_json")
"""The methods through which a frame comes, is permitted, and is answered."""

VIEW_HOOKS = (
    "filter_queryset",
    "get_object",
    "get_queryset",
    "get_serializer",
    "get_serializer_class",
    "get_serializer_context",
)
"""What DRF's permissions, filters and paginators may call on a view."""


class ActionPlan(NamedTuple):
    """How an action is called."""

    name: str
    attribute: str
    parameters: Parameters
    takes_own: bool
    """Whether it takes the name of the action, or the id of the frame."""
    method: str
    detached: bool


def action_plans(cls: type[Any], base: type[Any]) -> dict[str, ActionPlan]:
    """How to call the actions of `cls`, by their names: the most derived class decides.

    Raises `TypeError` if one hides a method of `base`, or two of one class have the same name.
    """
    plans: dict[str, ActionPlan] = {}
    seen: set[str] = set()
    for kind in cls.__mro__:
        own: dict[str, ActionPlan] = {}
        for attribute in sorted(vars(kind).keys() - seen):
            if (plan := action_plan(cls, base, attribute)) is None:
                continue
            other = own.setdefault(plan.name, plan).attribute
            if getattr(cls, other) is not getattr(cls, attribute):
                both = f"{other} and {attribute} are both the action {plan.name!r}"
                raise TypeError(f"{kind.__name__}: {both}.")
        seen |= vars(kind).keys()
        plans = own | plans
    return plans


def action_plan(cls: type[Any], base: type[Any], attribute: str) -> ActionPlan | None:
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
    method = http_method_of(mark.name, mark.http_method)
    known = parameters(function, 1)
    takes_own = known.has_var_keyword or not known.names.isdisjoint(RESERVED_ARGUMENTS)
    return ActionPlan(mark.name, attribute, known, takes_own, method, mark.detached)


def overrides_none(cls: type[Any], base: type[Any], names: Sequence[str]) -> bool:
    """Whether `cls` has what `base` has under all these `names`."""
    return all(getattr_static(cls, name) is getattr_static(base, name) for name in names)
