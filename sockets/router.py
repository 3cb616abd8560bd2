"""`SocketRouter`: the WebSocket part of a page, as an attribute of its view or on its own.

    class Table(View):
        socket = SocketRouter()

        @socket.route("MOVE", serializer_class=MoveSerializer)
        def on_move(socket, content):
            socket.peers().send_action("MOVED", **content)

    urlpatterns = [path("ws/table/<int:pk>/", Table.socket.as_asgi())]

Decorated functions get the *socket* first, an instance of `RoutedSocketHandler`. They may be `def`
or `async def`, and decorating does not change them. Source: the README of django-channels-router.
"""

import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar
from weakref import WeakSet

from asgiref.sync import markcoroutinefunction
from django.utils.functional import cached_property

from rest_channels.concurrency.execution import run
from rest_channels.declarations.classes import check_class
from rest_channels.declarations.unsupported import ATTRIBUTES
from rest_channels.declarations.values import check_values
from rest_channels.history.policy import History
from rest_channels.protocol.dialects import TypeDialect

from .event_functions import call_all, call_each
from .path_group import check_history

__all__ = ["SocketRouter", "routers"]

F = TypeVar("F", bound=Callable[..., Any])

HANDLER_ATTRIBUTES = ("login_required", "groups", "history", "sends", "receives")
"""Attributes of a router that its handler class gets."""

routers: "WeakSet[SocketRouter]" = WeakSet()
"""All routers, for the system checks."""


