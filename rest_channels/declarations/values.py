"""The values that class attributes, options of `@action` and settings may have."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from .hints import received_error, sent_error
from .names import package_of

__all__ = [
    "MAX_SECONDS",
    "VALUES",
    "check_values",
    "dialect_error",
    "is_seconds",
    "setting_error",
    "type_error",
    "value_error",
]

MAX_SECONDS = 3_000_000_000
"""Nearly a hundred years. Much more does not fit into timers, nor into dates of databases."""

Check = Callable[[Any], str | None]
"""Returns what is wrong with a value, and what to write instead; `None` for a correct value."""

REUSABLE = (list, tuple, set, frozenset)  # an iterator would be empty the second time


def _classes(method: str, *, optional: bool = True) -> Check:
    """Check a list of classes that have `method`. Trees of DRF's permissions count as classes."""

    def check(value: Any) -> str | None:
        if value is None and optional:
            return None
        if isinstance(value, str) or not isinstance(value, REUSABLE):
            name = getattr(value, "__name__", "…")
            return f"is not a list of classes: write [{name}]"
        return next(filter(None, (_class_error(item, method) for item in value)), None)

    return check


def _class_error(item: Any, method: str) -> str | None:
    if isinstance(item, type):
        return None if callable(getattr(item, method, None)) else f"has {_no_method(item, method)}"
    if callable(item) and not hasattr(item, method):
        return _tree_error(item)  # `A & B`, or a function that makes an instance
    if isinstance(item, str):
        return f"has the text {item!r}: import the class and write its name without quotes"
    if hasattr(item, method):
        return f"has the instance {item!r}: write the class, without parentheses"
    return f"has {item!r}, which is not a class"


def _tree_error(tree: Any) -> str | None:
    """Return what is wrong with `A & B`: operators of DCRF do not know this library's classes."""
    operands = [operand for name, operand in _attributes(tree) if name.startswith("op")]
    if package_of(tree) == "djangochannelsrestframework" and any(map(_is_of_library, operands)):
        return (
            "combines a permission of djangochannelsrestframework with one of this library, which "
            "its operators cannot call: write the other classes as rest_channels.permissions"
        )
    return next(filter(None, map(_tree_error, operands)), None)


def _attributes(value: Any) -> Iterable[tuple[str, Any]]:
    return () if isinstance(value, type) else getattr(value, "__dict__", {}).items()


def _is_of_library(operand: Any) -> bool:
    bases = operand.__mro__ if isinstance(operand, type) else ()
    return any(base.__module__ == "rest_channels.permissions" for base in bases)


def _no_method(item: type, method: str) -> str:
    return f"{item.__name__}, which has no {method}()"


def _class(method: str) -> Check:
    """Check a class that has `method`, or `None`."""

    def check(value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, type):
            return "is not a class: write the class itself, without quotes and parentheses"
        return None if hasattr(value, method) else f"is {_no_method(value, method)}"

    return check


def _parser_class(value: Any) -> str | None:
    if error := _class("parse")(value):
        return error
    if value is None or "stream" not in inspect.signature(value.parse).parameters:
        return None
    return "reads streams: derive it from rest_channels.parsers.JSONParser, which reads frames"


def _pagination_class(value: Any) -> str | None:
    if error := _class("paginate_queryset")(value):
        return error
    if value is None or "request" not in inspect.signature(value.paginate_queryset).parameters:
        return None
    return (
        "reads query strings: derive it from one of rest_channels.pagination, which read the "
        "arguments of an action"
    )


def _queryset(value: Any) -> str | None:
    if value is None or (not isinstance(value, type) and callable(getattr(value, "all", None))):
        return None
    if isinstance(value, type) and hasattr(value, "_meta"):
        return f"is a model: write {value.__name__}.objects.all()"
    return "is not a queryset: write Model.objects.all()"


def dialect_error(value: Any, methods: Sequence[str] = ("build_reply",)) -> str | None:
    """Return why `value` is no dialect with these `methods`; `None` if it is one.

    Every class with a dialect calls `build_reply`.
    """
    missing = [name for name in methods if not callable(getattr(value, name, None))]
    if not isinstance(value, type) and not missing:
        return None
    text = "is no dialect: write an instance of one of rest_channels.protocol.dialects"
    return f"{text}; it has no {missing[0]}()" if missing else text


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "is not text"


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "is neither True nor False"


def _always(value: Any) -> str | None:
    return None if value is True else "cannot be switched off: delete the line"


