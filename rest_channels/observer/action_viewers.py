"""What a client of an action sees of a live list: `subscribe_list`, and those of `live_query`."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any, TypeVar

import orjson
from django.core import exceptions as django
from django.db.models import Model, QuerySet
from django.http import Http404
from rest_framework import permissions as drf
from rest_framework.exceptions import NotAuthenticated, NotFound, PermissionDenied

from ..actions.answers import answer_error
from ..actions.authorization import check_action, permission_instances
from ..actions.plan import replaces_any
from ..concurrency.hooks import call_hook
from ..dispatch.view_permissions import forget_permissions
from ..exceptions import REJECTIONS
from ..generics import GenericAsyncAPIConsumer, filtered_rows, serializer_for
from ..live.querysets import prepared
from ..live.subscriptions import DIFF
from ..protocol.dialects import ActionDialect
from ..renderers import Rendered, encode_text
from .list_viewers import ListViewer, Sharing, Viewers, render_rows
from .subscriptions import Subscription, sendable

__all__ = ["GenericViewer", "QueryViewer"]

T = TypeVar("T")

SERIALIZER_HOOKS = ("get_serializer", "get_serializer_class", "get_serializer_context")

HIDING = (PermissionDenied, NotAuthenticated, NotFound, django.PermissionDenied, Http404)
"""What a check of an object raises if the client may not see it. DRF's classes raise them all."""

OPERATORS = (drf.AND, drf.OR, drf.NOT)


class ActionViewer(ListViewer):
    """A client that an action has subscribed, with the arguments of that action."""

    def __init__(
        self,
        consumer: Any,
        request_id: Any,
        arguments: dict[str, Any],
        sharing: Sharing,
        viewers: Viewers | None,
    ) -> None:
        action = consumer.action_context
        request = Subscription(
            sharing,
            consumer,
            request_id,
            lookup=sendable(arguments),
            answered=action.answered_future(),
            options=action.options,
        )
        super().__init__(request, arguments, sharing, viewers)
        self.action_name: str | None = action.action
        kind = type(consumer)
        self.sends_directly = bool(kind._default_replies and not kind.check_deliveries)

    def in_context(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function` as if the action that subscribed were running."""
        result: T = super().in_context(self._in_action, function, args)
        return result

    def _in_action(self, function: Callable[..., T], args: tuple[Any, ...]) -> T:
        forget_permissions(self.consumer.scope.get("user"))
        self._begin_action()
        return function(*args)

    def _begin_action(self) -> Any:
        options = self.request.options
        begun = self.consumer._begin_action(self.action_name, "GET", self.arguments, options)
        begun.mark_answered()
        return begun

    def serializer_context(self) -> dict[str, Any]:
        consumer = self.consumer
        context = {"scope": consumer.scope, "request": consumer.request}
        return context | {"consumer": consumer, "view": consumer}

    def frame_start(self, data: Rendered) -> str:
        frame = ActionDialect().build_content(DIFF, data, 200, None, [])
        return encode_text(frame).removesuffix("null}")

    async def send(self, data: Rendered) -> None:
        body, request_id = orjson.loads(data.body), self.request.request_id
        await self.consumer.reply(DIFF, data=body, status=200, request_id=request_id)

    async def permit(self) -> bool:
        if not self.consumer.check_deliveries:
            return True
        try:
            if (check := check_action(self.consumer, self._begin_action())) is not None:
                await check
        except REJECTIONS as error:
            await self.reject(error)
            return False
        return True

    async def send_error(self, error: Exception) -> None:
        await answer_error(self.consumer, error, self.action_name, self.request.request_id)


class GenericViewer(ActionViewer):
    """A client of `subscribe_list`, which sees the rows of its consumer's own queryset."""

    def __init__(self, consumer: Any, request_id: Any, arguments: dict[str, Any]) -> None:
        sharing = type(consumer)._list_sharing
        super().__init__(consumer, request_id, arguments, sharing, consumer.viewers)
        self._checks_objects = checks_objects(consumer)
        replaced = vars(consumer).keys() | (self.request.options or {}).keys()
        self._is_usual = replaced.isdisjoint({"serializer_class", *SERIALIZER_HOOKS})
        """Whether the serializer is that of all clients of the class."""

    @staticmethod
    def sharing_of(consumer_class: Any) -> Sharing:
        """Return whether clients of a class may share renderings, as far as is known."""
        generic: Any = GenericAsyncAPIConsumer
        replaced = not issubclass(consumer_class, generic)
        replaced = replaced or replaces_any(consumer_class, generic, SERIALIZER_HOOKS)
        found = None if replaced else consumer_class.serializer_class
        return Sharing(found, not replaced)

    def _find_queryset(self) -> QuerySet[Any, Any]:
        return prepared(filtered_rows(self.consumer, self.arguments), self.consumer.live_limit)

    @property
    def shared_key(self) -> Hashable | None:
        return super().shared_key if self._is_usual and not self._checks_objects else None

    def find_serializer_class(self) -> Any:
        found = super().find_serializer_class()
        if self._is_usual and found is not None:
            return found
        try:
            hook = self.consumer.get_serializer_class
            return self.in_context(partial(call_hook, hook, arguments=self.arguments))
        except Exception:  # noqa: BLE001 - rendering raises it too
            return None

    def _render_own(self, rows: Sequence[Model]) -> list[bytes | None]:
        serializer = serializer_for(self.consumer, self.arguments, instance=[*rows], many=True)
        found = render_rows(rows, serializer.data)
        if not self._checks_objects:
            return found
        return [body if self._may_see(row) else None for row, body in zip(rows, found, strict=True)]

    def _may_see(self, row: Model) -> bool:
        check: Any = self.consumer.check_object_permissions
        try:
            call_hook(check, self.consumer.request, row, arguments={})
        except HIDING:
            return False
        return True


class QueryViewer(ActionViewer):
    """A client of a `live_query`, which sees the rows that its function returns."""

    def __init__(
        self, consumer: Any, request_id: Any, arguments: dict[str, Any], query: Any
    ) -> None:
        super().__init__(consumer, request_id, arguments, query.sharing, query.viewers)
        self._function = query.function

    def _find_queryset(self) -> QuerySet[Any, Any]:
        function = self._function.__get__(self.consumer, type(self.consumer))
        return prepared(call_hook(function, arguments=self.arguments))


def checks_objects(consumer: Any) -> bool:
    """Return whether a permission of `consumer` may refuse single rows."""
    generic: Any = GenericAsyncAPIConsumer
    if replaces_any(consumer, generic, ("check_object_permissions", "get_permissions")):
        return True
    leaves = permission_instances(consumer.permission_classes)
    allowed = drf.BasePermission.has_object_permission
    while leaves:
        leaf = leaves.pop()
        if isinstance(leaf, OPERATORS):
            leaves += vars(leaf).values()
        elif getattr(type(leaf), "has_object_permission", allowed) is not allowed:
            return True
    return False
