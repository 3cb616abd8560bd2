"""Inspect a consumer class once, when it is defined: its actions, and the hooks it overrides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import isfunction, isroutine
from operator import attrgetter
from typing import Any

from ..concurrency.execution import has_thread_form
from ..declarations.classes import is_own_class
from ..declarations.hints import request_error
from ..declarations.unsupported import ACTION_OPTIONS, ATTRIBUTES
from ..decorators import DETACHED, action_mark, hints_of
from ..protocol.arguments import Parameters, parameters
from .http_methods import http_method_of

__all__ = [
    "RESERVED_ARGUMENTS",
    "VIEW_HOOKS",
    "ActionPlan",
    "action_plans",
    "check_methods",
    "note_overridden_hooks",
    "note_replaced_hooks",
    "replaces_any",
]

RESERVED_ARGUMENTS = ("action", "request_id")  # arguments of an action that no client can set

OVERRIDABLE = {
    "_default_reading": (
        "websocket_receive",
        "receive",
        "receive_json",
        "decode_json",
        "get_action_name",
        "handle_action",
    ),
    "_default_checks": ("check_permissions", "get_permissions"),
    "_default_replies": ("reply", "send", "send_json", "encode_json"),
    "_default_throttles": ("get_throttles",),
    "_default_authenticators": ("get_authenticators",),
    "_default_connect": ("websocket_connect", "connect", "accept"),
}
"""The methods that read a frame, check, send answers, throttle, authenticate and connect.

By the attribute of a consumer that says whether it overrides none of them.
"""

VIEW_HOOKS = (
    "check_permissions",
    "filter_queryset",
    "get_authenticators",
    "get_object",
    "get_permissions",
    "get_queryset",
    "get_serializer",
    "get_serializer_class",
    "get_serializer_context",
    "get_throttles",
)
"""The methods that a `def` may call without `await`: DRF's classes, or an override as in DRF."""


UNAWAITED = ("connect", "gap", "handle_observed_action", "receive", "receive_json")
"""The methods of consumers that may be detached: nothing needs their result."""


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """How an action is called."""

    name: str
    attribute: str
    parameters: Parameters
    takes_reserved: bool
    """Whether it takes any of `RESERVED_ARGUMENTS`."""
    method: str
    detached: bool
    options: Mapping[str, Any] | None = None
    """The class attributes that the action replaces, if any."""
    in_thread: bool = False
    """Whether it is a `def`, which runs in a thread."""


def action_plans(cls: type[Any], base: type[Any]) -> dict[str, ActionPlan]:
    """Return how to call the actions of `cls`, by name. The most derived class decides.

    Raise `TypeError` if an action hides a method of `base`, or two of one class have one name.
    """
    plans: dict[str, ActionPlan] = {}
    seen: set[str] = set()
    for ancestor in cls.__mro__:
        own: dict[str, ActionPlan] = {}
        for attribute in sorted(vars(ancestor).keys() - seen):
            if (plan := action_plan(cls, base, attribute)) is None:
                continue
            other = own.setdefault(plan.name, plan).attribute
            if getattr(cls, other) is not getattr(cls, attribute):
                both = f"{other} and {attribute} are both the action {plan.name!r}"
                raise TypeError(f"{ancestor.__name__}: {both}. Give one another @action(name=…).")
        seen |= vars(ancestor).keys()
        plans = own | plans
    return plans


def action_plan(cls: type[Any], base: type[Any], attribute: str) -> ActionPlan | None:
    """Return how to call the method `attribute` of `cls`, or `None` if it is not an action."""
    function = getattr(cls, attribute)
    if (mark := action_mark(function)) is None:
        return None
    if hasattr(base, attribute):
        raise TypeError(
            f"{cls.__name__}.{attribute} would hide a method that every consumer has. Rename it "
            f"and mark it @action(name={attribute!r})."
        )
    method = http_method_of(mark.name, mark.http_method)
    accepted = parameters(function, 1)
    free = accepted.names.difference(RESERVED_ARGUMENTS)
    takes_others = bool(free) or accepted.has_var_keyword
    if error := request_error(hints_of(function), free, takes_others=takes_others):
        raise TypeError(f"{cls.__name__}.{attribute} {error}.")
    takes_reserved = accepted.has_var_keyword or not accepted.names.isdisjoint(RESERVED_ARGUMENTS)
    options = _options(cls, attribute, mark.kwargs)
    in_thread = has_thread_form(function)
    return ActionPlan(
        mark.name, attribute, accepted, takes_reserved, method, mark.detached, options, in_thread
    )


