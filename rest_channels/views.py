"""`SocketView`: a Django view for the events of a WebSocket. One instance per event.

    class Editor(SocketView):
        permission_classes = [IsAuthenticated]

        def connect(self, request, pk):
            get_object_or_404(request.user.compositions, pk=pk)
            self.join(f"composition-{pk}")

        def receive(self, request, pk):
            self.broadcast(f"composition-{pk}", request.data)

    urlpatterns = [path("ws/editor/<int:pk>/", Editor.as_asgi())]

A `connect` that returns has accepted, one that is missing accepts; what is sent before that waits.
`disconnect` may be missing too. Handlers are `def` (run in a thread) or `async def`.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from .connection import Connection
from .decorators import route_name
from .dispatch import dispatch
from .envelopes import Envelope, Method, Plain
from .exceptions import CloseCode, EventNotAllowed
from .execution import run
from .faces import ViewFace, ViewVisit
from .messages import Call, Event, Reply
from .request import SocketRequest
from .routes import RouteTable
from .settings import api_settings
from .verbs import DONE, Sent, adopt

__all__ = ["SocketRouteView", "SocketView", "WebSocketView"]

Scope = dict[str, Any]
Application = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]


class SocketView:
    """A view for the events of a WebSocket; see the module's text for an example.

    Class attributes, each may also be given to `as_asgi(…)`: `permission_classes` and
    `throttle_classes` (DRF's), `text_parser_class`, `bytes_parser_class`,
    `text_renderer_class`, `bytes_renderer_class` (`None`: the setting `DEFAULT_…`).
    """

    permission_classes: Sequence[Any] | None = None
    throttle_classes: Sequence[Any] | None = None
    text_parser_class: Any = None
    bytes_parser_class: Any = None
    text_renderer_class: Any = None
    bytes_renderer_class: Any = None

    envelope: ClassVar[Envelope] = Plain()
    overrides_sending: ClassVar[bool] = False
    answers: ClassVar[bool] = False  # whether what a handler returns is sent

    request: SocketRequest
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __init__(self, **initkwargs: Any) -> None:
        for name, value in initkwargs.items():
            setattr(self, name, value)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.overrides_sending = (
            cls.send is not SocketView.send or cls.send_json is not SocketView.send_json
        )
        adopt(cls, ("send", "send_json", "broadcast", "join", "leave", "close"), "_perform")

    # How it is mounted.

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Application:
        """An ASGI application of this view, for `path()` and every ASGI router.

        In: class attributes to set on each instance. Raises `TypeError` for any other name.
        """
        view = cls.as_view(**initkwargs)

        async def application(scope: Scope, receive: Any, send: Any) -> None:
            await Connection(scope, receive, send, partial(ViewFace, view=view)).serve()

        application.view_class = cls  # type: ignore[attr-defined]
        application.__doc__ = cls.__doc__
        return application

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Awaitable[None]]:
        """A callable `view(request, *args, **kwargs)` for `route(…)` (seed 000)."""
        for name in initkwargs:
            if not hasattr(cls, name) or inspect.isroutine(getattr(cls, name)):
                raise TypeError(f"{cls.__name__} has no class attribute {name!r} to set.")

        def view(request: SocketRequest, *args: Any, **kwargs: Any) -> Awaitable[None]:
            return cls(**initkwargs).dispatch(request, *args, **kwargs)

        view.view_class = cls  # type: ignore[attr-defined]
        view.view_initkwargs = initkwargs  # type: ignore[attr-defined]
        return view

    # The road in.

    def dispatch(self, request: SocketRequest, *args: Any, **kwargs: Any) -> Awaitable[None]:
        """Handle one event: route, permit, throttle, run, answer (`rest_channels.dispatch`)."""
        request.text_parser_class = self.text_parser_class
        request.bytes_parser_class = self.bytes_parser_class
        self.request = request
        self.args = args
        self.kwargs = kwargs
        return dispatch(ViewVisit(self, request))

    def get_call(self) -> Call:
        """What the frame calls for: here nothing in particular, `receive` reads it."""
        return self.request.call

    def get_handler(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The method for this event, and its first arguments. Raises `EventNotAllowed` (405)."""
        handler = getattr(self, self.request.event, None)
        if handler is not None:
            return handler, (self.request,)
        if self.request.event == "receive":
            raise EventNotAllowed("receive")
        return _nothing, ()

    def get_permissions(self) -> Sequence[Any]:
        """The permissions to ask for this event, as instances."""
        classes = self.permission_classes
        if classes is None:
            classes = api_settings.DEFAULT_PERMISSION_CLASSES
        return [permission() for permission in classes]

    def get_throttles(self) -> Sequence[Any]:
        """The throttles to ask for this event, as instances."""
        classes = self.throttle_classes
        if classes is None:
            classes = api_settings.DEFAULT_THROTTLE_CLASSES
        return [throttle() for throttle in classes]

    # The road out.

    @property
    def state(self) -> dict[str, Any]:
        """A dict that lives as long as the connection."""
        return self.request.connection.memory

    def join(self, group: str) -> Sent:
        """Let this connection hear what is said to `group`."""
        self.request.connection.join(group)
        return DONE

    def leave(self, group: str) -> Sent:
        """Stop hearing what is said to `group`."""
        self.request.connection.leave(group)
        return DONE

    def broadcast(self, group: str, data: Any) -> Sent:
        """Send `data` to every member of `group`; it is rendered once."""
        event = Event.rendered(group, data, self.render_text(data))
        return self.request.connection.tell_all(event)

    def send_json(self, data: Any) -> Sent:
        """Send `data` to this connection's client."""
        return self.request.connection.send(text=self.render_text(data))

    def send(
        self,
        channel_or_group: Any,
        data: Any,
        content_type: str = "text",
        close: bool | int = False,
    ) -> Sent:
        """Render `data` and send it to a `Channel` or a `Group` (seed 000).

        In: `content_type`, `"text"` or `"binary"`; `close`, `True` or a close code to end the
        connection(s) afterwards. Raises `ValueError` for another content type.
        """
        if content_type == "text":
            content: dict[str, Any] = {"text": self.render_text(data)}
        elif content_type in ("binary", "bytes"):
            content = {"bytes": self.render_bytes(data)}
        else:
            raise ValueError(f"content_type is 'text' or 'binary', not {content_type!r}.")
        sent: Sent = channel_or_group.send({**content, "close": close})
        return sent

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> Sent:
        """End the connection after what was sent until now."""
        return self.request.connection.close(code, reason)

    def render_text(self, data: Any) -> str:
        """`data` as the text of a frame."""
        renderer = self.text_renderer_class or api_settings.DEFAULT_TEXT_RENDERER_CLASS
        text: str | bytes = renderer().render(data)
        return text.decode() if isinstance(text, bytes) else text

    def render_bytes(self, data: Any) -> bytes:
        """`data` as the bytes of a frame. Raises `TypeError` without a renderer for them."""
        if isinstance(data, bytes):
            return data
        renderer = self.bytes_renderer_class or api_settings.DEFAULT_BYTES_RENDERER_CLASS
        if renderer is None:
            raise TypeError(
                f"{type(self).__name__} sends binary data that is no bytes: set its "
                "bytes_renderer_class, or REST_CHANNELS['DEFAULT_BYTES_RENDERER_CLASS']."
            )
        data = renderer().render(data)
        return data.encode() if isinstance(data, str) else data

    def _perform(self, work: Any) -> Sent:
        return self.request.connection.home.perform(work)


WebSocketView = SocketView


class SocketRouteView(SocketView):
    """A `SocketView` whose frames name the method to call: `{"method", "data"}`.

    Methods marked `@socket_route` are called as `method(request, data, *args, **kwargs)`. What
    they return is answered as `{"method", "data", "status"}`: data, or `(data, status)`; `None`
    answers nothing. A `request_id` in the frame comes back with the answer.
    """

    envelope = Method()
    answers = True
    routes: ClassVar[RouteTable[str]] = RouteTable()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        routes = []
        for attribute, method in vars(cls).items():
            if (name := route_name(method)) is not None:
                if hasattr(SocketRouteView, attribute):
                    raise TypeError(
                        f"{cls.__name__}.{attribute} would hide SocketRouteView.{attribute}: "
                        f"call it otherwise and mark it @socket_route({name!r})."
                    )
                routes.append((name, attribute))
        cls.routes = RouteTable((*cls.routes.routes, *routes))

    def get_call(self) -> Call:
        """The method that the frame names."""
        if self.request.event != "receive":
            return self.request.call
        return self.envelope.open(self.request.data)

    def get_handler(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The method that the frame names, unless a subclass has a `receive` of its own."""
        if self.request.event == "receive" and type(self).receive is SocketRouteView.receive:
            return self._named(), (self.request, self.request.call.data)
        return super().get_handler()

    async def receive(self, request: SocketRequest, *args: Any, **kwargs: Any) -> Any:
        """Call the method that the frame names. Raises `ValidationError` (400) on `method`."""
        return await run(self._named(), request, request.call.data, *args, **kwargs)

    def _named(self) -> Callable[..., Any]:
        call = self.request.call
        attribute = self.routes.find(call.name)
        if attribute is None:
            raise self.envelope.unknown(call)
        method: Callable[..., Any] = getattr(self, attribute)
        return method

    def route_send(
        self,
        channel_or_group: Any,
        data: Any,
        status: int = 200,
        method: str | None = None,
        content_type: str = "text",
        close: bool | int = False,
    ) -> Sent:
        """Send `{"method", "data", "status"}`; the method called now, or another."""
        call = Call(method or self.request.call.name)
        frame = self.envelope.close(Reply(call, data, status))
        return self.send(channel_or_group, frame, content_type, close)


async def _nothing(*args: Any, **kwargs: Any) -> None:
    """What happens on an event that a view leaves out."""
