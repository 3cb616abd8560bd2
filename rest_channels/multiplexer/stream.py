"""One stream of a multiplexed connection: its messages to and from one application."""

import asyncio
from typing import Any, Protocol

import orjson
from django.utils.translation import gettext as _
from rest_framework import status

from ..exceptions import CloseCode, ProtocolViolation
from ..protocol.messages import utf8_size
from ..renderers import Rendered
from ..settings import api_settings

__all__ = ["Message", "Stream"]

Message = dict[str, Any]


class StreamOwner(Protocol):
    """The methods that a stream calls on its connection."""

    def accept(self, message: Message) -> None: ...

    async def send(self, name: str | None, payload: Any) -> None: ...

    def stream_closed(self, stream: "Stream", reason: str) -> None: ...


class Stream:
    """An application's side of a stream: ASGI's `receive` and `send`.

    Frames that arrive before the application has accepted are held back, within the limits
    `INBOX_FRAMES` and `INBOX_BYTES`.
    """

    def __init__(self, name: str, owner: StreamOwner) -> None:
        self.name = name
        self.accepted = False
        self.close_code: int | None = None
        self._owner = owner
        self._incoming: asyncio.Queue[tuple[Message, int]] = asyncio.Queue()
        self._held_frames: list[tuple[Message, int]] = []
        self._frames = 0
        self._bytes = 0

    def put(self, message: Message) -> None:
        """Queue an ASGI message for the application."""
        self._incoming.put_nowait((message, 0))

    def put_frame(self, text: str) -> None:
        """Queue a frame. Raises `ProtocolViolation` if too many are waiting."""
        size = utf8_size(text)
        self._frames += 1
        self._bytes += size
        if self._frames > api_settings.INBOX_FRAMES or self._bytes > api_settings.INBOX_BYTES:
            raise ProtocolViolation(CloseCode.FLOOD, "Too much is waiting to be handled.")
        frame = ({"type": "websocket.receive", "text": text}, size)
        if self.accepted:
            self._incoming.put_nowait(frame)
        else:
            self._held_frames.append(frame)

    async def receive(self) -> Message:
        message, size = await self._incoming.get()
        if size:
            self._frames -= 1
            self._bytes -= size
        return message

    async def send(self, message: Message) -> None:
        if self.close_code is not None:  # after the end of the stream messages are dropped
            return
        if message["type"] == "websocket.accept":
            self._owner.accept(message)
            self.accepted = True
            for frame in self._held_frames:
                self._incoming.put_nowait(frame)
            self._held_frames = []
        elif message["type"] == "websocket.send":
            await self._owner.send(self.name, _payload(message))
        elif message["type"] == "websocket.close":
            self.close(message.get("code") or CloseCode.NORMAL)
            self._owner.stream_closed(self, message.get("reason") or "")

    def close(self, code: int) -> None:
        """End the stream: queue `websocket.disconnect` for its application."""
        self.close_code = code
        self.put({"type": "websocket.disconnect", "code": code})

    def take_held_frames(self) -> list[str]:
        """Return the texts of the frames that the application never received, once."""
        held, self._held_frames = self._held_frames, []
        return [message["text"] for message, _size in held]

    @property
    def status(self) -> int:
        """The HTTP status for frames to this stream, once it has ended."""
        code = self.close_code or 0
        if 4400 <= code < 4600:
            return code - 4000
        return status.HTTP_410_GONE if self.accepted else status.HTTP_403_FORBIDDEN

    @property
    def error_text(self) -> str:
        """The error for frames to this stream, once it has ended."""
        return _("The stream is closed.") if self.accepted else _("The stream refuses you.")


def _payload(message: Message) -> Any:
    """Return the JSON of a frame unchanged, else its text, else its bytes in hexadecimal."""
    text = message.get("text")
    if text is None:
        return (message.get("bytes") or b"").hex()
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return Rendered(text.encode())
