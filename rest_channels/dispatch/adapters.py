"""Adapters between a connection and the classes that users write.

They turn events into invocations: a view receives requests, a consumer receives ASGI messages.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ..concurrency.hooks import has_methods
from ..decorators import route_name
from ..engine.connection import Connection
from ..protocol.dialects import Dialect, PlainDialect
from ..protocol.messages import Event, Frame, Gap
from ..request import SocketRequest
from .dispatcher import call_own_dispatch, dispatch
from .invocation import DirectInvocation, MessageInvocation, Target

__all__ = ["ConsumerAdapter", "RequestAdapter", "ViewAdapter"]


class RequestAdapter:
    """Makes a `SocketRequest` of every event, and passes it to `handle`."""

    __slots__ = ("connection", "frames")

    overrides_sending = False
    sends_in_order = True
    handles_gaps = False
    dialect: Dialect = PlainDialect()

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.frames = 0

    def handle(self, request: SocketRequest) -> Coroutine[Any, Any, None]:
        """Handle `request`, errors included."""
        raise NotImplementedError

    def connect(self) -> Awaitable[None] | None:
        return self.handle(SocketRequest(self.connection, "connect"))

    def receive(self, frame: Frame) -> Coroutine[Any, Any, None]:
        self.frames += 1
        return self.handle(SocketRequest(self.connection, "receive", frame, self.frames))

    async def event(self, event: Event | Gap) -> None:
        """Send a message of a group to the client. It becomes no request."""
        if isinstance(event, Event):
            self.connection.send_event(event)

    def handles_disconnect(self) -> bool:
        return True

    async def disconnect(self, code: int) -> None:
        request = SocketRequest(self.connection, "disconnect", None, self.frames + 1)
        request.code = code
        await self.handle(request)


class ViewAdapter(RequestAdapter):
    """Makes an instance of one view for every event of a connection."""

    __slots__ = (
        "_new_view",
        "args",
        "dialect",
        "handles_gaps",
        "initkwargs",
        "kwargs",
        "overrides_sending",
        "view",
        "view_class",
    )

    def __init__(self, connection: Connection, view: Any) -> None:
        super().__init__(connection)
        self.view = view
        self.view_class = view.view_class
        self.view_class._find_guards()  # a test may have replaced one for a while
        self.initkwargs = view.view_initkwargs
        self._new_view = view.new_view
        self.overrides_sending = self.view_class.overrides_sending
        self.dialect = self.initkwargs.get("dialect", self.view_class.dialect)
        gap = getattr(self.view_class, "gap", None)
        self.handles_gaps = gap is not None and route_name(gap) is None
        route = connection.scope.get("url_route", {})
        self.args = route.get("args", ())
        self.kwargs = route.get("kwargs", {})

    def connect(self) -> Awaitable[None] | None:
        """Handle the handshake. A class with nothing to call for it needs no request."""
        if not self._connects_at_once():
            return RequestAdapter.connect(self)
        self.connection.connect_called = True
        return None

    def _connects_at_once(self) -> bool:
        cls = self.view_class
        if hasattr(cls, "connect") or self.initkwargs or self.connection.identity_check is not None:
            return False
        try:
            at_once: bool = cls._default_dispatch and cls.lets_everyone_connect()
        except Exception:  # noqa: BLE001 - a wrong setting: the event answers and logs it
            return False
        return at_once

    def handle(self, request: SocketRequest) -> Coroutine[Any, Any, None]:
        if self.initkwargs or not self.view_class._default_dispatch:
            return call_own_dispatch(self.view, request, *self.args, **self.kwargs)
        view = self._new_view()
        view._take_request(request, self.args, self.kwargs)
        return dispatch(view)

    def handles_disconnect(self) -> bool:
        cls = self.view_class
        return not cls._default_dispatch or hasattr(cls, "disconnect") or bool(self.initkwargs)

    async def event(self, event: Event | Gap) -> None:
        """Pass a message of a group to the view's `send_json`, and missing messages to `gap`."""
        view = self.view_class(**self.initkwargs)
        view.request = SocketRequest(self.connection, "event")
        target: Target
        if isinstance(event, Gap):
            target = (view.gap, (view.request, event.groups, *self.args), self.kwargs)
        elif event.data is None:
            self.connection.send_rendered(event)
            return
        elif event.size:
            target = (view.send_json, (event.data,), {})
        else:
            return  # it names a method, which only consumers have
        await dispatch(DirectInvocation(self.connection, "event", target))


class ConsumerAdapter:
    """Calls the methods of one consumer for the events of a connection."""

    __slots__ = ("connection", "consumer", "dialect", "handles_gaps", "overrides_sending")

    sends_in_order = False

    def __init__(self, consumer: Any, connection: Connection) -> None:
        self.consumer = consumer
        self.connection = connection
        self.overrides_sending = consumer.overrides_sending
        self.handles_gaps = consumer.handles_gaps
        self.dialect: Dialect = consumer._dialect

    def connect(self) -> Awaitable[None] | None:
        """Call `websocket_connect`. A class with nothing to call for a handshake needs no event."""
        if not self._connects_at_once():
            return self._connect()
        self.connection.connect_called = True
        self.consumer.groups = set()
        return None

    def _connects_at_once(self) -> bool:
        connection = self.connection
        if connection.identity_check is not None or connection.hub.listeners.opens_slowly():
            return False
        try:
            at_once: bool = self.consumer._connects_at_once()
        except Exception:  # noqa: BLE001 - as in a view
            return False
        return at_once

    async def _connect(self) -> None:
        if self.connection.hub.listeners.opens_slowly():  # until the channel layer knows it
            await self.consumer._open_channel()
        message = {"type": "websocket.connect"}
        await self._invoke("connect", self.consumer.websocket_connect, message)

    def receive(self, frame: Frame) -> Coroutine[Any, Any, None]:
        return dispatch(self.consumer._invocation(frame))

    def event(self, event: Event | Gap) -> Coroutine[Any, Any, None]:
        """Send a rendered message to the client. Pass any other to the method that it names."""
        if isinstance(event, Gap):
            return self._invoke("event", self.consumer.gap, event.groups)
        data = event.data
        if data is None:
            return self._send_rendered(event)
        if callable(data):  # an observer's, which needs the consumer
            return self._invoke("event", data, self.consumer)
        if event.size:
            return self._invoke("event", self.consumer.send_json, data)
        return dispatch(MessageInvocation(self.connection, self.consumer, data, self.dialect))

    async def _send_rendered(self, event: Event) -> None:
        self.connection.send_rendered(event)

    def handles_disconnect(self) -> bool:
        return not has_methods(self.consumer, self.consumer._disconnect_methods)

    async def disconnect(self, code: int) -> None:
        message = {"type": "websocket.disconnect", "code": code}
        await self._invoke("disconnect", self.consumer.websocket_disconnect, message)

    def _invoke(
        self, event: str, method: Callable[..., Any], argument: Any
    ) -> Coroutine[Any, Any, None]:
        target: Target = (method, (argument,), {})
        return dispatch(DirectInvocation(self.connection, event, target, self.dialect))