def _options(cls: type[Any], attribute: str, given: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the class attributes that `@action(**given)` replaces.

    Raise `TypeError` for an option that no action has, and that is no attribute of `cls`.
    """
    options = {name: value for name, value in given.items() if name != "detail"}
    for name in options:
        needs_mixin = name in ATTRIBUTES and name != "throttle_scope"
        if name in ACTION_OPTIONS and (hasattr(cls, name) or not needs_mixin):
            continue
        if name.startswith("_") or not hasattr(cls, name) or isroutine(getattr(cls, name)):
            known = ("atomic", "detached", "name", "http_method", "detail", *ACTION_OPTIONS)
            advice = ATTRIBUTES.get(name)
            hint = f"{advice[0].upper()}{advice[1:]}." if advice else f"Known: {', '.join(known)}."
            raise TypeError(
                f"@action({name}=…) on {cls.__name__}.{attribute} has no effect. {hint}"
            )
    return options or None


def note_overridden_hooks(cls: type[Any], base: type[Any]) -> None:
    """Set the attributes `OVERRIDABLE` of the class `cls`, and the functions they were found by."""
    cls._hooks = _hooks_of(cls)
    for attribute, names in OVERRIDABLE.items():
        setattr(cls, attribute, not _replaces_hooks(cls, base, names))


def note_replaced_hooks(consumer: Any, base: type[Any]) -> None:
    """Note the hooks that a decorator, an `__init__` or a test has replaced since."""
    if _hooks_of(type(consumer)) == consumer._hooks and _HOOKS.isdisjoint(vars(consumer)):
        return
    for attribute, names in OVERRIDABLE.items():
        if _replaces_hooks(consumer, base, names):
            setattr(consumer, attribute, False)


_HOOKS = frozenset(name for names in OVERRIDABLE.values() for name in names)
_hooks_of = attrgetter(*_HOOKS)


def _replaces_hooks(consumer: Any, base: type[Any], names: Sequence[str]) -> bool:
    """Return whether `consumer`, a class or an instance, has other hooks than `base` had at first.

    A test may have replaced a hook in `base` itself.
    """
    hooks = dict(zip(_HOOKS, base._hooks, strict=True))
    defined = {name: getattr(hooks[name], "__func__", hooks[name]) for name in names}
    return any(_function(consumer, name) is not defined[name] for name in names)


def replaces_any(consumer: Any, base: type[Any], names: Sequence[str]) -> bool:
    """Return whether `consumer`, a class or an instance, has other methods `names` than `base`."""
    return any(_function(consumer, name) is not _function(base, name) for name in names)


def _function(owner: Any, name: str) -> Any:
    method = getattr(owner, name)
    return getattr(method, "__func__", method)


def check_methods(cls: type[Any], base: type[Any]) -> None:
    """Raise `TypeError` for methods of `cls` that would not do what they seem to do.

    They are a hook that takes what another release passed to it, a hook that is detached, so that
    nothing waits for its result, and a method that hides an action.
    """
    hook = cls.handle_detached_task_completion
    if hook is not base.handle_detached_task_completion:
        known = parameters(hook, 2)
        if known.required:
            raise TypeError(
                f"{cls.__name__}.handle_detached_task_completion(self, task) receives the task "
                f"only, and not {', '.join(known.required)}. docs/migrating.md has its row."
            )
    library = [each for each in cls.__mro__ if not is_own_class(each)]
    for owner in filter(is_own_class, cls.__mro__):
        for name, method in vars(owner).items():
            where = f"{owner.__name__}.{name}"
            is_hook = any(name in vars(each) for each in library) and name not in UNAWAITED
            if is_hook and hasattr(method, DETACHED) and action_mark(method) is None:
                raise TypeError(f"@detached has no effect on {where}: its caller needs its result.")
            if isinstance(method, classmethod | staticmethod) and action_mark(method.__func__):
                raise TypeError(f"{where} is a {type(method).__name__}: an action needs self.")
            if isfunction(method) and action_mark(method) is None:
                _check_hidden(cls, owner, name)


def _check_hidden(cls: type[Any], owner: type, name: str) -> None:
    """Raise `TypeError` if the method `name` of `owner` overrides an action, and is none."""
    bases = cls.__mro__[cls.__mro__.index(owner) + 1 :]
    hidden = next((vars(base)[name] for base in bases if name in vars(base)), None)
    if (mark := action_mark(hidden)) is not None:
        raise TypeError(
            f"{owner.__name__}.{name} hides the action {mark.name!r}, because it is not marked: "
            f"write @action() above it. To take the action away, write {name} = None."
        )
