"""Observing one row: `subscribe_instance`, `unsubscribe_instance`.

class Users(ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    queryset = User.objects.all()
    serializer_class = UserSerializer
"""

from collections.abc import Iterable
from copy import copy
from functools import partial
from inspect import getattr_static, isclass, isfunction
from typing import Any, ClassVar

from django.db import router
from django.db.models import QuerySet
from django.db.models.manager import BaseManager
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import ValidationError

from ..actions.hooks import acall_hook, call_hook
from ..actions.plan import overrides_none
from ..concurrency.execution import run
from ..decorators import action
from ..generics import GenericAsyncAPIConsumer, filtered_rows, serializer_for
from ..handshake.locale import Locale
from ..mixins import RetrieveModelMixin
from ..renderers import Rendered
from .capture.changes import Action
from .delivery.delivery import Delivery
from .delivery.rendering import PERSONAL, Bodies, Personal, render_each
from .model_observer import ModelObserver
from .subscriptions import Subscription, subscriptions

Answer = tuple[Any, int]

__all__ = ["ObserverConsumerMixin", "ObserverModelInstanceMixin", "action"]

SHOWING = (
    "get_queryset",
    "filter_queryset",
    "get_object",
    "get_serializer",
    "get_serializer_class",
    "get_serializer_context",
)
"""Who overrides none of these shows everybody the same."""

SAYING = {"queryset", "serializer_class", "filter_backends", "lookup_field", *SHOWING}
"""What an instance may say otherwise than its class."""


class InstanceObserver(ModelObserver):
    """The observer of single rows, which the consumer's own `retrieve` shows."""

    def default_labels(self, **kwargs: Any) -> Iterable[str]:
        """One group for each row: in: `pk`, or the `instance`."""
        pk = kwargs["pk"] if "pk" in kwargs else kwargs["instance"].pk
        return (f"pk={pk}",)

    def of(self, consumer_class: Any, model: Any) -> "InstanceObserver":
        """The same, for the rows of `model`, and for one class of consumers."""
        own = copy(self)
        own.model_cls = model
        own.many_to_many = consumer_class.observer_many_to_many_relationships
        own.id = ""
        own.__set_name__(consumer_class, "handle_instance_change")
        return own

    def identify(self, path: str, name: str) -> None:
        if self.model_cls is not None:
            super().identify(path, name)

    @property
    def keeps_rows(self) -> bool:
        """Only for a serializer of one's own: of a row that is deleted only the key is told."""
        return self._serializer is not None

    def replies_at_once(self, kind: Any) -> bool:
        """Whether consumers of class `kind` need not be asked before their clients are told."""
        at_once: bool = kind._tells_as_we_do and kind._default_replies and not kind.check_deliveries
        return at_once

    def shows_the_same(self, consumer: Any) -> bool:
        """Whether the class says all that there is to say about `consumer`."""
        return SAYING.isdisjoint(vars(consumer))

    def shared(
        self, kind: Any, delivery: Delivery, locales: Iterable[Locale | None]
    ) -> Bodies | Personal | None:
        """In a thread: what `retrieve` shows, where it shows everybody the same."""
        if delivery.action == Action.DELETE or not kind._tells_as_we_do:
            return dict.fromkeys(locales, Rendered.json({"pk": delivery.row.pk}))
        row = None
        if kind._shows_all_the_same and not self._personal:
            row = delivery.row.among(kind.queryset.all()).first()
        if row is not None:
            bodies = render_each(kind.serializer_class, row, locales)
            self._personal = isinstance(bodies, Personal)
            return bodies
        return None if delivery.row.read() is None else PERSONAL

    async def personal(
        self, consumer: Any, delivery: Delivery, asked: Subscription
    ) -> Rendered | None:
        """What `retrieve` shows this consumer. Raises 404 where it may not see the row."""
        consumer._begin_action("retrieve", "GET", asked.lookup).mark_answered()
        if consumer._finds_as_we_do:
            about = {**asked.lookup, "action": delivery.action}
            rendered: Rendered | None = await run(_shown, consumer, delivery, about)
            return rendered
        if (row := await run(delivery.row.read)) is None:
            return None
        about = {**asked.lookup, "request_id": asked.request_id, "action": delivery.action}
        if (key := consumer.lookup_url_kwarg or consumer.lookup_field) in about:
            value = getattr(row, consumer.lookup_field, about[key])  # it may have changed
            about[key] = value if isinstance(value, int) else str(value)
        said = await acall_hook(consumer.retrieve, arguments=about)
        return Rendered.json(said[0]) if isinstance(said, tuple) else None

    async def hand_over(
        self, consumer: Any, delivery: Delivery, body: Any, asked: list[Subscription]
    ) -> None:
        """Reply to each request, if the consumer has no other idea of it."""
        if consumer._tells_as_we_do:
            await self.reply(consumer, delivery, body, asked)
        else:
            about = {"action": delivery.action, "group": delivery.group}
            await self.handle(consumer, body, asked, **about)


def _shown(consumer: Any, delivery: Delivery, lookup: dict[str, Any]) -> Rendered | None:
    """In a thread: the row, as the consumer's queryset and its serializer have it."""
    row = delivery.row.among(filtered_rows(consumer, lookup)).first()
    if row is None:
        if delivery.row.read_again() is None:
            return None  # it will be told that it is deleted
        raise Http404
    return Rendered.json(serializer_for(consumer, lookup, instance=row).data)


