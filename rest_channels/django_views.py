"""`view_as_consumer`: Django's and DRF's views over a WebSocket, unchanged.

    path("ws/users/", view_as_consumer(UserViewSet))

    {"action": "list", "query": {"page": 2}, "request_id": 1}
    {"action": "update", "parameters": {"pk": 7}, "data": {"email": "…"}, "request_id": 2}

Each frame becomes a request with the connection's user, session, cookies, headers and address. The
view's permissions, content negotiation and errors are as over HTTP. Of the site's middleware, only
`LoginRequiredMiddleware` counts. A view whose URL has a guarding decorator must be given decorated.

Source: djangochannelsrestframework 1.3.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotAuthenticated, PermissionDenied, ValidationError

from .actions.authorization import while_not_expired
from .actions.context import current_action
from .actions.invocation import ActionInvocation
from .actions.site_urls import view_class_of
from .actions.view_arguments import view_arguments
from .actions.view_guards import login_middleware, missing_decorators, refuses
from .actions.view_methods import (
    DEFAULT_METHODS,
    check_mapping,
    find_view,
    is_viewset,
    viewset_routes,
)
from .actions.view_responses import has_data, response_data
from .api_consumer import AsyncAPIConsumer
from .client_logs import log_for_client, short_text
from .concurrency.execution import is_async, run
from .dispatch.dispatcher import dispatch
from .dispatch.invocation import Target
from .engine.connection import State
from .engine.identity_waits import wait_for_identity
from .handshake.http_request import http_request, query_dict
from .handshake.origins import origin_safe
from .protocol.messages import Call
from .renderers import encode

__all__ = ["DjangoViewAsConsumer", "view_as_consumer"]

logger = logging.getLogger("rest_channels")

BODY_HEADERS = (b"content-type", b"content-length", b"transfer-encoding")


def view_as_consumer(
    wrapped_view: Callable[..., Any] | type[Any], mapped_actions: Mapping[str, str] | None = None
) -> Any:
    """Return an ASGI application that calls a view for each frame.

    Args:
        wrapped_view: A function, a view class or its `as_view()`, an `APIView`, or a viewset.
        mapped_actions: The HTTP method of each action that frames may name. `None`: a viewset has
            its own actions; any other view has those of `DEFAULT_METHODS`, and HTTP methods in
            lower case (`post`).

    Raises:
        ImproperlyConfigured: `wrapped_view` cannot be called.
        TypeError: `mapped_actions` has an action or an HTTP method that the view does not have.
    """
    if not callable(wrapped_view):
        raise ImproperlyConfigured(f"view_as_consumer() takes a view, not {wrapped_view!r}.")

    name = f"view_as_consumer({getattr(wrapped_view, '__name__', wrapped_view)})"
    actions = DEFAULT_METHODS if mapped_actions is None else mapped_actions
    attributes = {"view": staticmethod(wrapped_view), "actions": actions}
    wrapped: Any = type(name, (DjangoViewAsConsumer,), attributes)
    return wrapped.as_asgi()


class DjangoViewAsConsumer(AsyncAPIConsumer):
    """A consumer whose actions are calls of one `view`; `view_as_consumer` makes them."""

    view: ClassVar[Any]
    actions: ClassVar[Mapping[str, str]] = DEFAULT_METHODS

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for attribute in cls.available_actions.values():
            raise TypeError(
                f"@action has no effect on {cls.__name__}.{attribute}: frames reach the view only. "
                "Mark a method of a viewset with DRF's @action, or write a consumer of its own."
            )
        if hasattr(cls, "view") and cls.actions is not DEFAULT_METHODS:
            check_mapping(f"{cls.__name__}.actions", cls.view, cls.actions)

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Refuse all clients (403) if the view's URL has a decorator that the view lacks."""
        if error := await run(missing_decorators, self.view):
            name = type(self).__qualname__
            log_for_client(logger, logging.ERROR, "%s: %s", name, error)
            raise PermissionDenied
        await super().websocket_connect(message)

    async def handle_action(self, action: str, request_id: Any, **kwargs: Any) -> None:
        """Call the view, and answer with its response."""
        before = current_action.get()
        try:
            await dispatch(ViewInvocation(self, action, request_id, kwargs))
        finally:
            current_action.set(before)

    async def _respond(
        self, view: Callable[..., Any], method: str, /, **arguments: Any
    ) -> tuple[Any, int]:
        response = await self.call_view(view, method, **arguments)
        return await response_data(response), response.status_code

    async def get_authenticators(self) -> Sequence[Any]:
        """Return the authenticators of the connection: without a setting, those of the view."""
        if found := await super().get_authenticators():
            return found
        initkwargs = getattr(self.view, "initkwargs", {})
        owner = view_class_of(self.view)
        classes = initkwargs.get(
            "authentication_classes", getattr(owner, "authentication_classes", ())
        )
        return [authenticator() for authenticator in classes]

    @property
    def _authenticates(self) -> bool:
        """Whether `authenticate` takes a token, because the view has no action of that name."""
        own = (viewset_routes(self.view) if is_viewset(self.view) else self.actions).keys()
        return bool(self._authentication.authenticators) and "authenticate" not in own

    async def call_view(
        self,
        view: Callable[..., Any],
        method: str,
        /,
        data: Any = None,
        query: Any = None,
        parameters: Any = None,
        **rest: Any,
    ) -> HttpResponseBase:
        """Call `view` with a request, and return its response.

        Args:
            view: A view function.
            method: The HTTP method of the request, in upper case.
            data: The body of the request; it is sent as JSON.
            query: A dict, the query string of the request.
            parameters: A dict, arguments of the view. Those of the connection's path override them.
            **rest: Other keys of the frame, which are rejected.

        Raises:
            ValidationError: 400, for keys and values that the request cannot have.
        """
        wrong: dict[str, Any] = {name: [_("There is no such argument.")] for name in rest}
        for name, value in {"query": query, "parameters": parameters}.items():
            if not isinstance(value, dict | None):
                wrong[name] = [_("This has to be an object.")]
        given = parameters if isinstance(parameters, dict) else {}
        arguments, errors = await run(view_arguments, view, method, given, self.kwargs)
        if errors:
            wrong.setdefault("parameters", errors)
        if wrong:
            raise ValidationError(wrong)
        request = self._make_request(method, data, query or {})
        request.resolver_match = ResolverMatch(view, (), arguments)
        if middleware := login_middleware():
            await self._check_login(middleware, request, view, arguments)
        if self._connection.identity_check is not None:
            await wait_for_identity(self._connection, nested=True)
        if self._connection.state > State.OPEN:  # a revocation has closed it meanwhile
            raise PermissionDenied
        return await self._call(view, request, arguments)

    async def _call(
        self, view: Any, request: HttpRequest, arguments: dict[str, Any]
    ) -> HttpResponseBase:
        called = view if is_async(view) else _atomic(view)
        called = while_not_expired(self, self.action_context, called)
        response: Any = await run(called, request, **arguments)
        if hasattr(response, "render") and not response.is_rendered and not has_data(response):
            await run(response.render)
        return response  # type: ignore[no-any-return]

    async def _check_login(self, middleware: Any, request: Any, view: Any, arguments: Any) -> None:
        if await run(refuses, middleware, request, view, arguments):
            user = self.scope.get("user")
            error = PermissionDenied if user and user.is_authenticated else NotAuthenticated
            raise self._authentication.adapt_error(error())

    def _check_origin(self) -> None:
        """Raise `PermissionDenied` (403) for a foreign page: its frames have no CSRF token."""
        if not self._origin_safe:
            origin = short_text(str(http_request(self.scope).headers.get("origin")))
            text = "%r: the origin %r is refused. Add it to REST_CHANNELS['ALLOWED_ORIGINS']."
            log_for_client(logger, logging.WARNING, text, self._connection, origin)
            raise PermissionDenied(_("CSRF Failed: the origin is not allowed."))

    @property
    def _origin_safe(self) -> bool:
        kept = self._connection.view_state
        if "origin_safe" not in kept:
            kept["origin_safe"] = origin_safe(self.scope)
        safe: bool = kept["origin_safe"]
        return safe

    def _make_request(self, method: str, data: Any, query: dict[str, Any]) -> HttpRequest:
        body = b"" if data is None else encode(data)
        headers = [(k, v) for k, v in self.scope.get("headers", ()) if k not in BODY_HEADERS]
        headers += [(b"content-type", b"application/json")] if body else []
        headers += [(b"content-length", str(len(body)).encode())]
        params = query_dict(query)
        scope = {**self.scope, "headers": headers, "query_string": params.urlencode().encode()}
        request = http_request(self._authentication.with_authorization(scope), method, body)
        vars(request)["GET"] = params  # a cached property
        vars(request)["_dont_enforce_csrf_checks"] = self._origin_safe
        return request


class ViewInvocation(ActionInvocation):
    """An action that is a call of the view, and not of a method of the consumer."""

    def find_handler(self) -> Target:
        """Return what calls the view. Raises 403 for a foreign page, 405 for an unknown action."""
        consumer, action = self.consumer, self.action
        if action == "authenticate" and consumer._authenticates:
            return super().find_handler()
        consumer._check_origin()
        name = action if isinstance(action, str) else ""
        if (found := find_view(type(consumer).view, consumer.actions, name)) is None:
            raise self.dialect.handler_not_found(Call(None, {"action": action}))
        self.method = found[1]
        self.expiry_count = consumer._authentication.expiry_count
        self._is_checked = True
        current_action.set(self)
        return self._replying(consumer._respond), found, self.arguments


def _atomic(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return `view` in a transaction of every database with `ATOMIC_REQUESTS`, as in Django."""
    exempt: set[str] = getattr(view, "_non_atomic_requests", set())
    for alias, database in connections.settings.items():
        if database["ATOMIC_REQUESTS"] and alias not in exempt:
            view = transaction.atomic(using=alias)(view)
    return view
