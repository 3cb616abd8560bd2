"""`SocketView`: a Django view for the events of a WebSocket. One instance per event.

    class Editor(SocketView):
        permission_classes = [IsAuthenticated]

        def connect(self, request, pk):
            get_object_or_404(request.user.compositions, pk=pk)
            self.join(f"composition-{pk}")

        def receive(self, request, pk):
            self.broadcast(f"composition-{pk}", request.data)

    urlpatterns = [path("ws/editor/<int:pk>/", Editor.as_asgi())]

A handshake is accepted when `connect` returns, or if there is no `connect`. Frames wait until then.
`disconnect` may be missing too. Handlers are `async def`, or `def` (they run in a thread).
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar

from asgiref.sync import markcoroutinefunction

from .concurrency.awaitables import Sent
from .concurrency.execution import run
from .declarations.classes import check_arguments, check_class, check_initkwargs
from .decorators import ROUTE, check_marks, route_name
from .dispatch.adapters import ViewAdapter
from .dispatch.dispatcher import call_own_dispatch, dispatch
from .dispatch.errors import error_reply
from .dispatch.invocation import Target
from .dispatch.results import answer_of_response, check_result
from .dispatch.sending import SendingMixin
from .dispatch.view_guards import ViewGuards
from .dispatch.view_permissions import check_permission_classes
from .engine.connection import Connection
from .exceptions import EventNotAllowed
from .history.policy import KeepsHistories
from .protocol.dialects import Dialect, MethodDialect, PlainDialect
from .protocol.messages import Application, Call, Reply, Scope
from .protocol.route_table import RouteTable
from .request import NO_CALL, SocketRequest

__all__ = ["SocketRouteView", "SocketView", "WebSocketView"]


class SocketView(KeepsHistories, ViewGuards, SendingMixin):
    """A view for the events of a WebSocket; the module's docstring has an example.

    Each class attribute may also be given to `as_asgi(…)`. `None` stands for the setting
    `DEFAULT_…` of the same name.

    Attributes:
        permission_classes: DRF's permission classes.
        throttle_classes: DRF's throttle classes.
        text_parser_class, bytes_parser_class: What reads frames.
        text_renderer_class, bytes_renderer_class: What makes frames.
    """

    text_parser_class: Any = None
    bytes_parser_class: Any = None

    dialect: ClassVar[Dialect] = PlainDialect()
    _dialect_methods: ClassVar[tuple[str, ...]] = ("build_reply",)  # those that are called
    _read_marks: ClassVar[tuple[str, ...]] = ()

    request: SocketRequest
    event: str
    is_nested: ClassVar[bool] = False
    is_held: ClassVar[bool] = True
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_class(cls)
        check_marks(cls, cls._read_marks)
        cls._declare_histories()
        check_permission_classes(cls.__name__, cls.permission_classes)

    def __init__(self, *args: Any, **initkwargs: Any) -> None:
        check_arguments(type(self), args)
        for name, value in initkwargs.items():
            setattr(self, name, value)

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Application:
        """Return an ASGI application of this view, for `path()` and every ASGI router.

        `initkwargs` are class attributes to set on each instance. Raises `TypeError` for others.
        """
        view = cls.as_view(**initkwargs)

        def application(scope: Scope, receive: Any, send: Any) -> Awaitable[None]:
            return Connection(scope, receive, send, partial(ViewAdapter, view=view)).serve()

        markcoroutinefunction(application)
        application.view_class = cls  # type: ignore[attr-defined]
        application.dialect = initkwargs.get("dialect", cls.dialect)  # type: ignore[attr-defined]
        application.__doc__ = cls.__doc__
        return application

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Awaitable[None]]:
        """Return a callable `view(request, *args, **kwargs)` for `route(…)`."""
        cls._find_guards()
        check_initkwargs(cls, initkwargs)
        check_permission_classes(cls.__name__, initkwargs.get("permission_classes"))

        def view(request: SocketRequest, *args: Any, **kwargs: Any) -> Awaitable[None]:
            if not cls._default_dispatch:
                return call_own_dispatch(view, request, *args, **kwargs)
            return cls(**initkwargs).dispatch(request, *args, **kwargs)

        view.view_class = cls  # type: ignore[attr-defined]
        view.view_initkwargs = initkwargs  # type: ignore[attr-defined]
        view.new_view = partial(object.__new__, cls)  # type: ignore[attr-defined]
        return view

    # The steps of an event; `dispatch/dispatcher.py` has their order.

    def dispatch(self, request: SocketRequest, *args: Any, **kwargs: Any) -> Awaitable[None]:
        """Handle one event. An override returns what `super().dispatch(…)` returns, or raises."""
        self._take_request(request, args, kwargs)
        return dispatch(self)

    def _take_request(
        self, request: SocketRequest, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Set the attributes of one event. `args` and `kwargs` are those of the route."""
        self.request = request
        self.event = request.event
        self.args = args
        self.kwargs = kwargs
        if self.text_parser_class is not None:
            request.text_parser_class = self.text_parser_class
        if self.bytes_parser_class is not None:
            request.bytes_parser_class = self.bytes_parser_class

    @property
    def call(self) -> Call:
        """The call that the frame makes: of the method that it names, with its data and its id."""
        return getattr(getattr(self, "request", None), "call", NO_CALL)

    def find_handler(self) -> Target:
        """Return the method for this event, and its arguments. Raises `EventNotAllowed` (405)."""
        handler = getattr(self, self.event, None)
        if handler is not None:
            return handler, (self.request, *self.args), self.kwargs
        if self.event == "receive":
            raise EventNotAllowed("receive")
        return _ignore_event, (), {}

    def render_result(self, result: Any) -> str | None:
        """Return the answer to a frame. Here there is none: `receive` sends frames itself."""
        if result is not None:
            check_result(result, self.event)
        return None

    def on_answered(self) -> None:
        """Do nothing: no other part waits for the answer."""

    def answer_error(self, error: BaseException) -> None:
        """Return `None`: `handle_exception` makes the answer."""

    def handle_exception(self, error: Exception) -> Reply:
        """Return the answer to `error`, under the id of the frame."""
        reply = error_reply(self, error)
        call = reply.call._replace(request_id=self.request.request_id)
        return reply._replace(call=call)


