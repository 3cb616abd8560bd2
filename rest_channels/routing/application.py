"""`SocketApplication`, which finds the application for each connection of a site.

    application = SocketApplication("shop.live", http=get_asgi_application())

A list may mix `path()` and `re_path()` of any ASGI application with `route(…)`, `route_class(…)`
and `include(…)`. The first entry that matches a connection serves it.

This module may be imported before Django's apps are ready.
"""

import logging
import time
from collections.abc import Awaitable, Sequence
from importlib import import_module
from inspect import signature
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, URLPattern, URLResolver, resolve
from django.utils.functional import cached_property
from django.utils.module_loading import import_string

from ..client_logs import log_for_client, short_path
from ..concurrency.threads import thread_pool
from ..engine.identity_index import IDENTITY_READ_AT
from ..engine.publish import current_hub
from ..engine.socket_limits import Refusal, SocketCounts
from ..handshake.http_request import (
    ROUTE_ENTRY,
    accept_and_close,
    path_info,
    reject_handshake,
    with_route,
)
from ..handshake.identity import with_identity
from ..handshake.origins import ORIGIN_CHECKED, log_refused_origin, origin_allowed
from ..handshake.proxies import without_proxies
from ..handshake.subprotocols import choose_subprotocol
from ..protocol.dialects import PlainDialect
from ..protocol.messages import Application, Scope
from ..settings import api_settings
from .channel_routes import ChannelRouter, Include, Route, covers
from .first_use import first_use
from .lifespan import InnerLifespan
from .url_routes import match_route

__all__ = ["SocketApplication"]

logger = logging.getLogger("rest_channels")


class SocketApplication:
    """An ASGI application for a whole site: WebSockets by a route list, HTTP by `http`.

    A handshake from a foreign origin or for an unknown path is refused (HTTP 403). All others have
    `session` and `user` in their scope, and the client address that trusted proxies report.

    `http` receives the lifespan of the server too, if it serves that.

    Args:
        routes: A list, its dotted path, or that of a module with `urlpatterns`. It is imported at
            the server's start or with the first connection.
        http: Django's ASGI application. `None`: HTTP requests are answered with 404.
    """

    def __init__(self, routes: str | Sequence[Any], http: Application | None = None) -> None:
        if http is not None and (isinstance(http, type) or not _takes_three(http)):
            message = f"SocketApplication(…, http={http!r}): write get_asgi_application()."
            raise ImproperlyConfigured(message)
        self.configured_routes = routes
        self.http = http

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one connection, one HTTP request, or the lifespan of the server."""
        if first_use.application is None:
            await first_use.begin(self)
        if scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._serve_lifespan(scope, receive, send)
        elif scope["type"] == "http":
            http = self._console if self._wants_console(scope) else self.http or _no_http
            await http(scope, receive, send)
        else:
            raise ValueError(f"SocketApplication serves no scope of the type {scope['type']!r}.")

    @cached_property
    def routes(self) -> list[Any]:
        """The route list, imported. Raises `ImproperlyConfigured` for any other value."""
        routes = self.configured_routes
        if isinstance(routes, str):
            routes = _import_routes(routes)
        if not isinstance(routes, list | tuple):
            raise ImproperlyConfigured(f"SocketApplication takes a list of routes, not {routes!r}.")
        for entry in routes:
            if not isinstance(entry, URLPattern | URLResolver | Route | Include):
                kinds = "path(), re_path(), route(), route_class() or include()"
                raise ImproperlyConfigured(f"{entry!r} is no route: use {kinds}.")
        return list(routes)

    @cached_property
    def _channel_router(self) -> ChannelRouter:
        return ChannelRouter([entry for entry in self.routes if isinstance(entry, Route | Include)])

    def find(self, scope: Scope) -> tuple[Application, Scope] | None:
        """Return the application for the path of `scope`, and its scope; `None` without a route."""
        path = path_info(scope).removeprefix("/")
        for entry in self.routes:
            if isinstance(entry, Route | Include):
                if covers(entry, scope):
                    return self._channel_router.find(scope)
                continue
            if (match := match_route(entry, path)) is not None:
                found = with_route(scope, *match[1:])
                found[ROUTE_ENTRY] = entry
                return match.application, found
        return None

    @cached_property
    def _console(self) -> Application:
        # By its name: it imports this module, and most processes never need it.
        handler: Application = import_string("rest_channels.console.handler.ConsoleHandler")(self)
        return handler

    def _wants_console(self, scope: Scope) -> bool:
        """Return whether a browser asks for a page at the path of a socket, where no page is."""
        if scope.get("method") != "GET" or not api_settings.CONSOLE:
            return False
        accepted = dict(scope["headers"]).get(b"accept", b"")
        if b"text/html" not in accepted or self.find(scope) is None:
            return False
        try:
            resolve(path_info(scope))
        except Resolver404:
            return True
        return False

    def find_target(self, scope: Scope) -> Any:
        """Return what handles the frames of the sockets at the path of `scope`, or `None`."""
        if (found := self.find(scope)) is None:
            return None
        is_router = getattr(found[0], "__self__", None) is self._channel_router
        return self._channel_router.find_target(scope) if is_router else found[0]

    async def _serve_socket(self, scope: Scope, receive: Any, send: Any) -> None:
        sockets, owner = current_hub().sockets, object()
        try:
            serving = await self._begin(sockets, owner, scope, receive, send)
            del scope  # the application has a copy
            await serving
        finally:
            sockets.release(owner)

    async def _begin(
        self, sockets: SocketCounts, owner: object, scope: Scope, receive: Any, send: Any
    ) -> Awaitable[None]:
        """Return what serves or refuses a socket, which counts for `owner`. Read its identity."""
        scope = without_proxies(scope)
        found = None
        if not origin_allowed(scope):
            log_refused_origin(logger, scope)
        elif (found := self.find(scope)) is None:
            log_for_client(logger, logging.WARNING, "No route for %r.", short_path(scope))
        if found is None:
            return reject_handshake(receive, send)
        application, scope = found
        scope[ORIGIN_CHECKED] = True
        if (refusal := sockets.count(owner, scope)) is not None:
            return _refuse(application, refusal, scope, receive, send)
        if "user" not in scope:
            scope[IDENTITY_READ_AT] = time.monotonic()
        try:
            scope = await with_identity(scope)
        except Exception as error:  # noqa: BLE001 - databases raise many kinds of errors
            text = "Cannot read the session and the user for %r."
            log_for_client(logger, logging.ERROR, text, short_path(scope), error=error)
            return accept_and_close(receive, send)
        if getattr(application, "_path_routing", False):
            return _route_further(application, scope, receive, send)
        return application(scope, receive, send)

    async def _serve_lifespan(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve ASGI's lifespan protocol, for `http` too. Not all servers support it."""
        await receive()
        try:
            _ = self.routes
        except Exception as error:
            logger.exception("The routes %r cannot be used.", self.configured_routes)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        http = InnerLifespan(self.http or _no_lifespan, scope)
        try:
            try:
                await http.start()
            except RuntimeError as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                raise
            await send({"type": "lifespan.startup.complete"})
            await receive()
            error_text = await http.stop()
        finally:
            http.cancel()
        thread_pool.shutdown()
        if error_text is None:
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await send({"type": "lifespan.shutdown.failed", "message": error_text})