async def _handle_instance_change(
    self: Any, message: dict[str, Any], group: str | None = None, action: Any = None, **kwargs: Any
) -> None:
    """The row has changed: by default `handle_observed_action` tells the client."""
    await self.handle_observed_action(action=action, group=group, **message)


class ObserverConsumerMixin:
    """What consumers that observe single rows have in common.

    `observer_many_to_many_relationships`: whether it is a change of a row, too, whom it is related
    to.
    """

    observer_many_to_many_relationships: ClassVar[bool] = False


class ObserverModelInstanceMixin(ObserverConsumerMixin, RetrieveModelMixin):
    """`subscribe_instance`, with a `pk` → 201, and from then on the row whenever it changes.

    Each change is sent under the `request_id` of the subscription: `update` with what `retrieve`
    would answer, `delete` with the `pk`. `unsubscribe_instance` → 204. `retrieve` comes with it.
    """

    handle_instance_change = InstanceObserver(_handle_instance_change, None)
    _tells_as_we_do: ClassVar[bool] = True
    _finds_as_we_do: ClassVar[bool] = True
    _shows_all_the_same: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        observer = getattr_static(cls, "handle_instance_change")
        if isfunction(observer):
            observer = InstanceObserver(observer, None)
        if not isinstance(observer, InstanceObserver):
            raise TypeError(
                f"{cls.__name__}.handle_instance_change is a method; it observes the rows of the "
                "consumer's own model."
            )
        own: Any = cls
        cls.handle_instance_change = observer.of(own, _model_of(own))
        mixin = ObserverModelInstanceMixin
        same = overrides_none(cls, mixin, ("handle_observed_action",))
        cls._tells_as_we_do = same and observer.func is _handle_instance_change
        generic: Any = GenericAsyncAPIConsumer
        if issubclass(cls, generic):
            retrieves = overrides_none(cls, RetrieveModelMixin, ("retrieve",))
            cls._finds_as_we_do = retrieves and overrides_none(cls, generic, ("get_object",))
            cls._shows_all_the_same = (
                cls._finds_as_we_do
                and overrides_none(cls, generic, SHOWING)
                and not own.filter_backends
                and isinstance(getattr_static(cls, "queryset"), QuerySet | BaseManager)
                and isclass(getattr_static(cls, "serializer_class"))
            )

    @action()
    async def subscribe_instance(self: Any, request_id: Any = None, **kwargs: Any) -> Answer:
        """From now on tell of this row, under this request's id."""
        if request_id is None:
            raise ValidationError({"request_id": [_("This argument is required.")]})
        observer = type(self).handle_instance_change
        if observer.model_cls is None:
            raise TypeError(f"Set {type(self).__name__}.queryset: its model is what is observed.")
        row = await run(call_hook, self.get_object, arguments=kwargs)
        groups = observer.signal_groups(pk=row.pk)
        lookup = {key: value for key, value in kwargs.items() if key != "action"}
        using = router.db_for_write(type(row), instance=row)
        await observer.join(self, groups, request_id, lookup=lookup, using=using)
        return None, status.HTTP_201_CREATED

    @action()
    async def unsubscribe_instance(self: Any, request_id: Any = None, **kwargs: Any) -> Answer:
        """Stop: this request; or all for this row, where it is none that asked for it."""
        key = self.lookup_url_kwarg or self.lookup_field
        if request_id is None and key not in kwargs:
            raise ValidationError({key: [_("This argument is required.")]})
        observer = type(self).handle_instance_change
        found = [
            (group, one)
            for group in list(self._connection.groups)
            for one in subscriptions(observer, self._connection, group)
            if key not in kwargs or str(one.lookup.get(key)) == str(kwargs[key])
        ]
        theirs = [(group, one) for group, one in found if one.is_of(request_id)]
        # Clients that number all their frames name the row.
        for group, one in theirs or (found if key in kwargs else ()):
            observer.end(self, group, [one])
        return None, status.HTTP_204_NO_CONTENT

    async def handle_observed_action(
        self: Any, action: str, group: str | None = None, **kwargs: Any
    ) -> None:
        """Tell the client. In: `group`, the subscriptions to which; `kwargs`, the row's `pk`."""
        observer = type(self).handle_instance_change
        groups = self._connection.groups if group is None else [group]
        asked = [one for each in groups for one in subscriptions(observer, self._connection, each)]
        for one in dict.fromkeys(asked):
            tell = partial(self.reply, action=action, request_id=one.request_id)
            try:
                if action == Action.DELETE:
                    await tell(data=kwargs, status=status.HTTP_204_NO_CONTENT)
                    continue
                about = {**one.lookup, **kwargs, "request_id": one.request_id, "action": action}
                if isinstance(said := await acall_hook(self.retrieve, arguments=about), tuple):
                    await tell(data=said[0], status=said[1])
            except Exception as error:  # noqa: BLE001 - as in djangochannelsrestframework
                await run(self.handle_exception, error, action=action, request_id=one.request_id)


def _model_of(consumer_class: Any) -> Any:
    """The model whose rows a class of consumers shows, if it says so."""
    queryset = getattr(consumer_class, "queryset", None)
    if (model := getattr(queryset, "model", None)) is not None:
        return model
    meta = getattr(getattr(consumer_class, "serializer_class", None), "Meta", None)
    return getattr(meta, "model", None)
