"""`SocketConsumer`: one instance per connection, with the method names of Channels' consumers.

    class Chat(SocketConsumer):
        groups = ["lobby"]

        def receive_json(self, content):
            self.channel_layer.group_send("lobby", {"type": "chat.line", "text": content["text"]})

        def chat_line(self, event):
            self.send_json({"text": event["text"]})

It is no subclass of Channels' consumers. Every method may be `def` or `async def`, and be called
from both. It behaves as Channels documents `AsyncJsonWebsocketConsumer`, with three differences:

- A handshake is accepted when `connect` returns.
- An error in a handler does not close the connection.
- A handler that waits does not delay messages of groups.
"""

from collections.abc import Awaitable, Iterable, Sequence
from functools import partial
from inspect import getattr_static
from typing import Any, ClassVar

from asgiref.sync import markcoroutinefunction
from django.utils.functional import cached_property
from rest_framework.exceptions import ParseError

from .cluster.listeners import Listener
from .concurrency.awaitables import DONE, Sent, adapt_overrides, is_awaitable
from .concurrency.execution import run
from .concurrency.hooks import has_methods
from .declarations.classes import check_arguments, check_asgi_kwargs, check_class, check_initkwargs
from .decorators import check_marks, overridable_property
from .dispatch.adapters import ConsumerAdapter
from .dispatch.invocation import FrameInvocation, Invocation
from .dispatch.results import check_result
from .engine.connection import Connection, State
from .engine.unconnected import unconnected
from .exceptions import CloseCode
from .groups import HubLayer
from .history.policy import KeepsHistories
from .parsers import JSONParser
from .protocol.dialects import Dialect, PlainDialect
from .protocol.messages import Application, Event, Frame, Scope
from .renderers import encode_text

__all__ = ["SocketConsumer"]

SENDING_METHODS = ("send", "send_json", "close", "accept", "add_group", "remove_group", "reply")


