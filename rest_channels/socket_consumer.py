"""`SocketConsumer`: one instance per connection, with the method names of Channels' consumers.

    class Chat(SocketConsumer):
        groups = ["lobby"]

        def receive_json(self, content):
            self.channel_layer.group_send("lobby", {"type": "chat.line", "text": content["text"]})

        def chat_line(self, event):
            self.send_json({"text": event["text"]})

It is no subclass of Channels' consumers; every method may be `def` or `async def`, and every verb
may be called from either. What Channels' documentation says of `AsyncJsonWebsocketConsumer` holds,
but for three things: a `connect` that returns has accepted, no error ends a connection, and a
handler that waits delays no group event.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from inspect import getattr_static, isawaitable
from typing import Any, ClassVar

from asgiref.sync import markcoroutinefunction
from rest_framework.exceptions import ParseError

from .cluster.listeners import Listener
from .concurrency.awaitables import DONE, Sent, wrap_async_verbs
from .concurrency.execution import run
from .dispatch.adapters import ConsumerAdapter
from .engine.connection import Connection, State
from .exceptions import CloseCode
from .groups import HubLayer
from .parsers import JSONParser
from .protocol.dialects import Dialect, PlainDialect
from .renderers import encode

__all__ = ["SocketConsumer"]

Scope = dict[str, Any]
Application = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]

VERBS = ("send", "send_json", "close", "accept", "add_group", "remove_group", "reply")


class SocketConsumer:
    """A consumer of one WebSocket; see the module's text for an example.

    `groups` names the groups it is in: in the class, from the start; in an instance, now. `scope`
    is ASGI's, with `user`, `session` and `url_route` where `SocketApplication` (or Channels'
    middleware) put them.
    """

    groups: Iterable[str] | None = None
    scope: Scope
    _dialect: ClassVar[Dialect] = PlainDialect()
    overrides_sending: ClassVar[bool] = False
    handles_gaps: ClassVar[bool] = False
    _channel: Listener | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.overrides_sending = any(
            getattr_static(cls, name) not in cls._senders
            for name in ("send", "send_json", "encode_json")
        )
        cls.handles_gaps = cls.gap is not SocketConsumer.gap
        wrap_async_verbs(cls, VERBS, "_perform")

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Application:
        """An ASGI application of this consumer. In: arguments of its `__init__`."""

        def application(scope: Scope, receive: Any, send: Any) -> Awaitable[None]:
            return cls(**initkwargs)(scope, receive, send)

        markcoroutinefunction(application)
        application.consumer_class = cls  # type: ignore[attr-defined]
        application.consumer_initkwargs = initkwargs  # type: ignore[attr-defined]
        application.__doc__ = cls.__doc__
        return application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one connection."""
        self.scope = scope
        self._connection = Connection(scope, receive, send, partial(ConsumerAdapter, self))
        await self._connection.serve()

    # What happens, as ASGI says it. The methods below are meant to be overridden.

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """The handshake has come."""
        groups, self.groups = self.groups or (), set()
        for group in groups:
            self.add_group(group)
        await self._connection.groups.wait_joined()
        await run(self.connect)
        overridden = type(self).accept is not SocketConsumer.accept
        if overridden and self._connection.state is State.CONNECTING:
            await run(self.accept)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """A frame has come: its text or its bytes go to `receive`."""
        if message.get("text") is not None:
            await run(self.receive, text_data=message["text"])
        else:
            await run(self.receive, bytes_data=message["bytes"])

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """It is over."""
        await run(self.disconnect, message["code"])

    # What happens.

    async def connect(self) -> None:
        """Decide whether to accept. To return is to accept."""

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Handle a frame: here text is JSON. Raises `ParseError` (400) for bytes."""
        if text_data is None:
            raise ParseError("This connection takes text frames.")
        await run(self.receive_json, await run(self.decode_json, text_data), **kwargs)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Handle a frame's content."""

    async def disconnect(self, code: int) -> None:
        """Clean up. In: the close code."""

    async def gap(self, groups: tuple[str, ...]) -> None:
        """Something that another process said to `groups` was lost: time to look again.

        Among them is the connection's own address, if it may have been said to that.
        """

    # What it can do.

    def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Sent:
        """Accept the handshake now, before `connect` returns."""
        return self._connection.accept(subprotocol, headers)

    def send(
        self,
        text_data: str | None = None,
        bytes_data: bytes | None = None,
        close: bool | int = False,
    ) -> Sent:
        """Send a frame; then close if `close` is true, with it as the code if it is one."""
        sent = self._connection.send(text=text_data, data=bytes_data)
        if close:
            self.close(CloseCode.NORMAL if close is True else close)
        return sent

    def send_json(self, content: Any, close: bool | int = False) -> Sent:
        """Send `content` as JSON."""
        encoded = self.encode_json(content)
        if isawaitable(encoded):  # an override as Channels has it
            return self._perform(self._send_encoded(encoded, close))
        return self.send(text_data=encoded, close=close)

    async def _send_encoded(self, encoded: Awaitable[str], close: bool | int) -> None:
        await self.send(text_data=await encoded, close=close)

    def close(self, code: int | bool | None = None, reason: str | None = None) -> Sent:
        """End the connection after what was sent; before it is accepted, refuse it."""
        number = CloseCode.NORMAL if code is None or code is True else code
        return self._connection.close(number, reason or "")

    def add_group(self, name: str) -> Sent:
        """Hear what is said to the group `name`, also by plain Channels code.

        Awaited, or in `def`, or before `connect` returns: from then on other processes reach it.
        """
        sent = self._connection.groups.join_layer_group(name)
        self.groups = {*(self.groups or ()), name}
        return sent

    def remove_group(self, name: str) -> Sent:
        """Stop hearing it."""
        self._connection.groups.leave_layer_group(name)
        self.groups = {*(self.groups or ())} - {name}
        return DONE

    @classmethod
    def encode_json(cls, content: Any) -> str:
        """`content` as the text of a frame."""
        return encode(content).decode()

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """The content of a frame's text. Raises `ParseError` (400)."""
        return JSONParser().parse(text_data)

    _senders: ClassVar[tuple[Any, ...]] = (send, send_json, encode_json)
    """What groups may pass by when they send what is rendered; who has others, sees it all."""

    @property
    def channel_name(self) -> str:
        """The name under which the channel layer knows this connection, for plain Channels code.

        Where no layer is configured: its address, good within the process. Raises `RuntimeError`
        if the layer did not answer when the connection began.
        """
        if self._channel is None:
            return self._connection.address
        if not self._channel.channel:
            raise RuntimeError(
                "The channel layer did not answer when this connection began, so it has no name "
                "there. Its groups work."
            )
        self._connection.loop_bridge.call(self._channel.start)
        return self._channel.channel

    @property
    def channel_layer(self) -> HubLayer:
        """Groups and channels, with the verbs of a channel layer."""
        own = self._channel.channel if self._channel else self._connection.address
        return HubLayer(self._connection, own)

    def _perform(self, work: Any) -> Sent:
        return self._connection.loop_bridge.start_or_wait(work)
