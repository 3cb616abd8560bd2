"""The ASGI messages that a server receives: they accept a handshake, send a frame, and close."""

from collections.abc import Iterable
from typing import Any

__all__ = [
    "FRAME_ERRORS",
    "Message",
    "UnlessRefused",
    "accept_message",
    "close_message",
    "frame_message",
]

FRAME_ERRORS = (TypeError, ValueError, AttributeError, AssertionError)
"""What servers raise for a frame that they cannot send. Anything else: the client has gone."""

Message = dict[str, Any]


class UnlessRefused(tuple[Message, int]):
    """A queued message, and its size, that is dropped if the client is refused."""


def accept_message(subprotocol: str | None, headers: Iterable[tuple[bytes, bytes]]) -> Message:
    """Return the message that accepts the handshake. Raise `TypeError` for wrong types."""
    pairs = [tuple(pair) for pair in headers]
    if subprotocol is not None and not isinstance(subprotocol, str):
        raise TypeError(f"A subprotocol is a str, not {type(subprotocol).__name__}.")
    if pairs and not all(isinstance(text, bytes) for pair in pairs for text in pair):
        raise TypeError(f"Headers are pairs of bytes, not {pairs!r}.")
    return {"type": "websocket.accept", "subprotocol": subprotocol, "headers": pairs}


def frame_message(text: str | None, data: bytes | None) -> Message:
    """Return the message for one frame. `data` is ignored if there is a `text`."""
    if text is not None:
        return {"type": "websocket.send", "text": text}
    return {"type": "websocket.send", "bytes": data or b""}


def close_message(code: int, reason: str) -> Message:
    """Return the message that closes, with the 123 bytes of `reason` that fit.

    Source: RFC 6455, 5.5.1.
    """
    short = reason.encode(errors="replace")[:123].decode(errors="ignore")
    return {"type": "websocket.close", "code": int(code), "reason": short}