class SocketRouter:
    """Collect the functions of one page's sockets, and build a handler class from them.

    The class extends `handler`, a `RoutedSocketHandler`, and is built when `Handler` is first used.
    Decorating a function later raises `RuntimeError`, because it would never be called.
    """

    login_required: bool | None = None
    """Whether anonymous clients are refused, as in a handler class. `None`: as `handler` has it."""
    groups: Iterable[str] | None = None
    """The groups that each socket joins. `None`: as `handler` has them."""
    history: History | None = None
    """What is kept of the messages to `socket.everyone`. `None`: as `handler` has it."""
    sends: Mapping[str, Any] | None = None
    """The types of messages that the server sends, as in a handler class."""
    receives: Mapping[str, Any] | None = None
    """The types of messages that clients send, as in a handler class."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_class(cls)

    def __init__(self, handler: Any = None, history: History | None = None) -> None:
        self._name = "SocketRouter()"
        self._page_docstring: str | None = None
        self._module = __name__
        _check_handler(handler)
        self._base_handler = handler
        self.routes: list[tuple[Any, ...]] = []
        self._connect_functions: list[Callable[..., Any]] = []
        self._disconnect_functions: list[Callable[..., Any]] = []
        self._gap_functions: list[Callable[..., Any]] = []
        if history is not None:
            self.history = history
        self._default_function: Callable[..., Any] | None = None
        routers.add(self)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in HANDLER_ATTRIBUTES:
            self._check_not_built()
            check_values(f"{self._name}.", {name: value})
            if name == "history":
                check_history(f"{self._name}.", value)
        elif (
            not name.startswith("_")
            and name != "routes"
            and (type(self) is SocketRouter or name in ATTRIBUTES)
        ):
            raise AttributeError(
                f"{self._name}.{name} has no effect. Set {' or '.join(HANDLER_ATTRIBUTES)}, use "
                "the decorators (@socket.route(…)), or write a RoutedSocketHandler "
                "and pass it: SocketRouter(MyHandler)."
            )
        super().__setattr__(name, value)

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"{owner.__name__}.{name}"
        self._page_docstring = vars(owner).get("__doc__")
        self._module = owner.__module__

    def __repr__(self) -> str:
        return f"<SocketRouter {self._name}>"

    # Decorators.

    def route(self, type: str | re.Pattern[str], serializer_class: Any = None) -> Callable[[F], F]:
        """Call `f(socket, content)` for messages of a type, or of types that a pattern matches.

        Args:
            type: The type as text, or a compiled pattern.
            serializer_class: A serializer class that validates messages. `content` is then its
                validated data without `type`. Invalid messages are answered with an error frame.
        """
        if not isinstance(type, str | re.Pattern):
            raise TypeError(
                f"{self._name}: a route takes a type, as in @socket.route('PING'), not {type!r}."
            )
        check_values(f"{self._name}.route({type!r}): ", {"serializer_class": serializer_class})

        def decorate(function: F) -> F:
            self._check_not_built()
            self._notice_module(function)
            self.routes.append((type, function, serializer_class))
            return function

        return decorate

    def live(
        self,
        type: str,
        *,
        serializer_class: Any,
        stop: str | None = None,
        viewers: Callable[..., Any] | None = None,
        reread: float | None = None,
    ) -> Callable[[F], F]:
        """Let clients keep the rows that `f(socket, content)`, a `def`, returns as a queryset.

        A client sends a message of the type. It receives `{"type", "rows", "tags"}`, and after each
        commit what differs. Another message of the type replaces the list.

        Args:
            type: The type of these messages.
            serializer_class: A serializer class of the rows. Its context has the `socket`.
            stop: The type of the message that ends the list.
            viewers: As in `live_query`.
            reread: As in `live_query`.
        """
        from .live_lists import LiveList  # noqa: PLC0415 - a page without lists needs none of it

        live = LiveList(self._name, type, serializer_class, stop, viewers, reread)

        def decorate(function: F) -> F:
            self.routes += live.routes(self._checked("live", function))
            return function

        return decorate

    def connect(self, function: F | None = None) -> F:
        """Call `f(socket)` or `f(socket, message)` when a client has connected.

        The row exists already, so other sockets can send to this one. Several functions are
        called in the order of their definition.
        """
        function = self._checked("connect", function)
        self._connect_functions.append(function)
        return function

    def disconnect(self, function: F | None = None) -> F:
        """Call `f(socket)` or `f(socket, message)` when a client has left. Its row is deleted."""
        function = self._checked("disconnect", function)
        self._disconnect_functions.append(function)
        return function

    def gap(self, function: F | None = None) -> F:
        """Call `f(socket)` or `f(socket, groups)` when messages to the socket may be lost.

        This happens while the channel layer is not available. Send the current state again.
        """
        function = self._checked("gap", function)
        self._gap_functions.append(function)
        return function

    def default_route(self, function: F | None = None) -> F:
        """Call `f(socket, content)` for messages that no route matches."""
        function = self._checked("default_route", function)
        self._default_function = function
        return function

    def _checked(self, decorator: str, function: F | None) -> F:
        """Return `function`, or raise `TypeError` if the decorator was called by the project."""
        self._check_not_built()
        if not callable(function):
            raise TypeError(
                f"{self._name}: @socket.{decorator} takes a function. Write it without parentheses."
            )
        self._notice_module(function)
        return function

    def _notice_module(self, function: Any) -> None:
        if self._module == __name__:  # it is no attribute of a class
            self._module = getattr(function, "__module__", self._module)

    def _check_not_built(self) -> None:
        if "Handler" in vars(self):
            raise RuntimeError(
                f"{self._name} already serves connections. Decorate functions in the module that "
                "creates the router, before its Handler is used."
            )

    @property
    def event_functions(self) -> list[Callable[..., Any]]:
        """The functions for connect, disconnect and gap, for the system checks."""
        return [*self._connect_functions, *self._disconnect_functions, *self._gap_functions]

    @property
    def default_function(self) -> Callable[..., Any] | None:
        """The function for messages that no route matches, for the system checks."""
        return self._default_function

    # The handler class.

    @cached_property
    def Handler(self) -> Any:  # noqa: N802 - a class
        """The `RoutedSocketHandler` subclass of this page, for `route_class(…)`."""
        from .handlers import RoutedSocketHandler  # noqa: PLC0415 - it needs ready apps

        base: Any = self._base_handler or RoutedSocketHandler
        router = self

        class Events(base):  # type: ignore[misc]
            async def connect(self) -> None:
                await run(super().connect)
                await call_each(router._connect_functions, self, self.message)

            async def disconnect(self, code: int) -> None:
                await run(super().disconnect, code)
                await call_all(router._disconnect_functions, self, self.message)

            if router._gap_functions:  # without gap functions the handler skips gap events

                async def gap(self, groups: tuple[str, ...]) -> None:
                    await run(super().gap, groups)
                    await call_each(router._gap_functions, self, groups)

        return type("Handler", (Events,), self._handler_attributes(base))

    def _handler_attributes(self, base: Any) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in HANDLER_ATTRIBUTES}
        if self._default_function is not None:
            given["default_route"] = self._default_function
        return {
            "__module__": self._module,
            "__qualname__": f"{_variable_name(self, self._module) or self._name}.Handler",
            "__doc__": self._docstring,
            "routes": (*base.routes, *self.routes),
            **{name: value for name, value in given.items() if value is not None},
        }

    @property
    def _docstring(self) -> str | None:
        """That of the given handler class, or else of the page that the router is written in."""
        own = None if self._base_handler is None else vars(self._base_handler).get("__doc__")
        return own or self._page_docstring

    def as_asgi(self) -> Callable[..., Awaitable[None]]:
        """Return an ASGI application for `path()` and any ASGI router."""

        def application(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
            handler: Awaitable[None] = self.Handler()(scope, receive, send)
            return handler

        markcoroutinefunction(application)
        application.dialect = TypeDialect()  # type: ignore[attr-defined]
        application.required_app = "sockets"  # type: ignore[attr-defined]
        application.socket_router = self  # type: ignore[attr-defined]
        return application


def _variable_name(router: SocketRouter, module: str) -> str | None:
    """Return the name of the variable of a module that holds `router`, if there is one."""
    variables = vars(sys.modules[module]) if module in sys.modules else {}
    return next((name for name, value in variables.items() if value is router), None)


def _check_handler(handler: Any) -> None:
    """Raise `TypeError` if `handler` is no `RoutedSocketHandler`, or `None`."""
    if handler is None:
        return
    if isinstance(handler, type):
        from .handlers import RoutedSocketHandler  # noqa: PLC0415 - a handler class needs it, too

        if issubclass(handler, RoutedSocketHandler):
            return
    raise TypeError(f"SocketRouter() takes a RoutedSocketHandler, not {handler!r}.")
