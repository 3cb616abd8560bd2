"""The types and immutable records that the other packages exchange."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

__all__ = [
    "Application",
    "Call",
    "Event",
    "Frame",
    "Gap",
    "Position",
    "Reply",
    "Scope",
    "encoded_size",
    "plain_bytes",
    "plain_text",
    "utf8_size",
]

Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]
"""An ASGI application."""

Frame = tuple[str | None, bytes | None, int]
"""The text or the bytes of one `websocket.receive` (the other is `None`), and the size in bytes."""


class Call(NamedTuple):
    """The call of a handler that a client makes with a frame."""

    name: str | None
    """The handler's name, or `None` if the frame names none."""
    data: Any = None
    request_id: Any = None
    """The id that the answer repeats."""


class Reply(NamedTuple):
    """The answer to a call, before a dialect formats it."""

    call: Call
    data: Any = None
    """The result of the handler, or `None` after an error."""
    status: int = 200
    errors: Any = None
    """The detail of a DRF exception (text, list or dict), or `None` after a success."""


class Position(NamedTuple):
    """A place in the messages of a group with a history."""

    epoch: str
    """Names one unbroken numbering. After a loss in the store another one begins."""
    offset: int
    """The number of a message; the first of an epoch has 1."""


class Event(NamedTuple):
    """A message for the members of a group, or for the connection at an address.

    A rendered event has `text` or `binary`, of `size` bytes, and goes to the clients as it is.
    Any other event has `data`, which goes to a handler of each member.
    """

    group: str
    data: Any = None
    text: str | None = None
    binary: bytes | None = None
    size: int = 0
    close: int | None = None
    """The close code to close the members with, after the message."""
    accept: bool = False
    """Accept the handshake first, if it is still pending."""
    also_on_layer: bool = False
    """The channel layer carries the event too: members that listen there get it from there."""
    rendered_elsewhere: bool = False
    """Another process rendered the event, and its data can be read from `text`."""
    queued_size: int = 0
    """The bytes that `data` takes while it waits for a handler; 0: to be measured."""
    position: Position | None = None
    """Where it is among the messages of its group, if they are kept."""

    @classmethod
    def rendered(cls, group: str, data: Any, text: str) -> "Event":
        """Return the event that sends `text`, which was rendered from `data`."""
        return cls(group, data, text, None, encoded_size(text))


class Gap(NamedTuple):
    """Messages of another process to these groups, or to this connection's address, were lost."""

    groups: tuple[str, ...]


def plain_text(text: Any) -> str | None:
    """Return `text` as exactly a `str`. Raise `TypeError` for text that no frame can carry."""
    if text is None or type(text) is str:
        return text
    if not isinstance(text, str):
        raise TypeError(f"The text of a frame must be a str, not {type(text).__name__}.")
    return str.__str__(text)


def plain_bytes(data: Any) -> bytes | None:
    """Return `data` as exactly `bytes`: servers reject a `bytearray` or a `memoryview`."""
    if data is None or type(data) is bytes:
        return data
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"The bytes of a frame must be bytes, not {type(data).__name__}.")
    return bytes(data)


def encoded_size(text: str) -> int:
    """Return the bytes of `text` in UTF-8. Raise `TypeError` for text that no frame can carry."""
    if not isinstance(text, str):
        raise TypeError(f"The text of a frame must be a str, not {type(text).__name__}.")
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise TypeError(f"This text cannot be sent: {error}.") from None


def utf8_size(text: str) -> int:
    """Return the bytes of `text` in UTF-8. A lone surrogate counts as 3."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
