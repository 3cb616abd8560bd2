"""`RoutedSocketHandler`: a class-based view for messages, which their `type` leads to a method.

    class Poker(RoutedSocketHandler):
        routes = (
            *RoutedSocketHandler.routes,
            ("GET_GAMESTATE", "on_get_gamestate"),
            (re.compile("ACT_.+"), "on_act", ActSerializer),
        )

        def on_get_gamestate(self, content):
            self.send_action("GAMESTATE", **state_of(self.kwargs["pk"]))

        def on_act(self, content):
            self.peers().send_action("ACTED", **content)

One instance lives as long as its connection, and so does its row (`socket`, a `models.Socket`).
Handlers are `def` or `async def`. Source: the README of django-channels-router (seed 003).
"""

import logging
from collections.abc import Iterable
from functools import partial
from inspect import getattr_static
from typing import Any, ClassVar

from django.urls import Resolver404, resolve
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from rest_framework.serializers import BaseSerializer

from rest_channels.concurrency.awaitables import Sent
from rest_channels.concurrency.execution import is_async, run
from rest_channels.consumers import SocketConsumer
from rest_channels.groups import Channel
from rest_channels.parsers import JSONParser
from rest_channels.protocol.dialects import TypeDialect, with_timestamp
from rest_channels.protocol.messages import Call
from rest_channels.protocol.route_table import RouteTable
from rest_channels.request import SocketRequest

from .constants import GOT_HELLO, HELLO, PING, RECONNECT
from .models import Socket, SocketQuerySet
from .presence import Presence
from .route_targets import Target, check_route
from .rows import socket_from_scope
from .signals import socket_connected, socket_disconnected

__all__ = ["RoutedSocketHandler"]

logger = logging.getLogger("sockets")


