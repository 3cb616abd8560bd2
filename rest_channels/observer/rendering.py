"""A row as JSON: once for all who may see the same, else once for each person.

What is rendered for all is rendered with nobody in the serializer's context. A serializer that
looks for somebody there gives itself away, and is then asked for each person.
"""

from collections.abc import Iterable
from contextvars import copy_context
from typing import Any, NoReturn

from ..locale import Locale
from ..renderers import Rendered

__all__ = ["PERSONAL", "Personal", "person", "render", "render_each"]


class Personal:
    """There is no body that is the same for all."""


PERSONAL = Personal()


class Nobody(dict[str, Any]):
    """A serializer's context that knows when it is asked for something."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = False

    def _ask(self) -> None:
        self.asked = True

    def __getitem__(self, key: str) -> NoReturn:
        self._ask()
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        self._ask()
        return False

    def __iter__(self) -> Any:
        self._ask()
        return super().__iter__()

    def __len__(self) -> int:
        self._ask()
        return super().__len__()

    def get(self, key: str, default: Any = None) -> Any:
        self._ask()
        return default

    def keys(self) -> Any:
        self._ask()
        return super().keys()

    def items(self) -> Any:
        self._ask()
        return super().items()

    def values(self) -> Any:
        self._ask()
        return super().values()

    def pop(self, key: str, *default: Any) -> Any:
        self._ask()
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self._ask()
        return super().setdefault(key, default)

    def copy(self) -> Any:
        self._ask()
        return super().copy()


def render(serializer_class: Any, row: Any) -> Rendered | Personal:
    """What `serializer_class` makes of `row` for everybody, if that is the same for everybody."""
    context = Nobody()
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


PLAIN = {
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


def person(consumer: Any) -> Any:
    """For whom `consumer` is: those of one person get one rendering.

    A consumer that remembers something of its own may show something of its own.
    """
    if vars(consumer).keys() - PLAIN:
        return consumer
    scope, connection = consumer.scope, consumer._connection
    user = scope.get("user")
    if getattr(user, "pk", None) is None:
        return consumer  # nobody that is known: what one may see can be in a session, or a token
    host = next((value for name, value in scope.get("headers", ()) if name == b"host"), b"")
    path = scope.get("path"), scope.get("query_string")
    return type(user), user.pk, path, host, connection.locale
