"""Many consumers on one socket: `{"stream", "payload"}` both ways.

    path("ws/", Multiplexer(people=PeopleConsumer.as_asgi(), chat=ChatConsumer.as_asgi()))

    {"stream": "people", "payload": {"action": "list", "request_id": 1}}

Each stream is a connection of its own to its consumer: with its own permissions, groups and end. A
stream that is refused, or that closes, is said to be so, and the socket and the other streams go
on; the socket closes with its last stream. Any ASGI application will do for a stream, also a plain
consumer of Channels. The frames are those of channelsmultiplexer and of dcrf-client.
"""

import asyncio
import contextlib
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
from .outbox import Outbox, accept_message, close_message
from .parsers import JSONParser
from .renderers import encode
from .settings import api_settings
from .stream import Message, Stream

__all__ = ["Multiplexer"]

logger = logging.getLogger("rest_channels")

Scope = dict[str, Any]
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


class Socket:
    """One client, and its streams."""

    def __init__(
        self, applications: dict[str, Application], scope: Scope, receive: Any, send: Any
    ) -> None:
        self.streams = {name: Stream(name, self) for name in applications}
        self._applications = applications
        self._scope = scope
        self._receive = receive
        self._inbox = Inbox()
        self._outbox = Outbox(send, api_settings.OUTBOX_BYTES, self._await_departure)
        self._farewell: asyncio.TimerHandle | None = None
        self._accepted = False
        self._closed = False
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
            if self._closed:
                await self._say_farewell()
        finally:
            await cancel({task for task in tasks if not task.done()}, 1.0)
            await self._outbox.stop()
            if self._farewell is not None:
                self._farewell.cancel()

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
            self.ended(stream, "")

    # What the client says.

    async def _read(self) -> int:
        """Hand frames to their streams; the close code at the end."""
        while (message := await self._next())["type"] == "websocket.receive":
            try:
                text, _data, size = self._inbox.admit(message)
                self._inbox.handled(size)
                self._take(text)
            except ProtocolViolation as violation:
                self._close(violation.code, violation.reason)
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

    def _take(self, text: str | None) -> None:
        if text is not None and (pong := ping(text)) is not None:
            self._offer(pong)
            return
        try:
            content = JSONParser().parse(text or "")
        except ParseError as error:
            self._refuse(None, None, status.HTTP_400_BAD_REQUEST, error.detail)
            return
        if not isinstance(content, dict) or not isinstance(content.get("stream"), str):
            wrong = _('A frame is {"stream": name, "payload": …}.')
            self._refuse(None, content, status.HTTP_400_BAD_REQUEST, wrong)
            return
        name, payload = content["stream"], content.get("payload")
        stream = self.streams.get(name)
        if stream is None:
            words = _("There is no stream %r.") % name[:64]
            self._refuse(name, payload, status.HTTP_404_NOT_FOUND, words)
        elif stream.closed is not None:
            self._refuse(name, payload, stream.status, stream.words)
        else:
            stream.put_frame(encode(payload).decode())

    def _refuse(self, name: str | None, payload: Any, code: int, words: Any) -> None:
        request_id = payload.get("request_id") if isinstance(payload, dict) else None
        action = payload.get("action") if isinstance(payload, dict) else None
        call = Call(action if isinstance(action, str) else None, None, request_id)
        self._offer(_frame(name, Action().close(Reply(call, None, code, words))))

    def _offer(self, text: str) -> None:
        """Say what the socket itself has to say. Reading never waits for a client that does not."""
        message = {"type": "websocket.send", "text": text}
        if not self._closed and not self._outbox.offer(message, size_of(text)):
            self._close(CloseCode.TOO_SLOW, "You do not keep up. Connect again.")

    # What streams say.

    def accept(self, message: Message) -> None:
        """Accept the handshake, as the first stream does that accepts."""
        if self._accepted or self._closed:
            return
        self._accepted = True
        chosen = message.get("subprotocol") or answer_to(self._scope.get("subprotocols", ()))
        self._outbox.release(accept_message(chosen, message.get("headers") or ()))
        for name, code, reason in self._ended:
            self._refuse(name, None, code, reason)

    async def say(self, name: str | None, payload: Any) -> None:
        """Send a frame of the stream `name`; returns when there is room for more."""
        if not self._closed:
            text = _frame(name, payload)
            await self._outbox.write({"type": "websocket.send", "text": text}, size_of(text))

    def ended(self, stream: Stream, reason: str) -> None:
        """Tell of the end of a stream; the last one's is the socket's."""
        if any(other.closed is None for other in self.streams.values()):
            told = (stream.status, reason or stream.words)
            if self._accepted:
                self._refuse(stream.name, None, *told)
            else:
                self._ended.append((stream.name, *told))
            for text in stream.unheard():
                self._refuse(stream.name, orjson.loads(text), *told)
            return
        self._close(stream.closed or CloseCode.NORMAL, reason)

    # The end.

    def _close(self, code: int, reason: str) -> None:
        """Close the socket after what was said until now; before it is accepted, refuse it."""
        if not self._closed:
            self._closed = True
            leave = self._outbox.add if self._accepted else self._outbox.refuse
            leave(close_message(code, reason))
            self._over.set()

    def _await_departure(self) -> None:
        """Nothing can be sent to the client: it is leaving, or has left."""
        if self._farewell is None:
            self._farewell = asyncio.get_running_loop().call_later(GRACE, self._over.set)

    async def _say_farewell(self) -> None:
        """Let the client have what is left for it, if it reads."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await self._outbox.emptied()


def _frame(name: str | None, payload: Any) -> str:
    return encode({"stream": name, "payload": payload}).decode()
