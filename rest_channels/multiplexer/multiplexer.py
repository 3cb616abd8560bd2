"""`Multiplexer`: many consumers on one WebSocket, with frames `{"stream", "payload"}` both ways.

    path("ws/", Multiplexer(people=PeopleConsumer.as_asgi(), chat=ChatConsumer.as_asgi()))

    {"stream": "people", "payload": {"action": "list", "request_id": 1}}

Each stream is a connection of its own to its consumer, with its own permissions and groups. All
have the session of the socket, so a login or logout in one is that of all. When a
stream is refused or closes, the client receives an error frame, and the other streams continue. The
WebSocket closes with its last stream. A stream may be any ASGI application, for example a consumer
of Channels. Source: the frames are those of channelsmultiplexer and of dcrf-client.
"""

import asyncio
import logging
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any

import orjson
from asgiref.sync import markcoroutinefunction
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import ParseError

from ..client_logs import log_for_client
from ..concurrency.serial_queue import current_queue
from ..concurrency.tasks import cancel_tasks
from ..concurrency.timers import start_timeout
from ..declarations.classes import check_class
from ..dispatch.errors import as_exception
from ..engine.connection import Connection, State
from ..engine.shared_login import SHARED_LOGIN, SharedLogin
from ..exceptions import CloseCode, ProtocolViolation
from ..handshake.subprotocols import acceptable, choose_subprotocol
from ..parsers import JSONParser
from ..protocol.dialects import ActionDialect, Dialect
from ..protocol.messages import Application, Call, Event, Frame, Gap, Reply, Scope
from ..renderers import encode_text
from .stream import Message, Stream

__all__ = ["Multiplexer"]

logger = logging.getLogger("rest_channels")

STREAM_GRACE = 5.0  # seconds that streams have to end when their client has left
ANSWER_GRACE = 1.0  # seconds after `HANDLER_TIMEOUT` in which a stream may answer the handshake


class MultiplexedDialect(ActionDialect):
    """The dialect of errors that concern the whole connection: their stream is `None`."""

    def build_reply(self, reply: Reply) -> dict[str, Any]:
        return {"stream": None, "payload": super().build_reply(reply)}


