"""Render a row as JSON: once for all users if possible, otherwise once for each user.

The shared rendering is made with an empty serializer context. A serializer that reads the context
is detected, and is then called for each user.
"""

from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from typing import Any, TypeVar

from ...engine.identity_index import IDENTITY_READ_AT
from ...engine.shared_login import SHARED_LOGIN
from ...engine.socket_limits import SOCKET_KEY
from ...handshake.http_request import ROUTE_ENTRY
from ...handshake.locale import Locale
from ...renderers import Rendered, encode_text
from ...serializer_fields import keep_fields

__all__ = ["PER_USER", "PerUser", "render", "render_each", "rendering_key", "without_context"]

T = TypeVar("T")


class PerUser:
    """The result for a row that has to be rendered once per user."""


PER_USER = PerUser()


class DetectingContext(dict[str, Any]):
    """An empty serializer context that notes whether it is read."""

    was_read = False


WRITING_METHODS = {
    "__class__",
    "__class_getitem__",
    "__delattr__",
    "__getattribute__",
    "__init__",
    "__init_subclass__",
    "__new__",
    "__setattr__",
    "__setitem__",
    "__subclasshook__",
    "update",
}
"""The methods of a dict that do not read its content."""


def _detecting(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def read(self: DetectingContext, *args: Any, **kwargs: Any) -> Any:
        self.was_read = True
        return method(self, *args, **kwargs)

    return read


for _name in {name for name in dir(dict) if callable(getattr(dict, name))} - WRITING_METHODS:
    setattr(DetectingContext, _name, _detecting(_name))


def render(serializer_class: Any, row: Any, locale: Locale | None = None) -> Rendered | PerUser:
    """Return the row as `serializer_class` renders it, or `PER_USER` if it reads its context.

    A `locale` stays active in the calling context.
    """
    if locale is not None:
        locale.activate()

    def rendered(context: dict[str, Any]) -> Rendered:
        return Rendered.json(keep_fields(serializer_class(row, context=context)).data)

    return without_context(rendered)


def without_context(render: Callable[[dict[str, Any]], T]) -> T | PerUser:
    """Return what `render(context)` returns, or `PER_USER` if it reads that context."""
    context = DetectingContext()
    try:
        rendered = render(context)
    except Exception:
        if context.was_read:
            return PER_USER
        raise
    return PER_USER if context.was_read else rendered


Bodies = dict[Locale | None, Rendered]


def render_each(
    serializer_class: Any, row: Any, locales: Iterable[Locale | None]
) -> Bodies | PerUser:
    """Call `render` in each of these languages and time zones."""
    bodies: Bodies = {}
    for locale in locales:
        body = copy_context().run(render, serializer_class, row, locale)
        if isinstance(body, PerUser):
            return PER_USER
        bodies[locale] = body
    return bodies


CONSUMER_ATTRIBUTES = {
    "_authentication",
    "_channel",
    "_connection",
    "_detached_actions",
    "groups",
    "scope",
}
"""The instance attributes that the library itself sets on a consumer."""

SHARED_SCOPE_KEYS = {
    IDENTITY_READ_AT,
    ROUTE_ENTRY,
    SHARED_LOGIN,
    SOCKET_KEY,
    "client",
    "extensions",
    "headers",
    "raw_path",
    "server",
    "session",
    "state",
    "url_route",
    "user",
}
"""Scope keys that `rendering_key` compares separately, or that do not change a rendering."""


def rendering_key(consumer: Any) -> Any:
    """Return a key that consumers have in common if they may share a rendering.

    Such consumers have the same user, session, headers, arguments of the route, language and time
    zone, and the same other scope keys, e.g. the path. The key of a consumer that has attributes of
    its own, or no user, is the consumer itself.
    """
    if vars(consumer).keys() - CONSUMER_ATTRIBUTES:
        return consumer
    scope = consumer.scope
    user = scope.get("user")
    if getattr(user, "pk", None) is None:
        return consumer
    headers = [
        pair for pair in scope.get("headers", ()) if not pair[0].startswith(b"sec-websocket-")
    ]
    rest = {key: value for key, value in scope.items() if key not in SHARED_SCOPE_KEYS}
    session = getattr(scope.get("session"), "session_key", scope.get("session"))
    try:
        locale = consumer._connection.locale
        route = _route_arguments(scope.get("url_route") or {})
        key = (type(user), user.pk, session, tuple(headers), route, locale, encode_text(rest))
        hash(key)
    except TypeError:  # a value that cannot be compared
        return consumer
    return key


def _route_arguments(route: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the arguments of a route. Some are not in the path: those of the entry itself."""
    return tuple(route.get("args", ())), frozenset(route.get("kwargs", {}).items())
