"""What one client sees of a live list: which rows, and how they are rendered.

The methods run in threads, in a context of their own: the handler that subscribed has ended, and
the consumer may be running another one.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.db.models import Model, QuerySet

from ..engine.connection_identity import stored_user_pk
from ..live.keys import row_key
from ..live.subscriptions import Viewer
from ..partitions import activated
from ..renderers import encode
from ..serializer_fields import keep_fields
from .delivery.rendering import PerUser, rendering_key, without_context
from .rendered_models import rendered_models
from .subscriptions import Subscription

__all__ = ["ListViewer", "Sharing", "Viewers", "render_rows"]

T = TypeVar("T")

Viewers = Callable[[QuerySet[Any, Any]], Iterable[Any]]
"""Returns the key of each of these rows with the key of each user who may see it."""


class Sharing:
    """Whether clients of one list may share renderings, as far as is known."""

    def __init__(self, serializer_class: Any, possible: bool = True) -> None:
        self.serializer_class = serializer_class
        self.possible = possible
        """Becomes `False` once the serializer has read its context."""
        self.models = WeakKeyDictionary[Any, dict[type[Model], set[type[Model]]]]()
        """What serializers of rows of a model read beside the row, once that was found out."""


class ListViewer(Viewer):
    """The base of what one client sees. A subclass knows the class that the client talks to."""

    request: Subscription

    def __init__(
        self,
        request: Subscription,
        arguments: dict[str, Any],
        sharing: Sharing,
        viewers: Viewers | None,
    ) -> None:
        """Make a viewer.

        Args:
            request: The subscription of the client.
            arguments: What the client has sent to choose its rows.
            sharing: What is known of the list, for all of its clients.
            viewers: Finds the users who see rows of the list.
        """
        self.request = request
        self.consumer: Any = request.consumer
        self.arguments = arguments
        self.sharing = sharing
        self.viewers = viewers
        self.forget: Callable[[], Any] = dict
        """Called when the subscription has ended by an error."""

    def in_context(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function` in the language and in the partition of the client."""
        return copy_context().run(self._in_context, function, args)

    def _in_context(self, function: Callable[..., T], args: tuple[Any, ...]) -> T:
        self._activate_locale()
        with activated(self.consumer._connection.partition):
            return function(*args)

    def _activate_locale(self) -> None:
        locale = self.consumer._connection.locale
        if locale is not None:
            locale.activate()

    # Which rows.

    def find_queryset(self) -> QuerySet[Any, Any]:
        return self.in_context(self._find_queryset)

    def _find_queryset(self) -> QuerySet[Any, Any]:
        raise NotImplementedError

    @property
    def viewers_key(self) -> Hashable | None:
        return None if self.viewers is None or self.reader is None else self.sharing

    @property
    def reader(self) -> Any:
        pk = stored_user_pk(self.consumer.scope.get("user"))  # others may have the key of a user
        return None if pk is None else row_key(pk)

    def find_viewers(self, rows: QuerySet[Any, Any]) -> set[tuple[Any, Any]]:
        return self.in_context(self._find_viewers, rows)

    def _find_viewers(self, rows: QuerySet[Any, Any]) -> set[tuple[Any, Any]]:
        return set() if self.viewers is None else {*map(_keys, self.viewers(rows))}

    # How they are rendered.

    @property
    def shared_key(self) -> Hashable | None:
        if not self.sharing.possible:
            return None
        return self.sharing, self.consumer._connection.locale

    @property
    def own_key(self) -> Hashable:
        consumer, request = self.consumer, self.request
        key = rendering_key(consumer)
        if len(request.lookup) < len(self.arguments):
            key = self  # a row, for example, which is not compared
        return type(consumer), self.sharing, key, request.lookup_key, id(request.options)

    def rendered_models(self, model: type[Model]) -> set[type[Model]]:
        serializer_class = self.find_serializer_class()
        if serializer_class is None:
            return set()
        known = self.sharing.models.setdefault(serializer_class, {})
        if model not in known:
            known[model] = rendered_models(serializer_class, model)
        return known[model]

    def find_serializer_class(self) -> Any:
        """Return the serializer class of the rows, or `None` if it is not known."""
        return self.sharing.serializer_class

    def render_shared(self, rows: Sequence[Model]) -> list[bytes | None] | None:
        return copy_context().run(self._render_shared, rows)

    def _render_shared(self, rows: Sequence[Model]) -> list[bytes | None] | None:
        self._activate_locale()
        rendered = without_context(partial(self._render, rows))
        if isinstance(rendered, PerUser):
            self.sharing.possible = False
            return None
        return rendered

    def render_own(self, rows: Sequence[Model]) -> list[bytes | None]:
        return self.in_context(self._render_own, rows)

    def _render_own(self, rows: Sequence[Model]) -> list[bytes | None]:
        return self._render(rows, self.serializer_context())

    def _render(self, rows: Sequence[Model], context: dict[str, Any]) -> list[bytes | None]:
        serializer = keep_fields(self.sharing.serializer_class(context=context))
        return render_rows(rows, map(serializer.to_representation, rows))

    def serializer_context(self) -> dict[str, Any]:
        """Return the context of a serializer that renders rows for this client alone."""
        raise NotImplementedError

    # What is sent.

    async def permit(self) -> bool:
        return True

    async def reject(self, error: Exception) -> None:
        self.request.ended = True
        self.forget()
        await self.send_error(error)

    async def send_error(self, error: Exception) -> None:
        """Send the client an error."""
        raise NotImplementedError


def _keys(pair: Any) -> tuple[Any, Any]:
    """Return a pair that `viewers` has found. An unknown one would hide the row from its user."""
    is_pair = isinstance(pair, tuple | list) and len(pair) == 2
    if not is_pair or any(isinstance(each, Model) for each in pair):
        raise TypeError(
            f"viewers returned {pair!r}: return pairs of keys, of a row and of a user who sees it, "
            'as values_list("note", "user") does.'
        )
    return row_key(pair[0]), row_key(pair[1])


def render_rows(rows: Sequence[Model], rendered: Iterable[Any]) -> list[bytes | None]:
    """Return the JSON of each row, as its serializer has rendered it."""
    return [_body(row, data) for row, data in zip(rows, rendered, strict=True)]


def _body(row: Model, data: Any) -> bytes:
    """Return the JSON of a row. A client knows a row by its `pk`, or else by its `id`."""
    if not isinstance(data, dict):
        name = type(data).__name__
        raise TypeError(
            f"The serializer of a live list has to return a dict for a row, not {name}."
        )
    key = row_key(row.pk)
    if data.get("pk", data.get("id")) != key:
        data = {**data, "pk": key}
    return encode(data)
