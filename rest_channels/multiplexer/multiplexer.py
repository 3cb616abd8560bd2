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
from contextvars import copy_context
from functools import partial
from typing import Any

import orjson
from asgiref.sync import markcoroutinefunction
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import ParseError

from ..authentication import choose_subprotocol
from ..concurrency.serial_queue import cancel_tasks
from ..engine.connection import Connection, State
from ..exceptions import CloseCode, ProtocolViolation
from ..parsers import JSONParser
from ..protocol.dialects import ActionDialect
from ..protocol.messages import Call, Event, Frame, Gap, Reply
from ..renderers import encode
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
        handler = partial(Socket, applications=self.applications)
        await Connection(scope, receive, send, handler).serve()


class Socket:
    """One client, and its streams: what its connection tells of its events."""

    overrides_sending = False
    handles_gaps = False

    def __init__(self, connection: Connection, applications: dict[str, Application]) -> None:
        self.streams = {name: Stream(name, self) for name in applications}
        self._connection = connection
        self._applications = applications
        self._tasks: set[asyncio.Task[None]] = set()
        self._context = copy_context()  # without the lane that the socket's own events run in
        self._decided = asyncio.Event()  # a stream has accepted, or the last one has ended
        self._ended: list[tuple[str, int, str]] = []  # streams, before the socket was accepted

    async def connect(self) -> None:
        """The handshake has come: it is for every stream."""
        self._connection.connect_called = True
        loop = asyncio.get_running_loop()
        for stream in self.streams.values():
            stream.put({"type": "websocket.connect"})
            self._tasks.add(loop.create_task(self._run(stream), context=self._context.copy()))
        await self._decided.wait()

    async def receive(self, frame: Frame) -> None:
        """Hand a frame to its stream."""
        try:
            self._take(frame[0])
        except ProtocolViolation as violation:
            self._connection.close(violation.code, violation.reason)

    async def event(self, event: Event | Gap) -> None:
        """The socket itself is in no group."""

    async def disconnect(self, code: int) -> None:
        """End the streams, and wait until they have."""
        for stream in self.streams.values():
            if stream.closed is None:
                stream.end(code)
        try:
            await asyncio.wait(self._tasks, timeout=GRACE)
        finally:
            await cancel_tasks({task for task in self._tasks if not task.done()}, 1.0)

    async def _run(self, stream: Stream) -> None:
        application = self._applications[stream.name]
        scope = {**self._connection.scope, "stream": stream.name}
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

    def _take(self, text: str | None) -> None:
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
        """Say what the socket itself has to say: a client that does not read it is closed."""
        request_id = payload.get("request_id") if isinstance(payload, dict) else None
        action = payload.get("action") if isinstance(payload, dict) else None
        call = Call(action if isinstance(action, str) else None, None, request_id)
        text = _frame(name, ActionDialect().build_reply(Reply(call, None, code, words)))
        self._connection.deliver(Event.rendered("", None, text))

    # What streams say.

    def accept(self, message: Message) -> None:
        """Accept the handshake, as the first stream does that accepts."""
        if self._connection.state is not State.CONNECTING:
            return
        offered = self._connection.scope.get("subprotocols", ())
        chosen = message.get("subprotocol") or choose_subprotocol(offered)
        self._connection.accept(chosen, message.get("headers") or ())
        for name, code, reason in self._ended:
            self._refuse(name, None, code, reason)
        self._decided.set()

    async def say(self, name: str | None, payload: Any) -> None:
        """Send a frame of the stream `name`; returns when there is room for more."""
        await self._connection.answer(_frame(name, payload))

    def ended(self, stream: Stream, reason: str) -> None:
        """Tell of the end of a stream; the last one's is the socket's."""
        if all(other.closed is not None for other in self.streams.values()):
            self._connection.close(stream.closed or CloseCode.NORMAL, reason)
            self._decided.set()
            return
        told = (stream.status, reason or stream.words)
        if self._connection.state is State.CONNECTING:
            self._ended.append((stream.name, *told))
        else:
            self._refuse(stream.name, None, *told)
        for text in stream.unheard():
            self._refuse(stream.name, orjson.loads(text), *told)


def _frame(name: str | None, payload: Any) -> str:
    return encode({"stream": name, "payload": payload}).decode()
