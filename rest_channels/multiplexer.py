"""Many consumers on one socket: `{"stream", "payload"}` both ways.

    path("ws/", Multiplexer(people=PeopleConsumer.as_asgi(), chat=ChatConsumer.as_asgi()))

    {"stream": "people", "payload": {"action": "list", "request_id": 1}}

Each stream is a connection of its own to its consumer: with its own permissions, groups and end. A
stream that is refused, or that closes, is said to be so, and the socket and the other streams go
on; the socket closes with its last stream. Any ASGI application will do for a stream, also a plain
consumer of Channels. The frames are those of channelsmultiplexer and of dcrf-client.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from asgiref.sync import markcoroutinefunction
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import ParseError

from .authentication import answer_to
from .envelopes import Action
from .exceptions import CloseCode, ProtocolViolation
from .inbox import Inbox, ping
from .lanes import cancel
from .messages import Call, Reply, size_of
from .outbox import accept_message, close_message
from .parsers import JSONParser
from .renderers import Rendered, encode
from .settings import api_settings

__all__ = ["Multiplexer"]

logger = logging.getLogger("rest_channels")

Scope = dict[str, Any]
Message = dict[str, Any]
Application = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]

GRACE = 5.0
"""Seconds that streams have to end when their client has left."""


class Multiplexer:
    """An ASGI application. In: its streams, applications by their names."""

    def __init__(
        self, streams: dict[str, Application] | None = None, **others: Application
    ) -> None:
        self.applications = {**(streams or {}), **others}
        markcoroutinefunction(self)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one socket."""
        await Socket(self.applications, scope, receive, send).serve()


class Stream:
    """One connection of a socket to an application.

    What the client says before it has accepted waits for that, within the bounds of an inbox.
    """

    def __init__(self, name: str, socket: "Socket") -> None:
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
        size = size_of(text)
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
            await self._socket.accept(message)
            self.open = True
            for frame in self._held:
                self._incoming.put_nowait(frame)
            self._held = []
        elif message["type"] == "websocket.send":
            await self._socket.say(self.name, _payload(message))
        elif message["type"] == "websocket.close":
            self.end(message.get("code") or CloseCode.NORMAL)
            await self._socket.ended(self, message.get("reason") or "")

    def end(self, code: int) -> None:
        """It is over: the application is told, and hears nothing more."""
        self.closed = code
        self.put({"type": "websocket.disconnect", "code": code})

    def unheard(self) -> list[str]:
        """The frames that it never took."""
        held, self._held = self._held, []
        return [message["text"] for message, _size in held]


