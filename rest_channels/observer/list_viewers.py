"""What one client sees of a live list: which rows, and how they are rendered.

The methods run in threads, in a context of their own: the action that subscribed has ended, and the
consumer may be running another one.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from contextvars import copy_context
from typing import Any, TypeVar

import orjson
from django.db.models import Model, QuerySet
from rest_framework import permissions as drf
from rest_framework.exceptions import PermissionDenied

from ..actions.answers import answer_error
from ..actions.authorization import check_action
from ..actions.plan import replaces_any
from ..concurrency.hooks import call_hook
from ..dispatch.view_permissions import forget_permissions
from ..generics import GenericAsyncAPIConsumer, filtered_rows, serializer_for
from ..live.keys import row_key
from ..live.querysets import prepared
from ..live.subscriptions import DIFF
from ..partitions import activated
from ..protocol.dialects import ActionDialect
from ..renderers import Rendered, encode, encode_text
from ..serializer_fields import keep_fields
from .delivery.rendering import DetectingContext, rendering_key
from .rendered_models import rendered_models
from .subscriptions import REJECTIONS, Subscription, sendable

__all__ = ["GenericViewer", "LiveViewer", "QueryViewer", "Sharing"]

T = TypeVar("T")

SERIALIZER_HOOKS = ("get_serializer", "get_serializer_class", "get_serializer_context")

OPERATORS = (drf.AND, drf.OR, drf.NOT)


class Sharing:
    """Whether clients of one class may share renderings, as far as is known."""

    def __init__(self, serializer_class: Any, possible: bool = True) -> None:
        self.serializer_class = serializer_class
        self.possible = possible
        """Becomes `False` once the serializer has read its context."""
        self.models: set[type[Model]] | None = None
        """What the serializer reads beside the row, once that was found out."""


class LiveViewer:
    """What one client sees. `arguments` are those of the action that subscribes."""

    subscribed_with = "subscribe"

    def __init__(
        self, consumer: Any, request_id: Any, arguments: dict[str, Any], sharing: Sharing
    ) -> None:
        action = consumer.action_context
        self.consumer = consumer
        self.arguments = arguments
        self.sharing = sharing
        self.action_name: str | None = action.action
        self.options = action.options
        self.request = Subscription(
            sharing,
            consumer,
            request_id,
            lookup=sendable(arguments),
            answered=action.answered_future(),
            options=action.options,
        )
        kind = type(consumer)
        self.sends_directly = bool(kind._default_replies and not kind.check_deliveries)
        self.forget: Callable[[], Any] = dict
        """Called when the subscription has ended by an error."""

    def in_action(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function` as if the action that subscribed were running."""
        return copy_context().run(self._call, function, args)

    def _call(self, function: Callable[..., T], args: tuple[Any, ...]) -> T:
        consumer = self.consumer
        connection = consumer._connection
        if connection.locale is not None:
            connection.locale.activate()
        forget_permissions(consumer.scope.get("user"))
        begun = consumer._begin_action(self.action_name, "GET", self.arguments, self.options)
        begun.mark_answered()
        with activated(connection.partition):
            return function(*args)

    # The protocol `Viewer`.

    @property
    def viewers_key(self) -> Hashable | None:
        return None

    @property
    def reader(self) -> Any:
        user = self.consumer.scope.get("user")
        return None if getattr(user, "pk", None) is None else row_key(user.pk)

    def find_viewers(self, rows: QuerySet[Any, Any]) -> set[tuple[Any, Any]]:
        raise NotImplementedError

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
        return type(consumer), self.sharing, key, request.lookup_key, id(self.options)

    def find_queryset(self) -> QuerySet[Any, Any]:
        raise NotImplementedError

    def rendered_models(self, model: type[Model]) -> set[type[Model]]:
        if self.sharing.models is None:
            self.sharing.models = rendered_models(self.sharing.serializer_class, model)
        return self.sharing.models

    def render_shared(self, rows: Sequence[Model]) -> list[bytes | None] | None:
        return copy_context().run(self._render_shared, rows)

    def _render_shared(self, rows: Sequence[Model]) -> list[bytes | None] | None:
        locale = self.consumer._connection.locale
        if locale is not None:
            locale.activate()
        context = DetectingContext()
        try:
            serializer = keep_fields(self.sharing.serializer_class(context=context))
            bodies = _bodies(rows, map(serializer.to_representation, rows))
        except Exception:
            if not context.was_read:
                raise
        if context.was_read:
            self.sharing.possible = False
            return None
        return bodies

    def render_own(self, rows: Sequence[Model]) -> list[bytes | None]:
        return self.in_action(self._render_own, rows)

    def _render_own(self, rows: Sequence[Model]) -> list[bytes | None]:
        serializer = self.sharing.serializer_class(context=self.serializer_context())
        serializer = keep_fields(serializer)
        return _bodies(rows, map(serializer.to_representation, rows))

    def frame_start(self, data: Rendered) -> str:
        frame = ActionDialect().build_content(DIFF, data, 200, None, [])
        return encode_text(frame).removesuffix("null}")

    async def send(self, data: Rendered) -> None:
        body, request_id = orjson.loads(data.body), self.request.request_id
        await self.consumer.reply(DIFF, data=body, status=200, request_id=request_id)

    def serializer_context(self) -> dict[str, Any]:
        """Return the context of a serializer that renders rows for this client alone."""
        consumer = self.consumer
        context = {"scope": consumer.scope, "request": consumer.request}
        return context | {"consumer": consumer, "view": consumer}

    async def permit(self) -> bool:
        consumer = self.consumer
        if not consumer.check_deliveries:
            return True
        context = consumer._begin_action(self.action_name, "GET", self.arguments, self.options)
        context.mark_answered()
        try:
            if (check := check_action(consumer, context)) is not None:
                await check
        except REJECTIONS as error:
            await self.reject(error)
            return False
        return True

    async def reject(self, error: Exception) -> None:
        self.request.ended = True
        self.forget()
        await answer_error(self.consumer, error, self.action_name, self.request.request_id)


