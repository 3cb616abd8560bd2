"""Check what a class declares, when it is created: values, names without effect, misspelt names."""

from collections.abc import Iterator, Mapping
from inspect import isfunction, signature
from typing import Any

from .hints import LiveRows
from .methods import check_decorators
from .names import misspelling, nearest_name
from .unsupported import ATTRIBUTES, METHODS, SETUP, SYNONYMS
from .values import VALUES, check_values, dialect_error, value_error

__all__ = [
    "check_arguments",
    "check_asgi_kwargs",
    "check_class",
    "check_initkwargs",
    "is_own_class",
]

LIBRARY = ("rest_channels", "sockets")

CLASS_ONLY = {
    "actions",
    "available_actions",
    "check_deliveries",
    "handles_gaps",
    "histories",
    "observer_many_to_many_relationships",
    "overrides_sending",
    "receives",
    "routes",
    "sends",
    "view",
    "viewers",
}
"""Attributes that are read from the class, so that an instance cannot have another value."""

OTHER_BASES = {
    "channels": "SocketConsumer replaces it",
    "chanx": "SocketConsumer or AsyncAPIConsumer replaces it",
    "djangochannelsrestframework": "the class of the same name in rest_channels replaces it",
    "rest_framework": "rest_channels.mixins and rest_channels.generics have its like",
}
"""Packages of which no class belongs into the bases, with what to write."""

GUARDS = ("check_permissions", "check_throttles", "get_permissions", "get_throttles")
"""Methods that guard a class. A name in the singular counts as misspelt."""

CALLED = {**METHODS, **{name: ATTRIBUTES[name] for name in VALUES if name in ATTRIBUTES}}
"""Names that are refused for methods. Events may call methods of any other name."""

NOT_MISSPELT = {"router": object, "serializer_classes": Mapping}
"""Names of attributes that projects have of their own, with the types of their values."""


def is_own_class(cls: type) -> bool:
    """Return whether `cls` belongs to a project, and not to this library or to Python."""
    return cls is not object and cls.__module__.partition(".")[0] not in LIBRARY


def check_class(cls: type) -> None:
    """Raise `TypeError` for an attribute that would be ignored, or that has a wrong value.

    Classes of this library in the bases of `cls` decide which names are supported.
    """
    supported = {name for base in cls.__mro__ if not is_own_class(base) for name in _declared(base)}
    if "throttle_classes" in supported:
        supported.add("throttle_scope")  # DRF's ScopedRateThrottle reads it
    for owner in filter(is_own_class, cls.__mro__):
        _check_base(cls, owner)
        for name, value in vars(owner).items():
            if not name.startswith("_"):
                _check_attribute(cls, owner, name, value, supported)
                _check_order(cls, owner, name)


def _check_order(cls: type, owner: type, name: str) -> None:
    """Raise `TypeError` if a class of this library hides the attribute or the hook of `owner`."""
    if name not in VALUES and name not in METHODS and name not in _HOOKS:
        return
    first = next(base for base in cls.__mro__ if name in vars(base))
    if first is not owner and not is_own_class(first):
        order = f"class {cls.__name__}({owner.__name__}, …, {first.__name__})"
        raise TypeError(
            f"{owner.__name__}.{name} has no effect in {cls.__name__}: that of {first.__name__}, "
            f"which comes before it, is used. Write {order}."
        )


def _check_base(cls: type, base: type) -> None:
    """Raise `TypeError` for a base of another package, whose methods nothing here calls."""
    advice = OTHER_BASES.get(base.__module__.partition(".")[0])
    if base.__module__ == "django.contrib.auth.mixins":
        advice = "write permission_classes"
    if advice:
        where = f"{base.__module__}.{base.__qualname__}"
        raise TypeError(f"{cls.__name__} derives from {where}, which has no effect: {advice}.")


def _declared(base: type) -> Iterator[str]:
    yield from vars(base)
    yield from vars(base).get("__annotations__", ())


def _check_attribute(cls: type, owner: type, name: str, value: Any, supported: set[str]) -> None:
    where = f"{owner.__name__}.{name}"
    check_decorators(where, value)
    if any(hasattr(value, mark) for mark in ("_rest_channels_action", "_rest_channels_route")):
        return
    if name in supported:
        if _is_read_elsewhere(cls, owner, name):
            raise TypeError(f"{where} has no effect: {ATTRIBUTES[name]}.")
        if name in VALUES and (isfunction(value) or not hasattr(value, "__get__")):
            _check_values(cls, f"{owner.__name__}.", {name: value})
        return
    is_method = callable(value) and not isinstance(value, type)
    advice = (CALLED if is_method else ATTRIBUTES).get(name)
    if name == "setup" and isfunction(value) and "request" in signature(value).parameters:
        advice = SETUP
    if advice and not (name == "channel_layer_alias" and value == "default"):
        named = "" if owner is cls else f" in {cls.__name__}"
        raise TypeError(f"{where} has no effect{named}: {advice}.")
    is_observed = hasattr(value, "groups_for_consumer") or isinstance(value, LiveRows)
    if is_observed and "check_deliveries" not in supported:
        router = " A SocketRouter has @live." if isinstance(value, LiveRows) else ""
        raise TypeError(f"{where} has no effect: derive the class from AsyncAPIConsumer.{router}")
    if other := None if advice else _misspelt(name, value, supported):
        raise misspelling(where, other)