class RoutedSocketHandler(SocketConsumer):
    """A handler of one connection; see the module's text for an example.

    `routes` are `(type, handler)` or `(type, handler, serializer_class)`: the type is text or a
    compiled pattern, the handler a method's name or a callable that gets `(handler, content)`.
    Where several fit, the last one has it. With `login_required` a client who is not logged in
    has no row, and hears nothing but the request to reconnect.
    """

    login_required: ClassVar[bool] = False
    http_user: ClassVar[bool] = True
    """Channels 1 asked for this; here the user is always that of the HTTP session."""
    routes: ClassVar[Iterable[Any]] = ((HELLO, "on_hello"), (PING, "on_ping"))
    row: Socket | None = None

    _made: Socket | None = None  # whether or not it came to be
    _dialect = TypeDialect()
    _table: ClassVar[RouteTable[Target]]
    _reads_as_we_do: ClassVar[bool] = True  # then a frame need not pass three methods
    _now: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._table = RouteTable(check_route(cls, route) for route in cls.routes)
        cls._reads_as_we_do = all(
            getattr_static(cls, name) is getattr_static(RoutedSocketHandler, name)
            for name in ("receive", "receive_json", "decode_json")
        )

    # What happens.

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """The handshake has come: make the row, then `connect`."""
        self._now = message
        if self._is_stranger:
            return
        self._made = row = socket_from_scope(self.scope, self.reply_channel.name)
        await self._presence.open(row)
        self.row = row
        await socket_connected.asend_robust(type(self), socket=self.row, handler=self)
        await super().websocket_connect(message)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """A frame has come."""
        self._now = message
        if self._is_stranger:
            self.send_action(RECONNECT, details=_("You are not logged in. Log in and reconnect."))
        elif self._reads_as_we_do and message.get("text") is not None:
            await self._route(JSONParser().parse(message["text"]))
        else:
            await super().websocket_receive(message)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Let the handler have `content` that its `type` names, or the default route."""
        await self._route(content)

    async def _route(self, content: Any) -> None:
        name = self._dialect.parse_call(content).name
        if name == PING:  # whoever answers it
            self._presence.ping(self._own_row)
        target = self._table.find(name)
        if target is None:
            await run(self.default_route, content)
        elif target.serializer_class is not None:
            await self._run_validated(target, target.serializer_class, content)
        elif isinstance(target.handler, str):
            await run(getattr(self, target.handler), content)
        else:
            await run(target.handler, self, content)

    async def _run_validated(
        self, target: Target, serializer_class: type[BaseSerializer[Any]], content: dict[str, Any]
    ) -> None:
        """Let the handler have what the serializer makes of `content`; `def` costs one thread."""

        def validate() -> dict[str, Any]:
            context = {"request": self.message, "socket": self}
            serializer = serializer_class(data=content, context=context)
            serializer.is_valid(raise_exception=True)
            return {key: value for key, value in serializer.validated_data.items() if key != "type"}

        handler = target.handler
        handler = getattr(self, handler) if isinstance(handler, str) else partial(handler, self)
        if is_async(handler):
            await handler(await run(validate))
        else:
            await run(lambda: handler(validate()))

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """It is over: delete the row, then `disconnect`."""
        self._now = message
        if self._made is not None:
            await self._presence.close(self._made)
        if self.row is not None:
            await socket_disconnected.asend_robust(type(self), socket=self.row, handler=self)
            await super().websocket_disconnect(message)

    async def default_route(self, content: dict[str, Any]) -> None:
        """Handle a message that no route is for: here it is an error. May be overridden."""
        error = self._dialect.handler_not_found(Call(None, content))
        logger.info("%r: %s", self._connection, error.detail)
        raise error

    async def on_hello(self, content: dict[str, Any]) -> None:
        """Introduce the client to itself; ask its user's other sockets whether they live."""
        row = self._own_row
        self.send_action(
            GOT_HELLO,
            user_id=row.user_id,
            session_id=row.pk,
            path=row.path,
            last_ping=row.last_ping,
            user_ip=row.user_ip,
        )
        if row.user_id is not None:
            others = self.peers().filter(user=row.user_id)
            await self._presence.ask_for_life(others, row.user_id, row.path)

    async def on_ping(self, content: dict[str, Any]) -> None:
        """A sign of life, which is noted already: it is not answered."""

    # What it can do.

    def send_str(self, text: str) -> Sent:
        """Send `text` as it is."""
        return self.send(text_data=text)

    def send_json(self, content: Any, close: bool | int = False) -> Sent:
        """Send `content`, a dict, as JSON, with a `TIMESTAMP` (ms since 1970, as text)."""
        return super().send_json(with_timestamp(content), close)

    def send_action(self, type: str, /, **kwargs: Any) -> Sent:
        """Send `{**kwargs, "type": type}`."""
        return self.send_json({**kwargs, "type": type})

    _default_senders = (*SocketConsumer._default_senders, send_json)

    def peers(self) -> SocketQuerySet:
        """The other sockets on this path."""
        others = Socket.objects.exclude(channel_name=self.reply_channel.name)
        return others.filter(path=self.path)

    # Who and where it is.

    @property
    def socket(self) -> Socket | None:
        """The connection's row; `None` for who has none, see `login_required`."""
        return self.row

    @property
    def _is_stranger(self) -> bool:
        return self.login_required and self.user is None

    @property
    def _own_row(self) -> Socket:
        if self.row is None:
            raise RuntimeError(f"{self!r} has no row: its websocket_connect() did not make one.")
        return self.row

    @cached_property
    def _presence(self) -> Presence:
        return self._connection.hub.get_part(Presence)

    @property
    def user(self) -> Any:
        """Who is logged in, or `None`."""
        user = self.scope.get("user")
        return user if user is not None and user.is_authenticated else None

    @property
    def session(self) -> Any:
        """The HTTP session of the handshake, or `None`."""
        return self.scope.get("session")

    @property
    def path(self) -> str:
        """The path of the handshake, which is that of the page."""
        path: str = self.scope["path"]
        return path

    @property
    def kwargs(self) -> dict[str, Any]:
        """What the route found in the path."""
        kwargs: dict[str, Any] = self.scope.get("url_route", {}).get("kwargs", {})
        return kwargs

    @property
    def view_name(self) -> str | None:
        """The name of the page at this path, as in `reverse()`; `None` if there is none."""
        try:
            return resolve(self.path).view_name
        except Resolver404:
            return None

    @cached_property
    def reply_channel(self) -> Channel:
        """The way to this connection; its name is the row's `channel_name`."""
        return Channel(self._connection.address, connection=self._connection)

    @property
    def message(self) -> SocketRequest:
        """What happens now: `connect`, a frame or `disconnect`, as Channels 1 showed it."""
        event = self._now["type"].partition(".")[2]
        frame = None
        if event == "receive":
            frame = (self._now.get("text"), self._now.get("bytes"), 0)
        request = SocketRequest(self._connection, event, frame)
        request.code = self._now.get("code")
        return request


RoutedSocketHandler._table = RouteTable(
    check_route(RoutedSocketHandler, route) for route in RoutedSocketHandler.routes
)
