"""`RoutedSocketHandler`: calls a method for each message, by the message's `type`.

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

Each connection has one instance and one row (`socket`, a `models.Socket`). Methods may be `def` or
`async def`. Source: the README of django-channels-router.
"""

import logging
from collections.abc import Iterable
from functools import partial
from inspect import getattr_static
from typing import Any, ClassVar

from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException
from rest_framework.serializers import BaseSerializer

from rest_channels.client_logs import log_for_client
from rest_channels.concurrency.awaitables import Sent
from rest_channels.concurrency.execution import is_async, run
from rest_channels.consumers import SocketConsumer
from rest_channels.decorators import overridable_property
from rest_channels.dispatch.results import check_result
from rest_channels.engine.connection import State
from rest_channels.groups import Channel
from rest_channels.parsers import JSONParser
from rest_channels.protocol.dialects import TypeDialect, with_timestamp
from rest_channels.protocol.messages import Call
from rest_channels.protocol.route_table import RouteTable
from rest_channels.request import SocketRequest

from .constants import GOT_HELLO, HELLO, PING, RECONNECT
from .models import Socket, SocketQuerySet
from .path_group import HasPathGroup
from .presence import Presence
from .route_targets import RouteTarget, check_received, check_route
from .rows import set_identity, socket_from_scope
from .signals import socket_connected, socket_disconnected

__all__ = ["RoutedSocketHandler"]

logger = logging.getLogger("sockets")

HANDLED = {"type": "websocket.receive"}
"""The message of a frame whose handler has ended."""