def _is_read_elsewhere(cls: type, owner: type, name: str) -> bool:
    """Return whether decorators say what the attribute `name` of `owner` would say."""
    if name == "available_actions":
        return owner is cls  # a base has that of the library
    return name == "receives" and bool(getattr(cls, "_read_marks", ()))


def _check_values(cls: type, where: str, values: Mapping[str, Any]) -> None:
    """Raise `TypeError` for the first of `values` that the attributes of `cls` cannot have."""
    check_values(where, values)
    methods = getattr(cls, "_dialect_methods", ())
    if "dialect" in values and (error := dialect_error(values["dialect"], methods)):
        raise TypeError(f"{where}dialect = {values['dialect']!r} {error}.")


def _misspelt(name: str, value: Any, supported: set[str]) -> str | None:
    """Return the name for which `name` is a misspelling, or `None`."""
    if isinstance(value, NOT_MISSPELT.get(name, ())) or hasattr(value, "subscribe"):
        return None
    if value and (meant := SYNONYMS.get(name)) and value_error(meant, value) is None:
        return meant
    is_method = isfunction(value)
    known = [*METHODS, *_HOOKS] if is_method else [*ATTRIBUTES, *VALUES]
    other = nearest_name(name, dict.fromkeys(known))
    if other is None or (other not in supported and is_method and other not in METHODS):
        return None
    plural_only = is_method and other not in GUARDS and other.rstrip("s") == name.rstrip("s")
    return None if plural_only else other


_HOOKS = (
    "check_object_permissions",
    "filter_queryset",
    "get_action_name",
    "get_object",
    "get_paginated_response",
    "get_queryset",
    "get_serializer",
    "get_serializer_class",
    "get_serializer_context",
    "handle_action",
    "handle_detached_task_completion",
    "handle_exception",
    "handle_instance_change",
    "handle_observed_action",
    "paginate_queryset",
    "perform_create",
    "perform_delete",
    "perform_patch",
    "perform_update",
)
"""Methods that a project overrides. Misspelt methods of events are system checks."""


def check_arguments(cls: type, arguments: tuple[Any, ...]) -> None:
    """Raise `TypeError` for positional arguments, which code that takes `cls` for an app gives."""
    if arguments:
        name = cls.__name__
        raise TypeError(
            f"{name}() takes no scope and no request. For a route, a server or a communicator "
            f"write {name}.as_asgi(). In a unit test set attributes: consumer.scope = {{…}}."
        )


def check_initkwargs(cls: type, initkwargs: dict[str, Any]) -> None:
    """Raise `TypeError` for arguments of `as_asgi()` that are no class attributes to set."""
    where = f"{cls.__name__}.as_asgi()"
    for name in initkwargs:
        value = getattr(cls, name, None)
        if name in CLASS_ONLY:
            raise TypeError(f"{where} cannot set {name!r}: write it in a subclass.")
        if name.startswith("_") or not hasattr(cls, name) or isfunction(value):
            other = nearest_name(name, VALUES)
            advice = f"{ATTRIBUTES.get(name, 'declare it in a subclass')}."
            if name == "scope":  # as with the consumers of Channels 2
                advice = "each connection has its own; in a unit test write consumer.scope = {…}."
            if other not in (None, name):
                advice = f"did you mean {other!r}?"
            raise TypeError(f"{cls.__name__} has no class attribute {name!r} to set: {advice}")
    _check_values(cls, f"{where}: ", initkwargs)


def check_asgi_kwargs(cls: type, initkwargs: dict[str, Any]) -> None:
    """Raise `TypeError` for arguments of `as_asgi()` that the `__init__` of `cls` cannot take."""
    owner = next(base for base in cls.__mro__ if "__init__" in vars(base))
    if not is_own_class(owner):
        check_initkwargs(cls, initkwargs)
        return
    known = signature(vars(owner)["__init__"])
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.parameters.values()):
        return  # only its body knows; what it passes on is checked then
    known.bind(None, **initkwargs)