class Socket:
    """One client, and its streams."""

    def __init__(
        self, applications: dict[str, Application], scope: Scope, receive: Any, send: Any
    ) -> None:
        self.streams = {name: Stream(name, self) for name in applications}
        self._applications = applications
        self._scope = scope
        self._receive = receive
        self._send = send
        self._inbox = Inbox()
        self._accepting = asyncio.Lock()
        self._accepted = False
        self._ended: list[tuple[str, int, str]] = []  # streams, before the socket was accepted
        self._over = asyncio.Event()

    async def serve(self) -> None:
        """Be the socket, from its handshake until its streams have ended."""
        message = await self._receive()
        tasks = set()
        for stream in self.streams.values():
            stream.put(message)
            tasks.add(asyncio.create_task(self._run(stream)))
        try:
            code = await self._read()
            for stream in self.streams.values():
                if stream.closed is None:
                    stream.end(code)
            await asyncio.wait(tasks, timeout=GRACE)
        finally:
            await cancel({task for task in tasks if not task.done()}, 1.0)

    async def _run(self, stream: Stream) -> None:
        application = self._applications[stream.name]
        scope = {**self._scope, "stream": stream.name}
        try:
            await application(scope, stream.receive, stream.send)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # an application may not end the process
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            logger.error("The stream %r failed.", stream.name, exc_info=error)
        if stream.closed is None:
            stream.end(CloseCode.CONNECT_FAILED)
            await self.ended(stream, "")

    # What the client says.

    async def _read(self) -> int:
        """Hand frames to their streams; the close code at the end."""
        while (message := await self._next())["type"] == "websocket.receive":
            try:
                text, _data, size = self._inbox.admit(message)
                self._inbox.handled(size)
                await self._take(text)
            except ProtocolViolation as violation:
                await self._send(close_message(violation.code, violation.reason))
                return int(violation.code)
        return int(message.get("code") or CloseCode.NORMAL)

    async def _next(self) -> Message:
        """The next message, or the end of the last stream."""
        reading = asyncio.ensure_future(self._receive())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({reading, over}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                message: Message = reading.result()
                return message
            return {"type": "websocket.disconnect"}
        finally:
            reading.cancel()
            over.cancel()

    async def _take(self, text: str | None) -> None:
        if text is not None and (pong := ping(text)) is not None:
            await self._send({"type": "websocket.send", "text": pong})
            return
        try:
            content = JSONParser().parse(text or "")
        except ParseError as error:
            await self._refuse(None, None, status.HTTP_400_BAD_REQUEST, error.detail)
            return
        if not isinstance(content, dict) or not isinstance(content.get("stream"), str):
            wrong = _('A frame is {"stream": name, "payload": …}.')
            await self._refuse(None, content, status.HTTP_400_BAD_REQUEST, wrong)
            return
        name, payload = content["stream"], content.get("payload")
        stream = self.streams.get(name)
        if stream is None:
            words = _("There is no stream %r.") % name[:64]
            await self._refuse(name, payload, status.HTTP_404_NOT_FOUND, words)
        elif stream.closed is not None:
            await self._refuse(name, payload, _status(stream), _words(stream))
        else:
            stream.put_frame(encode(payload).decode())

    async def _refuse(self, name: str | None, payload: Any, code: int, words: Any) -> None:
        request_id = payload.get("request_id") if isinstance(payload, dict) else None
        action = payload.get("action") if isinstance(payload, dict) else None
        call = Call(action if isinstance(action, str) else None, None, request_id)
        await self.say(name, Action().close(Reply(call, None, code, words)))

    # What streams say.

    async def accept(self, message: Message) -> None:
        """Accept the handshake, as the first stream does that accepts."""
        async with self._accepting:
            if not self._accepted:
                self._accepted = True
                chosen = message.get("subprotocol") or answer_to(
                    self._scope.get("subprotocols", ())
                )
                await self._send(accept_message(chosen, message.get("headers") or ()))
                for name, code, reason in self._ended:
                    await self._refuse(name, None, code, reason)

    async def say(self, name: str | None, payload: Any) -> None:
        """Send a frame of the stream `name`."""
        text = encode({"stream": name, "payload": payload}).decode()
        await self._send({"type": "websocket.send", "text": text})

    async def ended(self, stream: Stream, reason: str) -> None:
        """Tell of the end of a stream; the last one's is the socket's."""
        if any(other.closed is None for other in self.streams.values()):
            told = (_status(stream), reason or _words(stream))
            if self._accepted:
                await self._refuse(stream.name, None, *told)
            else:
                self._ended.append((stream.name, *told))
            for text in stream.unheard():
                await self._refuse(stream.name, orjson.loads(text), *told)
            return
        await self._send(close_message(stream.closed or CloseCode.NORMAL, reason))
        self._over.set()


def _status(stream: Stream) -> int:
    """The HTTP status that the end of a stream stands for."""
    code = stream.closed or 0
    if 4400 <= code < 4600:
        return code - 4000
    return status.HTTP_410_GONE if stream.open else status.HTTP_403_FORBIDDEN


def _words(stream: Stream) -> str:
    return _("The stream is closed.") if stream.open else _("The stream refuses you.")


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
