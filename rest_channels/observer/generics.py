"""Subscriptions to one row: `subscribe_instance` and `unsubscribe_instance`.

class Users(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    queryset = User.objects.all()
    serializer_class = UserSerializer
"""

from collections.abc import Iterable
from copy import copy
from functools import partial
from inspect import getattr_static, isclass, isfunction
from itertools import chain
from typing import Any, ClassVar

from django.db import router
from django.db.models import QuerySet
from django.db.models.manager import BaseManager
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import ValidationError

from ..actions.answers import answer_error
from ..actions.plan import replaces_any
from ..concurrency.execution import run, run_and_render
from ..concurrency.hooks import call_hook
from ..decorators import action
from ..generics import GenericAsyncAPIConsumer, filtered_rows, serializer_for
from ..handshake.locale import Locale
from ..mixins import RetrieveModelMixin
from ..partitions import activated
from ..protocol.arguments import accepted_arguments
from ..renderers import Rendered
from .capture.changes import Action
from .delivery.delivery import Delivery
from .delivery.rendering import PER_USER, Bodies, PerUser, render_each
from .model_observer import ModelObserver
from .subscriptions import Subscription, subscriptions

Answer = tuple[Any, int]
"""The data and the status that an action returns."""

__all__ = ["ObserverAPIConsumerMetaclass", "ObserverConsumerMixin"]
__all__ += ["ObserverModelInstanceMixin", "action"]

ObserverAPIConsumerMetaclass = type
"""The metaclass of these classes, by its name in djangochannelsrestframework."""

ROW_HOOKS = (
    "get_queryset",
    "filter_queryset",
    "get_object",
    "get_serializer",
    "get_serializer_class",
    "get_serializer_context",
)
"""A consumer class that overrides none of these shows every client the same row."""

ROW_ATTRIBUTES = {"queryset", "serializer_class", "filter_backends", "lookup_field", *ROW_HOOKS}
"""Attributes that an instance may set to show another row than its class does."""


class InstanceObserver(ModelObserver):
    """The observer of single rows, which are rendered as the consumer's `retrieve` shows them."""

    def default_labels(self, **kwargs: Any) -> Iterable[str]:
        """Return the label of one row, given by `pk` or `instance`."""
        pk = kwargs["pk"] if "pk" in kwargs else kwargs["instance"].pk
        return (f"pk={pk}",)

    def for_class(self, consumer_class: Any, model: Any) -> "InstanceObserver":
        """Return a copy for the rows of `model`, and for one consumer class."""
        own = copy(self)
        own.model_cls = model
        own.many_to_many = consumer_class.observer_many_to_many_relationships
        own.id = ""
        own.__set_name__(consumer_class, "handle_instance_change")
        return own

    def register(self, path: str, name: str) -> None:
        if self.model_cls is not None:
            super().register(path, name)

    @property
    def keeps_instance(self) -> bool:
        """Whether there is a `serializer`; otherwise a deletion sends only the key."""
        return self._serializer is not None

    def sends_directly(self, consumer_class: Any) -> bool:
        return bool(
            consumer_class._notifies_by_default
            and consumer_class._default_replies
            and not consumer_class.check_deliveries
        )

    def shares_body(self, consumer: Any) -> bool:
        """Return whether `consumer` shows its row as its class does."""
        return ROW_ATTRIBUTES.isdisjoint(vars(consumer))

    def render_shared(
        self, consumer_class: Any, delivery: Delivery, locales: Iterable[Locale | None]
    ) -> Bodies | PerUser | None:
        """Render what `retrieve` shows, if all clients see the same. This runs in a thread."""
        if delivery.action == Action.DELETE or not consumer_class._notifies_by_default:
            return dict.fromkeys(locales, Rendered.json({"pk": delivery.row.pk}))
        row = None
        if consumer_class._shows_same_row and not self._renders_per_user:
            row = delivery.row.filter(consumer_class.queryset.all()).first()
        if row is not None:
            bodies = render_each(consumer_class.serializer_class, row, locales)
            self._renders_per_user = isinstance(bodies, PerUser)
            return bodies
        return None if delivery.row.read() is None else PER_USER

    async def render_for(
        self, consumer: Any, delivery: Delivery, request: Subscription
    ) -> Rendered | None:
        """Return what `retrieve` shows this consumer. Raise 404 if it may not see the row."""
        plan = consumer._plans.get("retrieve")
        options = plan and plan.options
        consumer._begin_action("retrieve", "GET", request.lookup, options).mark_answered()
        arguments = {**request.lookup, "action": delivery.action}
        if consumer._retrieves_by_default:
            rendered: Rendered | None = await run(_render_row, consumer, delivery, arguments)
            return rendered
        if (row := await run(delivery.row.read)) is None:
            return None
        arguments["request_id"] = request.request_id
        if (key := consumer.lookup_url_kwarg or consumer.lookup_field) in arguments:
            # The row may have another value now than the one that the client sent.
            value = getattr(row, consumer.lookup_field, arguments[key])
            arguments[key] = value if isinstance(value, int) else str(value)
        accepted = accepted_arguments(consumer.retrieve, 0, arguments)
        return await run_and_render(_answered_data, consumer.retrieve, **accepted)

    async def deliver(
        self, consumer: Any, delivery: Delivery, body: Any, requests: list[Subscription]
    ) -> None:
        """Reply to each request, unless the consumer overrides how it is notified."""
        if consumer._notifies_by_default:
            await self.reply(consumer, delivery, body, requests)
        else:
            details = {"action": delivery.action, "group": delivery.group}
            await self.call_handler(consumer, body, requests, details)