def is_seconds(value: Any) -> bool:
    """Return whether `value` is a number of seconds, 0 or more, that timers and databases take."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= MAX_SECONDS


def _seconds(value: Any) -> str | None:
    return None if is_seconds(value) else "is not a number of seconds"


def _rows(value: Any) -> str | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return None if value is None or (is_number and value >= 1) else "is not a number of rows"


def _groups(value: Any) -> str | None:
    if isinstance(value, str):
        return f"is text, not a list: write [{value!r}]"
    if value is None:
        return None
    if not isinstance(value, Iterable):
        return "is not a list of names"
    if not isinstance(value, (*REUSABLE, dict)):
        return "can be read only once: write a list"
    wrong = [name for name in value if not isinstance(name, str)]
    return f"has {wrong[0]!r}, which is not text" if wrong else None


def _histories(value: Any) -> str | None:
    """Check a dict of group names, or patterns of them, to `History`, or `None`."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return 'is not a dict: write {"group-*": History(size=100, age=300)}'
    for pattern, history in value.items():
        if not isinstance(pattern, str) or not pattern:
            return f"has the key {pattern!r}: write the name of a group, or a pattern such as 'a-*'"
        if isinstance(history, type) or not hasattr(history, "size") or not hasattr(history, "age"):
            return f"has {history!r} for {pattern!r}: write History(size=100, age=300)"
    return None


VALUES: dict[str, Check] = {
    "authentication_classes": _classes("authenticate"),
    "bytes_parser_class": _parser_class,
    "bytes_renderer_class": _class("render"),
    "check_deliveries": _flag,
    "dialect": dialect_error,
    "filter_backends": _classes("filter_queryset", optional=False),
    "groups": _groups,
    "histories": _histories,
    "http_user": _always,
    "live_limit": _rows,
    "login_required": _flag,
    "lookup_field": _text,
    "lookup_url_kwarg": _optional_text,
    "observer_many_to_many_relationships": _flag,
    "pagination_class": _pagination_class,
    "permission_classes": _classes("has_permission"),
    "queryset": _queryset,
    "receives": received_error,
    "sends": sent_error,
    "serializer_class": _class("is_valid"),
    "sleep_time_between_pages": _seconds,
    "text_parser_class": _parser_class,
    "text_renderer_class": _class("render"),
    "throttle_classes": _classes("allow_request"),
    "throttle_scope": _optional_text,
}
"""The check of each attribute that has only some values."""


def value_error(name: str, value: Any) -> str | None:
    """Return what is wrong with the `value` of the attribute `name`; `None` if nothing is."""
    check = VALUES.get(name)
    return None if check is None else check(value)


def setting_error(name: str, value: Any) -> str | None:
    """Return what is wrong with the `value` of the setting `name`; `None` if nothing is."""
    error = value_error(name.removeprefix("DEFAULT_").removeprefix("CONSOLE_").lower(), value)
    if error is None and name == "CONSOLE_PERMISSION_CLASSES":
        return next(filter(None, map(_page_permission_error, value)), None)
    return error


def _page_permission_error(permission: Any) -> str | None:
    """Return why a class, or a tree of classes, cannot decide about an HTTP request."""
    operands = [operand for name, operand in _attributes(permission) if name.startswith("op")]
    method = getattr(permission, "has_permission", None)
    if method is not None and "scope" in inspect.signature(method).parameters:
        return (
            f"has {permission.__name__}, which is for consumers: write a class of "
            "rest_framework.permissions, or one with has_permission(self, request, view)"
        )
    return next(filter(None, map(_page_permission_error, operands)), None)


def check_values(where: str, values: Mapping[str, Any]) -> None:
    """Raise `TypeError` for the first of `values` that its attribute cannot have."""
    for name, value in values.items():
        if error := value_error(name, value):
            raise TypeError(f"{where}{name} = {value!r} {error}.")


def type_error(value: Any, kind: Any, minimum: int = 0) -> str | None:
    """Return why `value` is not of the type `kind`, as written in a type hint; `None` if it is.

    A number has to be at least `minimum`, and one that may be a fraction has to be above 0.
    """
    if kind is Any:
        return None
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if value is None and NoneType in kinds:
        return None
    wanted = next(each for each in kinds if each is not NoneType)
    if get_origin(wanted) is list:
        return _list_error(value, get_args(wanted)[0])
    accepted = (int, float) if wanted is float else wanted
    if not isinstance(value, accepted) or (isinstance(value, bool) and wanted is not bool):
        return f"must be {_NAMES.get(wanted, wanted)}{' or None' * (NoneType in kinds)}"
    if wanted is float and not 0 < value < inf:
        return "must be above 0" if value <= 0 else "must be a finite number"
    return f"must be at least {minimum}" if wanted is int and value < minimum else None


def _list_error(value: Any, item_kind: Any) -> str | None:
    if not isinstance(value, list | tuple):
        hint = "" if value is None else f": write [{value!r}]"
        return f"must be a list, not {value!r}{hint}"
    wrong = [item for item in value if item_kind is not Any and not isinstance(item, item_kind)]
    return f"must be a list of {_NAMES[item_kind]}, without {wrong[0]!r}" if wrong else None


_NAMES = {bool: "True or False", float: "a number", int: "a whole number", str: "text"}
