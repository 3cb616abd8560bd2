"""`view_as_consumer`: Django's and DRF's views over a socket, as they are.

    path("ws/users/", view_as_consumer(UserViewSet))

    {"action": "list", "query": {"page": 2}, "request_id": 1}
    {"action": "update", "parameters": {"pk": 7}, "data": {"email": "…"}, "request_id": 2}

Each frame becomes a request with the connection's user, session, cookies, headers and address; the
view's permissions, its content negotiation and its errors are those it has over HTTP. No middleware
runs. Source: djangochannelsrestframework 1.3 (seed 001, 1.3.2.4).
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from .actions import AsyncAPIConsumer
from .envelopes import Action
from .execution import is_async, run
from .handshake import http_request
from .messages import Call
from .renderers import encode
from .settings import api_settings

__all__ = ["DjangoViewAsConsumer", "view_as_consumer"]

METHODS = {"create": "PUT", "update": "PATCH", "list": "GET", "retrieve": "GET"}
"""What actions become for views that have no actions, as it is documented (seed 001)."""

HTTP = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

VIEWSET = {
    "list": "get",
    "retrieve": "get",
    "create": "post",
    "update": "put",
    "partial_update": "patch",
    "destroy": "delete",
}
"""The actions of a viewset, by the methods that DRF's routers give them."""

ALIASES = {"patch": "partial_update", "delete": "destroy"}
"""The same actions under this library's names."""


def view_as_consumer(
    wrapped_view: Callable[..., Any] | type[Any], mapped_actions: Mapping[str, str] | None = None
) -> Any:
    """An ASGI application that calls a view for each frame.

    In: a function view, a class of views (or its `as_view()`), an `APIView`, a viewset;
    `mapped_actions`, action → HTTP method, instead of the documented mapping. A viewset's own
    actions need none. An action that is in no mapping may be a method's name: `post`.
    """
    if not callable(wrapped_view):
        raise ImproperlyConfigured(f"view_as_consumer() takes a view, not {wrapped_view!r}.")

    class Wrapped(DjangoViewAsConsumer):
        view = staticmethod(wrapped_view)
        actions = METHODS if mapped_actions is None else mapped_actions

    Wrapped.__qualname__ = f"view_as_consumer({getattr(wrapped_view, '__name__', wrapped_view)})"
    return Wrapped.as_asgi()


class DjangoViewAsConsumer(AsyncAPIConsumer):
    """A consumer whose actions are calls of one `view`; `view_as_consumer` makes them."""

    view: ClassVar[Any]
    actions: ClassVar[Mapping[str, str]] = METHODS

    async def handle_action(self, action: str, request_id: Any, **kwargs: Any) -> None:
        """Call the view, and answer with what it responds."""
        try:
            await self.check_permissions(action)
            response = await self.call_view(action, **kwargs)
            data = await run(_content, response)
            await self.reply(action, data=data, status=response.status_code, request_id=request_id)
        except Exception as error:  # noqa: BLE001 - the one place that turns errors into answers
            await run(self.handle_exception, error, action=action, request_id=request_id)

    async def call_view(
        self, action: str, data: Any = None, query: Any = None, parameters: Any = None, **rest: Any
    ) -> HttpResponseBase:
        """The view's response. In: the request's body, its query string, the view's arguments.

        Raises `ValidationError` (400) for other keys, `HandlerNotFound` (405).
        """
        wrong = {name: [_("There is no such argument.")] for name in rest}
        for name, value in {"query": query, "parameters": parameters}.items():
            if not isinstance(value, dict | None):
                wrong[name] = [_("This has to be an object.")]
        if wrong:
            raise ValidationError(wrong)
        view, method = self._find(action)
        request = self._make_request(method, data, query or {})
        arguments = {**self.kwargs, **(parameters or {})}
        response = await run(view if is_async(view) else _atomic(view), request, **arguments)
        if hasattr(response, "render") and not response.is_rendered:
            await run(response.render)
        return response  # type: ignore[no-any-return]

    def _find(self, action: Any) -> tuple[Any, str]:
        """The view for `action`, and the HTTP method it is called with."""
        view: Any = type(self).view
        name = action if isinstance(action, str) else ""
        if hasattr(view, "get_extra_actions"):
            name = ALIASES.get(name, name)
            if (method := _viewset_method(view, name)) is not None:
                return view.as_view({method: name}), method.upper()
        else:
            method = self.actions.get(name, name.upper())
            if method in HTTP:
                make = getattr(view, "as_view", None)  # a class has it
                return (view if make is None else make()), method
        raise Action().unknown(Call(None, {"action": action}))

    def _make_request(self, method: str, data: Any, query: dict[str, Any]) -> HttpRequest:
        body = b"" if data is None else encode(data)
        headers = [(k, v) for k, v in self.scope.get("headers", ()) if k not in BODY_HEADERS]
        headers += [(b"content-type", b"application/json")] if body else []
        headers += [(b"content-length", str(len(body)).encode())]
        scope = {**self.scope, "headers": headers, "query_string": urlencode(query, True).encode()}
        request = http_request(scope, method, body)
        vars(request)["_dont_enforce_csrf_checks"] = True  # the Origin was checked instead
        return request


BODY_HEADERS = (b"content-type", b"content-length", b"transfer-encoding")


def _viewset_method(view: Any, name: str) -> str | None:
    """The HTTP method of an action of a viewset, or `None` if it has no such action."""
    if not callable(getattr(view, name, None)):
        return None
    extra = {one.__name__: next(iter(one.mapping)) for one in view.get_extra_actions()}
    return {**VIEWSET, **extra}.get(name)


def _atomic(view: Callable[..., Any]) -> Callable[..., Any]:
    """As Django's handler: in a transaction, if the database says that requests are."""
    exempt: set[str] = getattr(view, "_non_atomic_requests", set())
    if not connections[DEFAULT_DB_ALIAS].settings_dict["ATOMIC_REQUESTS"]:
        return view
    return view if DEFAULT_DB_ALIAS in exempt else transaction.atomic(view)


def _content(response: Any) -> Any:
    """What a response says: its data, else its body as text, else that in hexadecimal."""
    if hasattr(response, "data"):
        return response.data
    body = _streamed(response) if response.streaming else response.content
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.hex()


def _streamed(response: Any) -> bytes:
    """All of a stream. Raises `ValueError` for more than a client may be sent at once."""
    body = b""
    for part in response:
        body += part
        if len(body) > api_settings.OUTBOX_BYTES:
            raise ValueError(f"{response!r} is too long for a frame.")
    return body
