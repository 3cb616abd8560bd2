"""A row as JSON: once for all who may see the same, else once for each person.

What is rendered for all is rendered with nobody in the serializer's context. A serializer that
looks for somebody there gives itself away, and is then asked for each person.
"""

from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any

from ...handshake.locale import Locale
from ...renderers import Rendered, encode

__all__ = ["PERSONAL", "Personal", "render", "render_each", "rendering_key"]


class Personal:
    """There is no body that is the same for all."""


PERSONAL = Personal()


class DetectingContext(dict[str, Any]):
    """A serializer's context, empty, that knows when it is asked for anything at all."""

    asked = False


SILENT = {
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
"""What a dict is asked without being asked for something in it."""


def _asking(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def ask(self: DetectingContext, *args: Any, **kwargs: Any) -> Any:
        self.asked = True
        return method(self, *args, **kwargs)

    return ask


for _name in {name for name in dir(dict) if callable(getattr(dict, name))} - SILENT:
    setattr(DetectingContext, _name, _asking(_name))


def render(serializer_class: Any, row: Any) -> Rendered | Personal:
    """What `serializer_class` makes of `row` for everybody, if that is the same for everybody."""
    context = DetectingContext()
    try:
        body = Rendered.json(serializer_class(row, context=context).data)
    except Exception:
        if context.asked:
            return PERSONAL
        raise
    return PERSONAL if context.asked else body


Bodies = dict[Locale | None, Rendered]


def render_each(
    serializer_class: Any, row: Any, locales: Iterable[Locale | None]
) -> Bodies | Personal:
    """`render`, in each of these languages and time zones."""
    bodies: Bodies = {}
    for locale in locales:
        body = copy_context().run(_render_in, locale, serializer_class, row)
        if isinstance(body, Personal):
            return PERSONAL
        bodies[locale] = body
    return bodies


def _render_in(locale: Locale | None, serializer_class: Any, row: Any) -> Rendered | Personal:
    if locale is not None:
        locale.activate()
    return render(serializer_class, row)


CONSUMER_ATTRIBUTES = {
    "_authentication",
    "_channel",
    "_connection",
    "_detached",
    "_streams",
    "detached_tasks",
    "groups",
    "scope",
}
"""What every consumer remembers."""

SHARED_SCOPE_KEYS = {
    "client",
    "extensions",
    "raw_path",
    "server",
    "session",
    "state",
    "url_route",
    "user",
}
"""Keys of a scope that may differ between two connections of one person, or follow from others."""


def rendering_key(consumer: Any) -> Any:
    """For whom `consumer` is: those of one person get one rendering.

    One person is one user, who connected in one way: by the same session, to the same address, with
    the same headers. Whatever else a consumer or its scope knows may be for it alone.
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
    rest = {
        key: value
        for key, value in scope.items()
        if key not in SHARED_SCOPE_KEYS and key != "headers"
    }
    session = getattr(scope.get("session"), "session_key", scope.get("session"))
    try:
        known = (type(user), user.pk, session, tuple(headers), encode(rest))
        hash(known)
    except TypeError:  # something that only this connection knows
        return consumer
    return known