WebSocketView = SocketView


class SocketRouteView(SocketView):
    """A `SocketView` whose frames name the method to call: `{"method", "data"}`.

    Methods marked `@socket_route` are called as `method(request, data, *args, **kwargs)`. They
    return data, `(data, status)`, DRF's `Response`, or `None` for no answer. The answer is
    `{"method", "data", "status"}`, and has the `request_id` of the frame if there is one.
    """

    dialect = MethodDialect()
    _dialect_methods = ("parse_call", "handler_not_found", "build_reply")
    _read_marks = (ROUTE,)
    routes: ClassVar[RouteTable[str]] = RouteTable()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        routes = []
        for attribute, method in vars(cls).items():
            if (name := route_name(method)) is None:
                continue
            if hasattr(SocketRouteView, attribute):
                raise TypeError(
                    f"{cls.__name__}.{attribute} would hide SocketRouteView.{attribute}: "
                    f"rename it and mark it @socket_route({name!r})."
                )
            routes.append((name, attribute))
        cls.routes = RouteTable((*cls.routes.routes, *routes))

    def find_handler(self) -> Target:
        """Return the method that the frame names, unless a subclass overrides `receive`."""
        if self.event != "receive":
            return super().find_handler()
        request = self.request
        request.call = call = self.dialect.parse_call(request.data)
        if type(self).receive is not SocketRouteView.receive:
            return super().find_handler()
        attribute = self.routes.find(call[0])
        if attribute is None:
            raise self.dialect.handler_not_found(call)
        data, more = call[1], self.args
        arguments = (request, data, *more) if more else (request, data)
        return getattr(self, attribute), arguments, self.kwargs

    async def receive(self, request: SocketRequest, *args: Any, **kwargs: Any) -> Any:
        """Call the method that the frame names. Raises `ValidationError` (400) on `method`."""
        attribute = self.routes.find(self.call.name)
        if attribute is None:
            raise self.dialect.handler_not_found(self.call)
        return await run(getattr(self, attribute), request, self.call.data, *args, **kwargs)

    def render_result(self, result: Any) -> str | None:
        """Return the answer to a frame: data, or `(data, status)`; `None` is not answered."""
        if result is None or self.event != "receive":
            return super().render_result(result)
        status = 200
        if type(result) is tuple:
            if len(result) == 2 and isinstance(result[1], int):
                result, status = result
        elif type(result) is not dict:
            name = f"{type(self).__name__}, route {self.call.name!r},"
            result, status = answer_of_response(result, name) or (result, status)
        dialect = self.dialect
        if type(dialect) is MethodDialect:
            return self.render_text(dialect.build_content(self.request.call, result, status))
        return self.render_text(dialect.build_reply(Reply(self.call, result, status)))

    def route_send(
        self,
        channel_or_group: Any,
        data: Any,
        status: int = 200,
        method: str | None = None,
        content_type: str = "text",
        close: bool | int = False,
    ) -> Sent:
        """Send `{"method", "data", "status"}`, by default with the method of the current frame."""
        call = Call(method or self.call.name)
        frame = self.dialect.build_reply(Reply(call, data, status))
        return self.send(channel_or_group, frame, content_type, close)


async def _ignore_event(*args: Any, **kwargs: Any) -> None:
    """The handler of events that a view has no method for."""
