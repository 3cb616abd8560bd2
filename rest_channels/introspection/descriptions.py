"""What is known of a socket: its path, its class, and the frames that it takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from types import NoneType
from typing import Any, NamedTuple, get_origin

from rest_framework.serializers import BaseSerializer

from ..declarations.hints import LiveRows

__all__ = [
    "NAMING_DIALECTS",
    "NO_DEFAULT",
    "Argument",
    "LiveDiff",
    "Operation",
    "SentMessage",
    "SocketDescription",
    "docstring_of",
    "hint_name",
]

NAMING_DIALECTS = ("action", "method", "type")
"""The dialects whose frames name their handler, each under the key of the same name."""

NO_DEFAULT: Any = object()
"""The default of an argument that has none."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One key of a frame, or one argument of a path.

    Attributes:
        name: The key.
        annotation: A Python type, a serializer field, the text of an annotation, or `None` if
            nothing is known.
        default: Its default. `NO_DEFAULT`: it is required.
        help_text: What it is for.
    """

    name: str
    annotation: Any = None
    default: Any = NO_DEFAULT
    help_text: str = ""

    @property
    def is_required(self) -> bool:
        return self.default is NO_DEFAULT


@dataclass(frozen=True, slots=True)
class LiveDiff:
    """What differs between two states of a live list."""

    serializer_class: Any
    """The serializer of a row."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of frame that a socket takes.

    Attributes:
        name: The action, method or type in its frames; a pattern if `is_pattern`. `None`: frames
            name no handler, so this is the only operation.
        function: What is called.
        description: The function's docstring.
        arguments: The keys of a frame, beside the name, the `request_id`, and `data`.
        takes_any: Whether frames may have other keys, too.
        content: The serializer class of `data`, or of the whole frame where the dialect has no
            `data`. Any other class or annotation that the project gave. `None`: unknown.
        has_data: Whether frames have `data`.
        partial: Whether fields of `content` may be left out.
        response: The serializer class or annotation of the answer's data. `None`: unknown.
        is_list: Whether the answer is a list of `response`.
        permissions: The permission classes, as text.
        is_pattern: Whether `name` is a regular expression.
        label: What to call it where it has no name.
        requires_data: Whether each frame has `data`.
        is_answered: Whether a frame gets an answer, in dialects with answers.
        pagination: The pagination class of a list.
    """

    name: str | None
    function: Callable[..., Any] | None = None
    description: str = ""
    arguments: tuple[Argument, ...] = ()
    takes_any: bool = False
    content: Any = None
    has_data: bool = False
    partial: bool = False
    response: Any = None
    is_list: bool = False
    permissions: tuple[str, ...] = ()
    is_pattern: bool = False
    label: str | None = None
    requires_data: bool = False
    is_answered: bool = True
    pagination: Any = None


class SentMessage(NamedTuple):
    """A message that the server sends without being asked."""

    name: str
    """The action, method or type in its frame; in other dialects a name for readers."""
    contents: tuple[Any, ...] = ()
    """The serializer classes and types of its data, of which each message has one."""
    status: int | None = None
    """The status in its frame, if it is always the same."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class SocketDescription:
    """One socket of a project, or one stream of a multiplexer.

    Attributes:
        path: The path for readers, such as `/tables/<int:pk>/`.
        path_arguments: The arguments in the path.
        target: The ASGI application.
        cls: The class that serves it. `None`: an application that is no class of this library.
        name: The dotted name of the class, or of the application.
        dialect: `"action"`, `"method"`, `"type"`, `"plain"`; `""` for another one, or none.
        description: The docstring of the class.
        permissions: The permission classes of the class, as text.
        operations: The frames that it takes, in the order of their definition.
        stream: The name of the stream, in a multiplexer.
        multiplexer: The multiplexer of the stream.
        attributes: The class attributes that `as_asgi(…)` was given.
        sends: The messages that it sends without being asked, as far as they are known.
        sends_others: Whether it may send others, because its class does not declare `sends`.
        takes_token: Whether its class has authenticators, which may find a token in the handshake.
    """

    path: str
    path_arguments: tuple[Argument, ...]
    target: Any
    cls: Any
    name: str
    dialect: str = ""
    description: str = ""
    permissions: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    stream: str | None = None
    multiplexer: Any = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    sends: tuple[SentMessage, ...] = ()
    sends_others: bool = True
    takes_token: bool = True


def docstring_of(documented: Any) -> str:
    """Return the docstring of a function or of a class itself, without its indentation."""
    text = documented.__dict__.get("__doc__") if isinstance(documented, type) else None
    text = text if isinstance(documented, type) else getattr(documented, "__doc__", None)
    return cleandoc(text) if isinstance(text, str) else ""


def hint_name(hint: Any) -> str | None:
    """Return a hint as text: `TicketSerializer`, `dict[str, int]`, `LiveRows[…]`."""
    if hint is None:
        return None
    if isinstance(hint, BaseSerializer):
        inner = getattr(hint, "child", hint)
        return f"{type(inner).__name__}(many=True)" if inner is not hint else type(hint).__name__
    if isinstance(hint, LiveDiff | LiveRows):
        kind = "LiveRows" if isinstance(hint, LiveRows) else "LiveDiff"
        return f"{kind}[{hint_name(hint.serializer_class)}]"
    if hint is NoneType:
        return "None"
    if isinstance(hint, type) and get_origin(hint) is None:
        return hint.__name__
    return str(hint).replace("typing.", "")
