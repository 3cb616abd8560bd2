"""Hints about the content of frames: serializers, and types that JSON can carry."""

import datetime
import decimal
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, is_typeddict

__all__ = [
    "UNKNOWN",
    "FrameHints",
    "LiveRows",
    "check_hints",
    "hint_error",
    "received_error",
    "request_error",
    "sent_error",
]

UNKNOWN: Any = object()
"""The value of a hint that was not given."""

SIMPLE = (
    Any,
    NoneType,
    bool,
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    dict,
    float,
    int,
    list,
    object,
    str,
    uuid.UUID,
)
"""The types that a frame may contain, apart from those with parameters or fields."""

COLLECTIONS = (dict, frozenset, list, set, tuple, Mapping, Sequence, Union, UnionType)
"""What types with parameters are made of."""


class LiveRows:
    """The answer of a subscription to a live query: rows and their tags, or what differs.

    Attributes:
        serializer_class: The serializer of a row.
    """

    def __init__(self, serializer_class: Any) -> None:
        self.serializer_class = serializer_class


class FrameHints:
    """What the frames of a class contain. Only descriptions and schemas read it.

    Attributes:
        sends: The names of the messages that the server sends, each with a serializer class or a
            type. A message of another name is then unexpected. `None`: nothing is known.
        receives: A serializer class or a type of the frames that clients send, or a dict of them by
            name. Only for classes without actions and `@socket_route`, which have their own hints.
    """

    sends: ClassVar[Mapping[str, Any] | None] = None
    receives: ClassVar[Any] = None


def check_hints(where: str, hints: Mapping[str, Any]) -> None:
    """Raise `TypeError` for the first of `hints` that is neither a serializer nor such a type."""
    for name, hint in hints.items():
        if hint is not None and (error := hint_error(hint)):
            raise TypeError(f"{where}({name}={hint!r}): it {error}.")


def request_error(
    hints: Mapping[str, Any], arguments: Collection[str], *, takes_others: bool
) -> str | None:
    """Return why a method cannot have its hint `request`; `None` if it can, or has none.

    Args:
        hints: The hints that its decorator was given.
        arguments: The names of the arguments that a frame may give.
        takes_others: Whether a frame may give any.
    """
    if "request" not in hints:
        return None
    if hints["request"] is None:
        return "takes data, but has request=None" if "data" in arguments else None
    return None if takes_others else "takes no arguments, so it cannot have request=…"


def sent_error(value: Any) -> str | None:
    """Return what is wrong with the attribute `sends`; `None` if nothing is."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return "is not a dict of names: write {'name': NameSerializer}"
    wrong = [name for name in value if not isinstance(name, str) or not name]
    if wrong:
        return f"has the name {wrong[0]!r}, which is not text"
    errors = ((name, None if hint is None else hint_error(hint)) for name, hint in value.items())
    return next((f"has {name!r}, which {error}" for name, error in errors if error), None)


def received_error(value: Any) -> str | None:
    """Return what is wrong with the attribute `receives`; `None` if nothing is."""
    if value is None or isinstance(value, Mapping):
        return sent_error(value)
    return hint_error(value)


def hint_error(hint: Any) -> str | None:
    """Return why `hint` describes no content of a frame; `None` if it does."""
    if hasattr(hint, "is_valid"):  # a serializer class, or Serializer(many=True)
        return None
    if isinstance(hint, LiveRows):  # a live query
        return None
    if isinstance(hint, str):
        return "is text: write the class or the type itself, without quotes"
    if isinstance(hint, list | tuple | set | dict):
        return "is no type: write list[…] or dict[str, …], or Serializer(many=True)"
    if (origin := get_origin(hint)) is not None:
        return _parameters_error(origin, get_args(hint))
    inner = getattr(hint, "__value__", getattr(hint, "__supertype__", None))
    if inner is not None:  # `type Name = …`, or a `NewType`
        return hint_error(inner)
    if hint in SIMPLE or _has_fields(hint):
        return None
    if hasattr(hint, "_meta"):
        return "is a model: write a serializer class"
    return "is neither a serializer class nor a type that JSON can carry"


def _parameters_error(origin: Any, arguments: tuple[Any, ...]) -> str | None:
    if origin is Literal:
        return None
    if origin is Annotated:
        return hint_error(arguments[0])
    if origin not in COLLECTIONS:
        return "is no type that JSON can carry"
    errors = (hint_error(each) for each in arguments if each is not ...)
    return next(filter(None, errors), None)


def _has_fields(hint: Any) -> bool:
    """Return whether `hint` is a class whose fields or values are known."""
    if not isinstance(hint, type):
        return False
    if is_typeddict(hint) or is_dataclass(hint) or issubclass(hint, Enum):
        return True
    return issubclass(hint, tuple) and hasattr(hint, "_fields")