class GenericViewer(LiveViewer):
    """A client of `subscribe_list`, which sees the rows of its consumer's own queryset."""

    def __init__(self, consumer: Any, request_id: Any, arguments: dict[str, Any]) -> None:
        super().__init__(consumer, request_id, arguments, type(consumer)._list_sharing)
        self._checks_objects = checks_objects(consumer)
        own = {"serializer_class", *SERIALIZER_HOOKS}.isdisjoint(vars(consumer))
        self._shares = own and not self._checks_objects

    @staticmethod
    def sharing_of(consumer_class: Any) -> Sharing:
        """Return whether clients of a class may share renderings, as far as is known."""
        generic: Any = GenericAsyncAPIConsumer
        replaced = not issubclass(consumer_class, generic)
        replaced = replaced or replaces_any(consumer_class, generic, SERIALIZER_HOOKS)
        return Sharing(getattr(consumer_class, "serializer_class", None), not replaced)

    @property
    def shared_key(self) -> Hashable | None:
        return super().shared_key if self._shares else None

    @property
    def viewers_key(self) -> Hashable | None:
        kind: Any = type(self.consumer)
        return kind if kind.viewers is not None and self.reader is not None else None

    def find_viewers(self, rows: QuerySet[Any, Any]) -> set[tuple[Any, Any]]:
        pairs = self.in_action(self.consumer.viewers, rows)
        return {(row_key(key), row_key(reader)) for key, reader in pairs}

    def find_queryset(self) -> QuerySet[Any, Any]:
        return self.in_action(self._find_queryset)

    def _find_queryset(self) -> QuerySet[Any, Any]:
        return prepared(filtered_rows(self.consumer, self.arguments), self.consumer.live_limit)

    def _render_own(self, rows: Sequence[Model]) -> list[bytes | None]:
        serializer = serializer_for(self.consumer, self.arguments, instance=[*rows], many=True)
        found = _bodies(rows, serializer.data)
        if not self._checks_objects:
            return found
        return [body if self._may_see(row) else None for row, body in zip(rows, found, strict=True)]

    def _may_see(self, row: Model) -> bool:
        check: Any = self.consumer.check_object_permissions
        try:
            call_hook(check, self.consumer.request, row, arguments={})
        except PermissionDenied:
            return False
        return True


class QueryViewer(LiveViewer):
    """A client of a `live_query`, which sees the rows that its function returns."""

    def __init__(
        self,
        consumer: Any,
        request_id: Any,
        arguments: dict[str, Any],
        sharing: Sharing,
        function: Any,
    ) -> None:
        super().__init__(consumer, request_id, arguments, sharing)
        self._function = function

    def find_queryset(self) -> QuerySet[Any, Any]:
        return self.in_action(self._find_queryset)

    def _find_queryset(self) -> QuerySet[Any, Any]:
        function = self._function.__get__(self.consumer, type(self.consumer))
        return prepared(call_hook(function, arguments=self.arguments))


def checks_objects(consumer: Any) -> bool:
    """Return whether a permission of `consumer` may refuse single rows."""
    generic: Any = GenericAsyncAPIConsumer
    if replaces_any(consumer, generic, ("check_object_permissions", "get_permissions")):
        return True
    leaves = [*consumer._make_permissions()]
    while leaves:
        leaf = leaves.pop()
        if isinstance(leaf, OPERATORS):
            leaves += vars(leaf).values()
        elif type(leaf).has_object_permission is not drf.BasePermission.has_object_permission:
            return True
    return False


def _bodies(rows: Sequence[Model], rendered: Iterable[Any]) -> list[bytes | None]:
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
