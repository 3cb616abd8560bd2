"""`SocketRouter`: the live half of a page, as an attribute of its view or on its own.

    class Table(View):
        socket = SocketRouter()

        @socket.route("MOVE", serializer_class=MoveSerializer)
        def on_move(socket, content):
            socket.peers().send_action("MOVED", **content)

    urlpatterns = [path("ws/table/<int:pk>/", Table.socket.as_asgi())]

What is decorated is a function of the *socket*, an instance of `RoutedSocketHandler`; it may be
`def` or `async def`, and stays what it is. Source: the README of django-channels-router (seed 003).
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar
from weakref import WeakSet

from asgiref.sync import markcoroutinefunction
from django.utils.functional import cached_property

from rest_channels.concurrency.execution import run

__all__ = ["SocketRouter", "routers"]

F = TypeVar("F", bound=Callable[..., Any])

routers: "WeakSet[SocketRouter]" = WeakSet()
"""All that there are: the system checks look at them."""


class SocketRouter:
    """Collects the functions of one page's sockets, and makes a handler of them.

    In: `handler`, the `RoutedSocketHandler` to extend. The handler is made at the first use of
    `Handler`; what is decorated later would be lost and raises `RuntimeError`.
    """

    def __init__(self, handler: Any = None) -> None:
        self._base = handler
        self._name = "SocketRouter()"
        self.routes: list[tuple[Any, ...]] = []
        self._connects: list[Callable[..., Any]] = []
        self._disconnects: list[Callable[..., Any]] = []
        self._gaps: list[Callable[..., Any]] = []
        self._default: Callable[..., Any] | None = None
        routers.add(self)

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"{owner.__name__}.{name}"

    def __repr__(self) -> str:
        return f"<SocketRouter {self._name}>"

    # What decorates.

    def route(self, type: str | re.Pattern[str], serializer_class: Any = None) -> Callable[[F], F]:
        """Let `f(socket, content)` have the messages of a type, or whose type a pattern matches.

        In: `serializer_class`, a serializer that says what a message must hold. `content` is then
        what it made of the message, without `type`; a client whose message is not valid is told
        which fields are wrong. Raises `TypeError` for what is no type, or no serializer.
        """
        if not isinstance(type, str | re.Pattern):
            raise TypeError(
                f"{self._name}: a route takes a type, as in @socket.route('PING'), not {type!r}."
            )

        def decorate(function: F) -> F:
            self._collect()
            self.routes.append((type, function, serializer_class))
            return function

        return decorate

    def connect(self, function: F) -> F:
        """Call `f(socket)` or `f(socket, message)` when somebody has connected.

        The row is there already, so others may speak to the socket too. Several are called in
        their order.
        """
        self._collect()
        self._connects.append(function)
        return function

    def disconnect(self, function: F) -> F:
        """Call `f(socket)` or `f(socket, message)` when somebody has left; his row is gone."""
        self._collect()
        self._disconnects.append(function)
        return function

    def gap(self, function: F) -> F:
        """Call `f(socket)` or `f(socket, groups)` when something for the socket was lost.

        That happens between server processes, when the channel layer is away: time to look again.
        """
        self._collect()
        self._gaps.append(function)
        return function

    def default_route(self, function: F) -> F:
        """Let `f(socket, content)` have the messages that no route is for."""
        self._collect()
        self._default = function
        return function

    def _collect(self) -> None:
        if "Handler" in vars(self):
            raise RuntimeError(
                f"{self._name} already serves connections: decorate where it is made, before its "
                "Handler is used."
            )

    # What becomes of it.

    @cached_property
    def Handler(self) -> Any:  # noqa: N802 - a class; seed 003
        """The `RoutedSocketHandler` of this page, for `route_class(…)`."""
        from .handlers import RoutedSocketHandler  # noqa: PLC0415 - it needs ready apps

        base: Any = self._base or RoutedSocketHandler
        if not (isinstance(base, type) and issubclass(base, RoutedSocketHandler)):
            raise TypeError(f"{self._name} takes a RoutedSocketHandler, not {base!r}.")
        connects, disconnects, gaps = map(tuple, (self._connects, self._disconnects, self._gaps))

        class Handler(base):  # type: ignore[misc]
            routes = (*base.routes, *self.routes)

            async def connect(self) -> None:
                await run(super().connect)
                await _call_each(connects, self, self.message)

            async def disconnect(self, code: int) -> None:
                await run(super().disconnect, code)
                await _call_all(disconnects, self, self.message)

            if gaps:  # whose handler minds none is not troubled with them

                async def gap(self, groups: tuple[str, ...]) -> None:
                    await run(super().gap, groups)
                    await _call_each(gaps, self, groups)

            if self._default is not None:
                default_route = self._default

        Handler.__qualname__ = f"{self._name}.Handler"
        Handler.__doc__ = f"The sockets of {self._name}."
        return Handler

    def as_asgi(self) -> Callable[..., Awaitable[None]]:
        """An ASGI application of the page's sockets, for `path()` and every ASGI router."""

        def application(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
            handler: Awaitable[None] = self.Handler()(scope, receive, send)
            return handler

        markcoroutinefunction(application)
        return application


async def _call_each(functions: Iterable[Callable[..., Any]], handler: Any, what: Any) -> None:
    """Call `f(handler)` or `f(handler, what)`, as each likes it."""
    for function in functions:
        await run(function, handler, *([what] if _takes_two(function) else []))


async def _call_all(functions: Iterable[Callable[..., Any]], handler: Any, what: Any) -> None:
    """The same, whatever some of them raise; the first error is raised at the end."""
    errors = []
    for function in functions:
        try:
            await _call_each([function], handler, what)
        except Exception as error:  # noqa: BLE001 - who leaves must be missed by all
            errors.append(error)
    if errors:
        raise errors[0]


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    return True
