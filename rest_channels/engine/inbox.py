"""Limits on the size, number and rate of a client's frames.

Reading never waits for handlers. Therefore the frames that wait to be handled are limited here.

A client that sends too many bytes is read more slowly. To close it would not help other clients:
uvicorn reads on at full speed after a close, for up to ten seconds. daphne reads on during a pause,
and keeps in memory what it has read. Such a client is closed when too much was read in a pause.
"""

import asyncio
import time
from functools import lru_cache
from typing import Any

from ..exceptions import CloseCode, ProtocolViolation
from ..protocol.messages import Frame, utf8_size
from ..settings import api_settings

__all__ = ["Inbox"]


class Inbox:
    """Counts the frames of one client that wait to be handled. It does not keep the frames.

    Each rate is a token bucket. What is kept of a bucket is the time at which it will be full: each
    frame makes this later by the seconds in which the bucket regains what the frame takes.
    """

    __slots__ = (
        "_byte_burst_seconds",
        "_bytes",
        "_bytes_full_at",
        "_frame_burst_seconds",
        "_frames",
        "_frames_full_at",
        "_has_waited",
        "_max_bytes",
        "_max_frame_size",
        "_max_frames",
        "_seconds_per_byte",
        "_seconds_per_frame",
        "_unread",
        "pause",
    )

    def __init__(self) -> None:
        self._max_frame_size = api_settings.MAX_FRAME_SIZE
        self._max_frames = api_settings.INBOX_FRAMES
        self._max_bytes = api_settings.INBOX_BYTES
        self._frames = 0
        self._bytes = 0
        # Half a frame more, because the sum of the times is rounded.
        rate, burst = api_settings.FRAME_RATE, api_settings.FRAME_BURST + 0.5
        self._seconds_per_frame, self._frame_burst_seconds = _seconds(rate, burst)
        rate, burst = api_settings.BYTE_RATE, api_settings.BYTE_BURST
        self._seconds_per_byte, self._byte_burst_seconds = _seconds(rate, burst)
        self._frames_full_at = self._bytes_full_at = 0.0
        self._has_waited = True  # since the client was last slowed down
        self._unread = 0  # bytes that were there already when they were asked for
        self.pause = 0.0  # seconds to wait before the next frame is received

    def admit(self, message: dict[str, Any]) -> Frame:
        """Return the frame of a `websocket.receive` message, and take it from the buckets.

        Raise `ProtocolViolation` if the frame is too big (4413), or if there are too many (4429).
        """
        text, data = message.get("text"), None
        if text is not None:
            size = len(text) if text.isascii() else utf8_size(text)
        else:
            data = message.get("bytes") or b""
            size = len(data)
        limit = self._max_frame_size
        if limit is not None and size > limit:
            raise ProtocolViolation(
                CloseCode.MESSAGE_TOO_BIG, f"A frame of {size} bytes: the limit is {limit}."
            )
        now = time.monotonic()
        full_at = self._frames_full_at
        if full_at < now:
            full_at = now
        self._frames_full_at = full_at = full_at + self._seconds_per_frame
        if full_at - now > self._frame_burst_seconds:
            raise ProtocolViolation(CloseCode.FLOOD, "Too many frames a second.")
        full_at = self._bytes_full_at
        if full_at < now:
            full_at = now
        self._bytes_full_at = full_at = full_at + size * self._seconds_per_byte
        if (excess := full_at - now - self._byte_burst_seconds) > 0.0:
            self._exceed_byte_rate(size, excess)
        return text, data, size

    def _exceed_byte_rate(self, size: int, seconds: float) -> None:
        """Note that the client has to be slowed down for `seconds`.

        A frame that `receive` did not have to wait for was read during the last pause, and gets no
        pause of its own. Raise `ProtocolViolation` if there are more than `INBOX_BYTES` of these:
        the server does not stop reading.
        """
        if self._has_waited:
            self._unread, self.pause = 0, seconds
            return
        self._unread += size
        if self._unread > self._max_bytes:
            raise ProtocolViolation(CloseCode.FLOOD, "Too many bytes a second.")

    async def slow_down(self) -> None:
        """Wait until the client may send again. Call this before the next frame is received."""
        pause, self.pause = self.pause, 0.0
        await asyncio.sleep(pause)
        self._has_waited = False
        asyncio.get_running_loop().call_soon(self._note_wait)  # runs while `receive` waits

    @property
    def is_slowed_down(self) -> bool:
        """Whether `slow_down` has been called, and the loop has not run since."""
        return not self._has_waited

    def _note_wait(self) -> None:
        self._has_waited = True

    def wait(self, size: int) -> None:
        """Count a frame of `size` bytes that has to wait, until `handled`.

        Raise `ProtocolViolation` (4429) if too many wait.
        """
        self._frames += 1
        self._bytes += size
        if self._frames > self._max_frames or self._bytes > self._max_bytes:
            raise ProtocolViolation(CloseCode.FLOOD, "Too much is waiting to be handled.")

    def handled(self, size: int) -> None:
        """Note that a frame of `size` bytes no longer waits."""
        self._frames -= 1
        self._bytes -= size


@lru_cache(maxsize=8)
def _seconds(rate: float | None, burst: float) -> tuple[float, float]:
    """Return the seconds for one frame or byte, and for `burst` of them, at `rate` a second.

    All connections share these two objects, which take 48 bytes.
    """
    seconds = 0.0 if rate is None else 1.0 / rate
    return seconds, burst * seconds
