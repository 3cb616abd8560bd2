"""What a client may send: the bounds of size, number and rate, and the control frame.

Reading never waits for handlers, so what was read and not yet handled is bounded here.
"""

import time
from typing import Any

import orjson

from ..exceptions import CloseCode, ProtocolViolation
from ..protocol.messages import Frame, utf8_size
from ..settings import api_settings

__all__ = ["Inbox", "ping"]

PING_SIZE = 64
"""A control frame is shorter than this."""


class Inbox:
    """The books of what one client has sent and what still waits.

    `admit` counts a frame in, `handled` counts it out; the frames themselves queue elsewhere.
    """

    __slots__ = (
        "_allowance",
        "_burst",
        "_bytes",
        "_counted",
        "_frames",
        "_limits",
        "_rate",
        "_size",
    )

    def __init__(self) -> None:
        self._size = api_settings.MAX_FRAME_SIZE
        self._limits = (api_settings.INBOX_FRAMES, api_settings.INBOX_BYTES)
        self._rate = api_settings.FRAME_RATE
        self._burst = self._allowance = float(api_settings.FRAME_BURST)
        self._frames = 0
        self._bytes = 0
        self._counted = time.monotonic()

    def admit(self, message: dict[str, Any]) -> Frame:
        """The frame of a `websocket.receive`.

        Raises `ProtocolViolation`: 4413 for one that is too big, 4429 for too many.
        """
        text = message.get("text")
        if text is not None:
            data = None
            size = len(text) if text.isascii() else utf8_size(text)
        else:
            data = message.get("bytes") or b""
            size = len(data)
        if self._size is not None and size > self._size:
            raise ProtocolViolation(
                CloseCode.MESSAGE_TOO_BIG, f"A frame of {size} bytes: the limit is {self._size}."
            )
        if self._rate is not None:
            # A token bucket: `FRAME_BURST` at once, refilled with `FRAME_RATE` a second.
            now = time.monotonic()
            earned = self._allowance + (now - self._counted) * self._rate
            self._allowance = (min(self._burst, earned)) - 1.0
            self._counted = now
            if self._allowance < 0.0:
                raise ProtocolViolation(CloseCode.FLOOD, "Too many frames a second.")
        self._frames += 1
        self._bytes += size
        frames, waiting = self._limits
        if self._frames > frames or self._bytes > waiting:
            raise ProtocolViolation(CloseCode.FLOOD, "Too much is waiting to be handled.")
        return text, data, size

    def handled(self, size: int) -> None:
        """A frame of `size` bytes no longer waits."""
        self._frames -= 1
        self._bytes -= size


def ping(text: str) -> str | None:
    """The answer to a control frame (`{"$ping": n}` → `{"$pong": n}`), `None` to all others."""
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict) or content.keys() != {"$ping"}:
        return None
    return orjson.dumps({"$pong": content["$ping"]}).decode()