class Multiplexer:
    """An ASGI application that serves several others on each connection.

    Args:
        streams: ASGI applications, by the names of their streams.
        **others: More of them, where the name is a Python identifier.
    """

    dialect: Dialect = MultiplexedDialect()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_class(cls)

    def __init__(
        self, streams: dict[str, Application] | None = None, **others: Application
    ) -> None:
        self.applications = {**(streams or {}), **others}
        if not self.applications:
            raise TypeError("Multiplexer: there is no stream, so no handshake would be answered.")
        for name, application in self.applications.items():
            if isinstance(application, type) or not callable(application):
                raise TypeError(
                    f"Multiplexer: the stream {name!r} is {application!r}, no ASGI application: "
                    "write the class with .as_asgi()."
                )
        markcoroutinefunction(self)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one connection, until it has ended."""
        handler = partial(MultiplexedConnection, applications=self.applications)
        await Connection(scope, receive, send, handler).serve()


class MultiplexedConnection:
    """The handler of one connection: it passes frames to its streams, and back."""

    overrides_sending = False
    sends_in_order = True
    handles_gaps = False
    dialect: Dialect = Multiplexer.dialect

    def __init__(self, connection: Connection, applications: dict[str, Application]) -> None:
        self.streams = {name: Stream(name, self) for name in applications}
        self._connection = connection
        self._applications = applications
        self._tasks: set[asyncio.Task[None]] = set()
        self._context = copy_context()  # for streams: without the queue that runs the methods below
        self._decided = asyncio.Event()  # a stream has accepted, or all have ended
        self._refused: list[tuple[str, int, str]] = []  # before the first stream accepted

    async def connect(self) -> None:
        """Start every stream, and wait until one accepts or all have refused."""
        self._connection.connect_called = True
        scope = self._connection.scope
        scope.setdefault(SHARED_LOGIN, SharedLogin(scope))
        loop = asyncio.get_running_loop()
        for stream in self.streams.values():
            stream.put({"type": "websocket.connect"})
            self._tasks.add(loop.create_task(self._run(stream), context=self._context.copy()))
        try:
            await self._decided.wait()
        except asyncio.CancelledError:
            if not current_queue.get().take_timeout():
                raise
            await self._wait_beyond_the_deadline()

    async def _wait_beyond_the_deadline(self) -> None:
        """Let a stream answer with 504. Its own deadline is the same, but a moment later."""
        try:
            async with asyncio.timeout(ANSWER_GRACE):
                await self._decided.wait()
        except TimeoutError:
            text = "%r: no stream answered the handshake in time."
            log_for_client(logger, logging.WARNING, text, self._connection)
            self._connection.close(CloseCode.CONNECT_FAILED)

    async def receive(self, frame: Frame) -> None:
        """Pass a frame to its stream."""
        try:
            self._pass_on(frame[0])
        except ProtocolViolation as violation:
            self._connection.close(violation.code, violation.reason)

    async def event(self, event: Event | Gap) -> None:
        """Never called: this connection is in no group."""

    def handles_disconnect(self) -> bool:
        return True

    async def disconnect(self, code: int) -> None:
        """Close the streams, and wait until they have ended."""
        for stream in self.streams.values():
            if stream.close_code is None:
                stream.close(code)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(None) as timeout:
                    start_timeout(timeout, STREAM_GRACE)
                    await asyncio.wait(self._tasks)
        finally:
            await cancel_tasks({task for task in self._tasks if not task.done()}, 1.0)
            self.streams = {}  # they refer to this object

    async def _run(self, stream: Stream) -> None:
        application = self._applications[stream.name]
        scope = {**self._connection.scope, "stream": stream.name}
        try:
            await application(scope, stream.receive, stream.send)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - `SystemExit` would end the process
            error = as_exception(error)
            log_for_client(logger, logging.ERROR, "The stream %r failed.", stream.name, error=error)
        if stream.close_code is None:
            stream.close(CloseCode.CONNECT_FAILED)
            self.stream_closed(stream, "")

    # From the client to a stream.

    def _pass_on(self, text: str | None) -> None:
        try:
            content = JSONParser().parse(text or "")
        except ParseError as error:
            self._send_error(None, None, status.HTTP_400_BAD_REQUEST, error.detail)
            return
        if not isinstance(content, dict) or not isinstance(content.get("stream"), str):
            error_text = _('A frame is {"stream": name, "payload": …}.')
            self._send_error(None, content, status.HTTP_400_BAD_REQUEST, error_text)
            return
        name, payload = content["stream"], content.get("payload")
        if (stream := self.streams.get(name)) is None:
            error_text = _("There is no stream %r.") % name[:64]
            self._send_error(name, payload, status.HTTP_404_NOT_FOUND, error_text)
        elif stream.close_code is not None:
            self._send_error(name, payload, stream.status, stream.error_text)
        else:
            stream.put_frame(encode_text(payload))

    def _send_error(self, name: str | None, payload: Any, code: int, errors: Any) -> None:
        """Answer `payload` without waiting. Close a client that does not read."""
        content = payload if isinstance(payload, dict) else {}
        action = content.get("action")
        call = Call(action if isinstance(action, str) else None, None, content.get("request_id"))
        text = _frame(name, ActionDialect().build_reply(Reply(call, None, code, errors)))
        self._connection.deliver(Event.rendered("", None, text))

    # From streams to the client.

    def accept(self, message: Message) -> None:
        """Accept the handshake, as the first stream that accepts it does."""
        if self._connection.state is not State.CONNECTING:
            return
        offered = self._connection.scope.get("subprotocols", ())
        chosen = acceptable(message.get("subprotocol"), choose_subprotocol(offered))
        self._connection.accept(chosen, message.get("headers") or ())
        for name, code, reason in self._refused:
            self._send_error(name, None, code, reason)
        self._decided.set()

    async def send(self, name: str | None, payload: Any) -> None:
        """Send a frame of the stream `name`, and wait until there is room for more."""
        await self._connection.answer(_frame(name, payload))

    def stream_closed(self, stream: Stream, reason: str) -> None:
        """Send an error frame for a stream that has ended. Close with the last stream."""
        if all(each.close_code is not None for each in self.streams.values()):
            self._connection.close(stream.close_code or CloseCode.NORMAL, reason)
            self._decided.set()
            return
        error = (stream.status, reason or stream.error_text)
        if self._connection.state is State.CONNECTING:
            self._refused.append((stream.name, *error))
        else:
            self._send_error(stream.name, None, *error)
        for text in stream.take_held_frames():
            self._send_error(stream.name, orjson.loads(text), *error)


def _frame(name: str | None, payload: Any) -> str:
    return encode_text({"stream": name, "payload": payload})
