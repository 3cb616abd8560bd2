"""One stream of a multiplexed socket: between the socket and the application that it leads to."""

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
    """What a stream needs of its socket."""

    def accept(self, message: Message) -> None:
        """The application has accepted."""

    async def say(self, name: str | None, payload: Any) -> None:
        """Send what it says."""

    def ended(self, stream: "Stream", reason: str) -> None:
        """It has closed."""


class Stream:
    """One connection of a socket to an application.

    What the client says before it has accepted waits for that, within the bounds of an inbox.
    """

    def __init__(self, name: str, socket: StreamOwner) -> None:
        self.name = name
        self.open = False
        self.closed: int | None = None
        self._socket = socket
        self._incoming: asyncio.Queue[tuple[Message, int]] = asyncio.Queue()
        self._held: list[tuple[Message, int]] = []
        self._waiting = (0, 0)  # frames and bytes

    def put(self, message: Message) -> None:
        """Let the application have one of ASGI's messages."""
        self._incoming.put_nowait((message, 0))

    def put_frame(self, text: str) -> None:
        """Let it have a frame. Raises `ProtocolViolation` if too much waits."""
        size = utf8_size(text)
        frames, waiting = self._waiting = (self._waiting[0] + 1, self._waiting[1] + size)
        if frames > api_settings.INBOX_FRAMES or waiting > api_settings.INBOX_BYTES:
            raise ProtocolViolation(CloseCode.FLOOD, "Too much is waiting to be handled.")
        frame = ({"type": "websocket.receive", "text": text}, size)
        if self.open:
            self._incoming.put_nowait(frame)
        else:
            self._held.append(frame)

    async def receive(self) -> Message:
        """ASGI's `receive`."""
        message, size = await self._incoming.get()
        if size:
            self._waiting = (self._waiting[0] - 1, self._waiting[1] - size)
        return message

    async def send(self, message: Message) -> None:
        """What the application does: accept, send, close. After its end it is dropped."""
        if self.closed is not None:
            return
        if message["type"] == "websocket.accept":
            self._socket.accept(message)
            self.open = True
            for frame in self._held:
                self._incoming.put_nowait(frame)
            self._held = []
        elif message["type"] == "websocket.send":
            await self._socket.say(self.name, _payload(message))
        elif message["type"] == "websocket.close":
            self.end(message.get("code") or CloseCode.NORMAL)
            self._socket.ended(self, message.get("reason") or "")

    def end(self, code: int) -> None:
        """It is over: the application is told, and hears nothing more."""
        self.closed = code
        self.put({"type": "websocket.disconnect", "code": code})

    def unheard(self) -> list[str]:
        """The frames that it never took."""
        held, self._held = self._held, []
        return [message["text"] for message, _size in held]

    @property
    def status(self) -> int:
        """The HTTP status that its end stands for."""
        code = self.closed or 0
        if 4400 <= code < 4600:
            return code - 4000
        return status.HTTP_410_GONE if self.open else status.HTTP_403_FORBIDDEN

    @property
    def words(self) -> str:
        """What to say of its end."""
        return _("The stream is closed.") if self.open else _("The stream refuses you.")


def _payload(message: Message) -> Any:
    """What a frame holds: its JSON as it is, else its text, else its bytes in hexadecimal."""
    text = message.get("text")
    if text is None:
        return (message.get("bytes") or b"").hex()
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return Rendered(text.encode())
