"""The records that travel through the house. They are frozen, and import nothing of it."""

from typing import Any, NamedTuple

__all__ = ["Call", "Event", "Frame", "Gap", "Reply", "encoded_size", "utf8_size"]


Frame = tuple[str | None, bytes | None, int]
"""What one `websocket.receive` carried: text or bytes, never both, and its size in bytes."""


class Call(NamedTuple):
    """A frame that was understood: who is called, with what, and under which id to answer."""

    name: str | None
    """The handler's name; `None` where the frame gave none that could be one."""
    data: Any = None
    request_id: Any = None


class Reply(NamedTuple):
    """The answer to a call, before a dialect dresses it.

    A refusal has `errors`: the detail of a DRF exception (text, list or dict); `data` is then
    `None`. Otherwise `errors` is `None`.
    """

    call: Call
    data: Any = None
    status: int = 200
    errors: Any = None


class Event(NamedTuple):
    """Something said to a group, or to one address.

    What is rendered for the wire (`text` or `binary`, of `size` bytes) goes to the members'
    clients as it is; else `data` goes to a method of theirs.
    """

    group: str
    data: Any = None
    text: str | None = None
    binary: bytes | None = None
    size: int = 0
    close: int | None = None
    """A close code: the members are closed after it."""
    accept: bool = False
    """Accept the handshake first, if it is still pending."""
    listeners_know: bool = False
    """It also goes out on Channels' lane, so who listens there is not told twice."""
    rendered_elsewhere: bool = False
    """It was made of data by another process; the data can be read from `text`."""

    @classmethod
    def rendered(cls, group: str, data: Any, text: str) -> "Event":
        """What is to be sent as `text`, made of `data`."""
        return cls(group, data, text, None, encoded_size(text))


class Gap(NamedTuple):
    """Something said to these groups by another process did not arrive, and will not.

    Among them is the address of the connection itself, if that was it.
    """

    groups: tuple[str, ...]


def encoded_size(text: str) -> int:
    """Bytes of `text` in UTF-8. Raises `TypeError` for what no frame can carry."""
    if not isinstance(text, str):
        raise TypeError(f"A frame's text is text, not {type(text).__name__}.")
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise TypeError(f"This text cannot be sent: {error}.") from None


def utf8_size(text: str) -> int:
    """Bytes of `text` in UTF-8, without encoding what is ASCII."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