def _render_row(consumer: Any, delivery: Delivery, arguments: dict[str, Any]) -> Rendered | None:
    """Render the row with the consumer's queryset and serializer. This runs in a thread."""
    with activated(delivery.row.partition):
        row = delivery.row.filter(filtered_rows(consumer, arguments)).first()
        if row is None:
            if delivery.row.read_again() is None:
                return None  # the client receives its deletion next
            raise Http404
        return Rendered.json(serializer_for(consumer, arguments, instance=row).data)


def _kept_arguments(consumer: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return those of a client's arguments that reading the row again may need."""
    if consumer._shows_same_row:
        key = consumer.lookup_url_kwarg or consumer.lookup_field
        return {key: arguments[key]} if key in arguments else {}
    return {key: value for key, value in arguments.items() if key != "action"}


async def _handle_instance_change(
    self: Any, message: dict[str, Any], group: str | None = None, action: Any = None, **kwargs: Any
) -> None:
    """Call `handle_observed_action`, which notifies the client."""
    await self.handle_observed_action(action=action, group=group, **message)


class ObserverConsumerMixin:
    """The options of consumers that observe single rows."""

    observer_many_to_many_relationships: ClassVar[bool] = False
    """Whether a changed many-to-many relation is an update of the row."""


class ObserverModelInstanceMixin(ObserverConsumerMixin, RetrieveModelMixin):
    """Add `subscribe_instance`, `unsubscribe_instance` and `retrieve` to a consumer.

    `subscribe_instance` takes the key of a row. From then on the client receives each change with
    the `request_id`: `update` with the data of `retrieve`, `delete` with the `pk`.
    """

    handle_instance_change = InstanceObserver(_handle_instance_change, None)
    _notifies_by_default: ClassVar[bool] = True
    _retrieves_by_default: ClassVar[bool] = True
    _shows_same_row: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        observer = getattr_static(cls, "handle_instance_change")
        if isfunction(observer):
            observer = InstanceObserver(observer, None)
        if not isinstance(observer, InstanceObserver):
            raise TypeError(
                f"{cls.__name__}.handle_instance_change must be a method: it observes the rows of "
                "the consumer's own model. Give an observer of another model another name."
            )
        own: Any = cls
        cls.handle_instance_change = observer.for_class(own, _model_of(own))
        mixin = ObserverModelInstanceMixin
        same = not replaces_any(cls, mixin, ("handle_observed_action",))
        cls._notifies_by_default = same and observer.func is _handle_instance_change
        generic: Any = GenericAsyncAPIConsumer
        if issubclass(cls, generic):
            same = not replaces_any(cls, RetrieveModelMixin, ("retrieve",))
            cls._retrieves_by_default = same and not replaces_any(cls, generic, ("get_object",))
            cls._shows_same_row = (
                cls._retrieves_by_default
                and not replaces_any(cls, generic, ROW_HOOKS)
                and not own.filter_backends
                and isinstance(getattr_static(cls, "queryset"), QuerySet | BaseManager)
                and isclass(getattr_static(cls, "serializer_class"))
            )

    @action()
    async def subscribe_instance(self: Any, request_id: Any = None, **kwargs: Any) -> Answer:
        """Subscribe this request to a row (201)."""
        if request_id is None:
            raise ValidationError({"request_id": [_("This argument is required.")]})
        observer = type(self).handle_instance_change
        if observer.model_cls is None:
            raise TypeError(f"Set {type(self).__name__}.queryset: its model is what is observed.")
        row = await run(call_hook, self.get_object, arguments=kwargs)
        groups = observer.signal_groups(pk=row.pk)
        lookup = _kept_arguments(self, kwargs)
        using = router.db_for_write(type(row), instance=row)
        await observer.subscribe_to(self, groups, request_id, lookup=lookup, using=using)
        return None, status.HTTP_201_CREATED

    @action()
    async def unsubscribe_instance(self: Any, request_id: Any = None, **kwargs: Any) -> Answer:
        """Unsubscribe this request (204); if it has not subscribed, all requests of the row."""
        key = self.lookup_url_kwarg or self.lookup_field
        if request_id is None and key not in kwargs:
            raise ValidationError({key: [_("This argument is required.")]})
        observer = type(self).handle_instance_change
        found = [
            (group, subscription)
            for group in list(self._connection.groups)
            for subscription in subscriptions(observer, self._connection, group)
            if key not in kwargs or str(subscription.lookup.get(key)) == str(kwargs[key])
        ]
        own = [(group, each) for group, each in found if each.is_of(request_id)]
        # Clients that give each frame a new id name the row.
        for group, subscription in own or (found if key in kwargs else ()):
            observer.end_subscriptions(self, group, [subscription])
        return None, status.HTTP_204_NO_CONTENT

    async def handle_observed_action(
        self: Any, action: str, group: str | None = None, **kwargs: Any
    ) -> None:
        """Notify the client of a change.

        Args:
            action: `"update"` or `"delete"`.
            group: The group whose subscriptions are notified; by default all.
            **kwargs: The `pk` of the row.
        """
        observer = type(self).handle_instance_change
        groups = self._connection.groups if group is None else [group]
        found = (subscriptions(observer, self._connection, name) for name in groups)
        for request in dict.fromkeys(chain.from_iterable(found)):
            ids = {"request_id": request.request_id, "action": action}
            try:
                if action == Action.DELETE:
                    await self.reply(data=kwargs, status=status.HTTP_204_NO_CONTENT, **ids)
                    continue
                arguments = {**request.lookup, **kwargs, **ids}
                accepted = accepted_arguments(self.retrieve, 0, arguments)
                send = partial(_reply_with, self, ids)
                if (sent := await run_and_render(send, self.retrieve, **accepted)) is not None:
                    await sent
            except Exception as error:  # noqa: BLE001 - as in djangochannelsrestframework
                await answer_error(self, error, **ids)


def _answered_data(answer: Any) -> Rendered | None:
    return Rendered.json(answer[0]) if isinstance(answer, tuple) else None


def _reply_with(consumer: Any, ids: dict[str, Any], answer: Any) -> Any:
    if isinstance(answer, tuple):
        return consumer.reply(data=answer[0], status=answer[1], **ids)
    return None


def _model_of(consumer_class: Any) -> Any:
    """Return the model of the `queryset` or the `serializer_class` of a consumer class, if any."""
    queryset = getattr(consumer_class, "queryset", None)
    if (model := getattr(queryset, "model", None)) is not None:
        return model
    meta = getattr(getattr(consumer_class, "serializer_class", None), "Meta", None)
    return getattr(meta, "model", None)