async def _route_further(router: Application, scope: Scope, receive: Any, send: Any) -> None:
    """Run `router`. Without a route for the rest of the path it refuses the client."""
    try:
        await router(scope, receive, send)
    except Resolver404:
        log_for_client(logger, logging.WARNING, "No route for %r.", short_path(scope))
        await reject_handshake(receive, send)


async def _refuse(
    application: Application, refusal: Refusal, scope: Scope, receive: Any, send: Any
) -> None:
    """Accept the handshake, send an error frame in the dialect of `application`, and close."""
    text = refusal.render(getattr(application, "dialect", PlainDialect()))
    await accept_and_close(
        receive,
        send,
        refusal.code,
        refusal.reason,
        text=text,
        subprotocol=choose_subprotocol(scope.get("subprotocols", ())),
    )


def _import_routes(dotted: str) -> Any:
    """Import the `urlpatterns` of a module, or a list."""
    try:
        module = import_module(dotted)
    except ModuleNotFoundError as error:
        if error.name is None or not (dotted + ".").startswith(error.name + "."):
            raise
        return import_string(dotted)
    if not hasattr(module, "urlpatterns"):
        message = f"The module {dotted!r} has no 'urlpatterns'. Name the list: '{dotted}.…'."
        raise ImproperlyConfigured(message)
    return module.urlpatterns


def _takes_three(application: Any) -> bool:
    """Return whether `application` may be called with ASGI's scope, receive and send."""
    try:
        signature(application).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:  # it has no signature
        return True
    return True


async def _no_lifespan(scope: Scope, receive: Any, send: Any) -> None:
    """Serve no lifespan."""


async def _no_http(scope: Scope, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"There are only WebSockets here."})