class RoutedSocketHandler(HasPathGroup, SocketConsumer):
    """The handler of one connection; the module's docstring has an example.

    Attributes:
        routes: Tuples `(type, handler)` or `(type, handler, serializer_class)`. The type is text
            or a compiled pattern. The handler is a method's name, or a callable that is called
            with `(handler, content)`. If several routes match, the last one is called.
        login_required: If true, an anonymous client has no row and receives only RECONNECT.
    """

    login_required: ClassVar[bool] = False
    http_user: ClassVar[bool] = True
    """Only for compatibility with Channels 1: the user is always that of the HTTP session."""
    routes: ClassVar[Iterable[Any]] = ((HELLO, "on_hello"), (PING, "on_ping"))
    row: Socket | None = None

    _built_row: Socket | None = None  # set before the INSERT, which may fail
    _dialect = TypeDialect()
    _route_table: ClassVar[RouteTable[RouteTarget]]
    _uses_default_parsing: ClassVar[bool] = True  # then a frame skips three methods
    _current_message: dict[str, Any] = {"type": "websocket.receive"}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._route_table = RouteTable(check_route(cls, route) for route in cls.routes)
        handles_others = cls.default_route is not RoutedSocketHandler.default_route
        check_received(cls, cls._route_table.routes, handles_others=handles_others)
        cls._uses_default_parsing = all(
            getattr_static(cls, name) is getattr_static(RoutedSocketHandler, name)
            for name in ("receive", "receive_json", "decode_json")
        )

    def __init__(self, **initkwargs: Any) -> None:
        super().__init__(**initkwargs)
        self.row = self._built_row = None  # now, as `SocketConsumer.__call__` says
        self._current_message = HANDLED

    # Events.

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Save the row, then call `connect`."""
        self._current_message = message
        if self.login_required and self.user is None:
            return
        self._built_row = row = socket_from_scope(self.scope, self.reply_channel.name)
        self._connection.on_ended += (partial(self._presence.remove, row),)
        row.partition = self._connection.partition
        await self._presence.add(row)
        self.row = row
        self._connection.on_identity_changed += (partial(self._identity_changed, row),)
        if self.history is not None:
            self._connection.groups.join(self.everyone.name)
        await socket_connected.asend_robust(type(self), socket=self.row, handler=self)
        await super().websocket_connect(message)

    def _identity_changed(self, row: Socket) -> None:
        if set_identity(row, self.scope):
            self._connection.hub.start_task(self._presence.save_identity(row))

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        self._current_message = message
        try:
            if self.login_required and self.user is None:
                details = _("You are not logged in. Log in and reconnect.")
                self.send_action(RECONNECT, details=details)
            elif self._uses_default_parsing and message.get("text") is not None:
                await self._route(JSONParser().parse(message["text"]))
            else:
                await super().websocket_receive(message)
        finally:
            self._current_message = HANDLED  # an idle connection keeps no frame

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Call the handler for the `type` of `content`, or `default_route`."""
        await self._route(content)

    async def _route(self, content: Any) -> None:
        name = self._dialect.parse_call(content).name
        if name == PING:  # counts as a heartbeat, whichever route handles it
            self._presence.record_ping(self._saved_row)
        target = self._route_table.find(name)
        if target is None:
            result = await run(self.default_route, content)
        elif target.serializer_class is not None:
            result = await self._run_validated(target, target.serializer_class, content)
        elif isinstance(target.handler, str):
            result = await run(getattr(self, target.handler), content)
        else:
            result = await run(target.handler, self, content)
        check_result(result, name or "receive_json")

    async def _run_validated(
        self,
        target: RouteTarget,
        serializer_class: type[BaseSerializer[Any]],
        content: dict[str, Any],
    ) -> Any:
        """Validate `content` and call the handler, both in one thread if the handler is `def`."""

        def validate() -> dict[str, Any]:
            context = {"request": self.message, "socket": self}
            serializer = serializer_class(data=content, context=context)
            serializer.is_valid(raise_exception=True)
            return {key: value for key, value in serializer.validated_data.items() if key != "type"}

        handler = target.handler
        handler = getattr(self, handler) if isinstance(handler, str) else partial(handler, self)
        if is_async(handler):
            validated = await run(validate)
            if self._connection.state <= State.OPEN:  # a revocation may have closed it meanwhile
                return await handler(validated)
            return None
        return await run(lambda: handler(validate()))

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """Delete the row, then call `disconnect`. If it is cancelled, the row is deleted later."""
        self._current_message = message
        if self._built_row is not None:
            await self._presence.remove(self._built_row)
        if self.row is not None:
            await socket_disconnected.asend_robust(type(self), socket=self.row, handler=self)
            await super().websocket_disconnect(message)

    async def default_route(self, content: dict[str, Any]) -> None:
        """Handle a message that no route matches. The default raises an error."""
        try:
            raise self._dialect.handler_not_found(Call(None, content))
        except APIException as error:
            log_for_client(logger, logging.INFO, "%r: %s", self._connection, error.detail)
            raise

    async def on_hello(self, content: dict[str, Any]) -> None:
        """Answer with the client's own data, and send a PING to its user's other sockets."""
        row = self._saved_row
        self.send_action(
            GOT_HELLO,
            user_id=row.user_id,
            session_id=row.pk,
            path=row.path,
            last_ping=row.last_ping,
            user_ip=row.user_ip,
        )
        if row.user_id is not None:
            peers = self.peers().filter(user=row.user_id)
            await self._presence.send_pings(peers, row.user_id, row.path)

    async def on_ping(self, content: dict[str, Any]) -> None:
        """The client is still there. This is not answered, but written to its row."""

    # Sending.

    def send_str(self, text: str) -> Sent:
        """Send `text` unchanged."""
        return self.send(text_data=text)

    def send_json(self, content: Any, close: bool | int = False) -> Sent:
        """Send the dict `content` as JSON, with a `TIMESTAMP`: milliseconds since 1970, as text."""
        return super().send_json(with_timestamp(content), close)

    def send_action(self, type: str, /, **kwargs: Any) -> Sent:
        """Send `{**kwargs, "type": type}`."""
        return self.send_json({**kwargs, "type": type})

    _default_senders = (*SocketConsumer._default_senders, send_json)

    def peers(self) -> SocketQuerySet:
        """Return the other sockets on this path."""
        own_name = self.reply_channel.name
        sockets: SocketQuerySet = Socket.objects.filter(path=self.path)
        return sockets.exclude(channel_name=own_name)

    # The connection.

    @property
    def socket(self) -> Socket | None:
        """The row of this connection; `None` for anonymous clients with `login_required`."""
        return self.row

    @property
    def _saved_row(self) -> Socket:
        if self.row is None:
            raise RuntimeError(f"{self!r} has no row: websocket_connect() must call super().")
        return self.row

    @property
    def _presence(self) -> Presence:
        return self._connection.hub.get_component(Presence)

    @property
    def user(self) -> Any:
        """The user who is logged in, or `None`."""
        user = self.scope.get("user")
        return user if user is not None and user.is_authenticated else None

    @property
    def session(self) -> Any:
        """The HTTP session of the handshake, or `None`."""
        return self.scope.get("session")

    @property
    def path(self) -> str:
        """The path of the handshake, which is the path of the page."""
        return str(self.scope["path"])

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments that the URL route found in the path."""
        return self.scope.get("url_route", {}).get("kwargs", {})  # type: ignore[no-any-return]

    @property
    def view_name(self) -> str | None:
        """The name of the URL pattern of the page at this path; `None` without a page."""
        try:
            return resolve(self.path).view_name
        except Resolver404:
            return None

    @overridable_property
    def reply_channel(self) -> Channel:
        """This connection, as an object to send to. Its name is the row's `channel_name`."""
        return Channel(self._connection.address, connection=self._connection)

    @property
    def message(self) -> SocketRequest:
        """The event that is handled now, as a request with the keys of a Channels 1 message."""
        name = self._current_message["type"].partition(".")[2]
        frame = None
        if name == "receive":
            frame = (self._current_message.get("text"), self._current_message.get("bytes"), 0)
        request = SocketRequest(self._connection, name, frame)
        request.code = self._current_message.get("code")
        return request


RoutedSocketHandler._route_table = RouteTable(
    check_route(RoutedSocketHandler, route) for route in RoutedSocketHandler.routes
)