class SocketConsumer(KeepsHistories):
    """A consumer of one WebSocket; the module's docstring has an example.

    Attributes:
        groups: In the class: the groups to join on connecting. In an instance: those it is in.
        scope: ASGI's, with `user`, `session` and `url_route`, which the application has set.
    """

    groups: Iterable[str] | None = None
    scope: Scope
    _dialect: ClassVar[Dialect] = PlainDialect()
    overrides_sending: ClassVar[bool] = False
    handles_gaps: ClassVar[bool] = False
    _read_marks: ClassVar[tuple[str, ...]] = ()
    _frame_class: ClassVar[type[FrameInvocation]] = FrameInvocation
    _channel: Listener | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_class(cls)
        check_marks(cls, cls._read_marks)
        cls.overrides_sending = any(
            getattr_static(cls, name) not in cls._default_senders
            for name in ("send", "send_json", "encode_json")
        )
        cls.handles_gaps = cls.gap is not SocketConsumer.gap
        cls._declare_histories()
        adapt_overrides(cls, SENDING_METHODS, "_perform")

    def __init__(self, *args: Any, **initkwargs: Any) -> None:
        if args:
            check_arguments(type(self), args)
        if initkwargs:
            check_initkwargs(type(self), initkwargs)
            for name, value in initkwargs.items():
                setattr(self, name, value)

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Application:
        """Return an ASGI application; each connection gets an instance made with `initkwargs`.

        They are class attributes, or arguments of an own `__init__`. Raises `TypeError` for others.
        """
        check_asgi_kwargs(cls, initkwargs)

        def application(scope: Scope, receive: Any, send: Any) -> Awaitable[None]:
            return cls(**initkwargs)(scope, receive, send)

        markcoroutinefunction(application)
        application.consumer_class = cls  # type: ignore[attr-defined]
        application.dialect = cls._dialect  # type: ignore[attr-defined]
        application.consumer_initkwargs = initkwargs  # type: ignore[attr-defined]
        application.__doc__ = cls.__doc__
        return application

    @markcoroutinefunction  # asgiref takes any other `def` for an ASGI 2 factory
    def __call__(self, scope: Scope, receive: Any, send: Any) -> Awaitable[None]:
        """Serve one connection, until it has ended.

        All attributes that the library sets are set here, or in `__init__`: CPython keeps those
        that come later in a dict for each instance, if many instances were created before.
        """
        connection = Connection(scope, receive, send, partial(ConsumerAdapter, self))
        self._connection, self.scope = connection, connection.scope
        self.groups, self._channel = self.groups, None
        return connection.serve()

    @cached_property
    def _connection(self) -> Connection:
        return unconnected(self)

    # ASGI's messages, which call the methods below.

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        groups, self.groups = self.groups or (), set()
        for group in groups:
            self.add_group(group)
        if not self._connection.groups.all_joined:
            await self._connection.groups.wait_joined()
        if self._connection.state <= State.OPEN:  # a revocation may have closed it meanwhile
            check_result(await run(self.connect), "connect")
        if self._connection.state is State.CONNECTING and not has_methods(self, (ACCEPT,)):
            await run(self.accept)

    def _connects_at_once(self) -> bool:
        """Return whether there is no method to call before the client is let in."""
        return not self.groups and has_methods(self, CONNECT_METHODS)

    def _invocation(self, frame: Frame) -> Invocation:
        """Return the steps of a frame."""
        text, binary, _size = frame
        message = {"type": "websocket.receive", "text": text, "bytes": binary}
        handler, dialect = self.websocket_receive, self._dialect
        return self._frame_class(self._connection, handler, message, dialect)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if message.get("text") is not None:
            result = await run(self.receive, text_data=message["text"])
        else:
            result = await run(self.receive, bytes_data=message["bytes"])
        check_result(result, "receive")

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        await run(self.disconnect, message["code"])

    # Events. These methods are meant to be overridden.

    async def connect(self) -> None:
        """Called on connecting. Return to accept the handshake. Close or raise to refuse it."""

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Parse a text frame as JSON for `receive_json`. Raises `ParseError` (400) for bytes."""
        if text_data is None:
            raise ParseError("This connection takes text frames.")
        content = await run(self.decode_json, text_data)
        if self._connection.state <= State.OPEN:  # a revocation may have closed it meanwhile
            check_result(await run(self.receive_json, content, **kwargs), "receive_json")

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Called with the content of each frame."""

    async def disconnect(self, code: int) -> None:
        """Called once, at the end of the connection, with the close code."""

    async def gap(self, groups: tuple[str, ...]) -> None:
        """Called when messages of other processes to `groups` were lost. Read the state again here.

        If messages to this connection alone may be lost, its address is among the groups.
        """

    # Sending. These methods may be called from `def` and `async def`.

    def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Sent:
        """Accept the handshake before `connect` returns."""
        return self._connection.accept(subprotocol, headers)

    _disconnect_methods: ClassVar[Sequence[Any]] = (websocket_disconnect, disconnect)
    """Those that do nothing. A test may replace them in the class."""

    def send(
        self,
        text_data: str | None = None,
        bytes_data: bytes | None = None,
        close: bool | int = False,
    ) -> Sent:
        """Send a frame. Then close the connection if `close` is `True` or a close code."""
        sent = self._connection.send(text=text_data, data=bytes_data)
        if close:
            self.close(CloseCode.NORMAL if close is True else close)
        return sent

    def send_json(self, content: Any, close: bool | int = False) -> Sent:
        """Send `content` as JSON."""
        encoded: Any = self.encode_json(content)
        if is_awaitable(encoded):  # an override that is async, as in Channels
            return self._perform(self._send_encoded(encoded, close))
        return self.send(text_data=encoded, close=close)

    async def _send_encoded(self, encoded: Awaitable[str], close: bool | int) -> None:
        await self.send(text_data=await encoded, close=close)

    def close(self, code: int | bool | None = None, reason: str | None = None) -> Sent:
        """Close the connection after the frames sent until now; before accepting, refuse it."""
        number = CloseCode.NORMAL if code is None or code is True else code
        return self._connection.close(number, reason or "")

    def add_group(self, name: str) -> Sent:
        """Join the group `name`, which plain Channels code may send to as well.

        Messages from other processes arrive after it was awaited, after it returned in a `def`, or
        after `connect` returned.
        """
        sent = self._connection.groups.join_layer_group(name)
        self.groups = {*(self.groups or ()), name}
        return sent

    def remove_group(self, name: str) -> Sent:
        """Leave the group `name`."""
        self._connection.groups.leave_layer_group(name)
        self.groups = {*(self.groups or ())} - {name}
        return DONE

    @classmethod
    def encode_json(cls, content: Any) -> str:
        """Return `content` as the text of a frame."""
        return encode_text(content)

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """Return the content of a frame's text. Raises `ParseError` (400)."""
        return JSONParser().parse(text_data)

    _default_senders: ClassVar[tuple[Any, ...]] = (send, send_json, encode_json)
    """A rendered message skips these methods. A class that overrides one receives every message."""

    @overridable_property
    def channel_name(self) -> str:
        """The name of this connection in the channel layer, for plain Channels code.

        Without a configured layer it is the connection's address, valid within the process. Raises
        `RuntimeError` if the layer did not answer when the connection began.
        """
        name = self._connection.loop_bridge.call(self._name_channel)
        if not name:
            raise RuntimeError(
                "The channel layer did not answer when this connection began, so it has no "
                "channel_name. Use groups, which work, or connect again."
            )
        return name

    @overridable_property
    def channel_layer(self) -> HubLayer:
        """Groups and channels, with the methods of a channel layer."""
        return HubLayer(self._connection, self._find_channel)

    def _find_channel(self) -> str:
        """Return the name that `channel_name` has had, or an empty string."""
        return "" if self._channel is None else self._channel.channel

    def _name_channel(self) -> str:
        connection = self._connection
        if self._channel is None and not connection.has_ended:
            self._keep_channel(connection.hub.listeners.new_channel(self._receive_from_layer))
        return connection.address if self._channel is None else self._channel.open_and_start()

    async def _open_channel(self) -> None:
        listeners = self._connection.hub.listeners
        self._keep_channel(await listeners.open_channel(self._receive_from_layer))

    def _keep_channel(self, channel: Listener | None) -> None:
        if channel is not None:
            self._channel = channel
            self._connection.on_ended = (channel.stop, *self._connection.on_ended)

    def _receive_from_layer(self, message: dict[str, Any]) -> None:
        self._connection.deliver(Event("", message))

    def _perform(self, work: Any) -> Sent:
        return self._connection.loop_bridge.start_or_wait(work)


# As they are defined. A test may replace them in the class.
ACCEPT, WEBSOCKET_CONNECT = SocketConsumer.accept, SocketConsumer.websocket_connect
CONNECT_METHODS = WEBSOCKET_CONNECT, SocketConsumer.connect, ACCEPT
