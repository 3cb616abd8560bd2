"""`model_observer`: what happens to the rows of a model, as it was committed."""

from collections.abc import Callable, Iterable
from typing import Any, Self

from django.db.models import Model

from ..api_consumer import AsyncAPIConsumer
from ..concurrency.execution import run
from ..engine.publish import may_have_members
from ..handshake.locale import Locale
from ..renderers import Rendered
from .base_observer import BaseObserver
from .capture import signals
from .capture.changes import Action, Change
from .delivery.delivery import STATUS, Delivery
from .delivery.dispatcher import ChangeDispatcher
from .delivery.publish import hub_group
from .delivery.rendering import PERSONAL, Bodies, Personal, render, render_each
from .subscriptions import Subscription

__all__ = ["Action", "ModelObserver"]

Handler = Callable[..., Any]


class ModelObserver(BaseObserver):
    """An observer of the rows of a model.

    It decorates a handler, `handler(self, message, action=…, subscribing_request_ids=…, …)`; or
    stands by itself, and then answers each subscribing request with the serialized row. In:
    `model_cls`; `serializer_class` (`None`: the message is `{"pk": …}`); `many_to_many`, whether
    whom a row is related to matters.
    """

    looks_at_rows = False

    def __init__(
        self,
        func: Handler | None,
        model_cls: type[Model] | None,
        serializer_class: Any = None,
        many_to_many: bool = False,
    ) -> None:
        super().__init__(func)
        self.model_cls: Any = model_cls
        self.serializer_class = serializer_class
        self.many_to_many = many_to_many
        self._personal = False  # whether its serializer was caught looking at somebody

    def __call__(self, func: Handler) -> Self:
        """Decorate the handler."""
        self.func = func
        return self

    def identify(self, path: str, name: str) -> None:
        """Be known by that name, and by the model's; from now on its rows are watched."""
        super().identify(f"{path}:{self.model_label}", name)
        signals.watch(self)

    @property
    def model_label(self) -> str:
        """`app.model`."""
        label: str = self.model_cls._meta.label_lower
        return label

    def groups_for_signal(self, func: Callable[..., Iterable[str]]) -> Self:
        observer = super().groups_for_signal(func)
        observer.looks_at_rows = True
        return observer

    # For `changes`: a watcher. What is published was looked at when it was saved.

    @property
    def model(self) -> type[Model]:
        """The model."""
        model: type[Model] = self.model_cls
        return model

    @property
    def keeps_rows(self) -> bool:
        """Whether the process that saves renders: a serializer of one's own, or a deletion."""
        return self._serializer is not None or self.serializer_class is not None

    def has_subscribers(self) -> bool:
        """Whether anybody may be told: queries that observing costs are made only then."""
        return may_have_members(hub_group(self.model_cls._meta.concrete_model))

    def groups_of(self, pk: Any, row: Any) -> Iterable[str]:
        """Whom a change of that row is told."""
        return self.signal_groups(instance=row) if self.looks_at_rows else self.signal_groups(pk=pk)

    def published(self, change: Change, action: Action) -> str | None:
        """The body, where the process that saves has to render it."""
        if self._serializer is not None:
            return self._serialized(change.row, action).body.decode()
        if change.exists or self.serializer_class is None:
            return None
        body = render(self.serializer_class, change.row)
        return None if isinstance(body, Personal) else body.body.decode()

    def _is_in(self, row: Any, group: str) -> bool:
        """Whether it is there: it may have left again, or been elsewhere than who saved knew."""
        return not self.looks_at_rows or group in self.groups_of(row.pk, row)

    def _serialized(self, row: Any, action: Action) -> Rendered:
        made = self._serializer(self, row, action) if self._serializer else None
        return Rendered.json(getattr(made, "data", made))  # a serializer is rendered as well

    # For `delivery`: what a client is told.

    def begin(self, consumer: AsyncAPIConsumer) -> None:
        """`consumer` has subscribed: its hub has to hear of the model."""
        connection = consumer._connection
        connection.hub.get_part(ChangeDispatcher).serve(
            self.model_cls._meta.concrete_model, connection
        )

    def replies_at_once(self, kind: Any) -> bool:
        """Whether consumers of class `kind` need not be asked before their clients are told."""
        return self.func is None and kind._default_replies and not kind.check_deliveries

    def shows_the_same(self, consumer: Any) -> bool:
        """Whether what was rendered for all is also for `consumer`."""
        return True

    def says_only_keys(self, action: str) -> bool:
        """Whether of a deleted row, where permissions are asked, only the key may be told."""
        return action == Action.DELETE and self._serializer is None

    def shared(
        self, kind: Any, delivery: Delivery, locales: Iterable[Locale | None]
    ) -> Bodies | Personal | None:
        """In a thread: what is the same for all; `None` where there is nothing to tell."""
        key = Rendered.json({"pk": delivery.row.pk})
        if self._serializer is None and self.serializer_class is None:
            return dict.fromkeys(locales, key)
        if (row := delivery.row.read()) is None:
            return dict.fromkeys(locales, key) if delivery.action == Action.DELETE else None
        if self._serializer is not None:
            return dict.fromkeys(locales, self._serialized(row, Action(delivery.action)))
        if delivery.action != Action.DELETE and not self._is_in(row, delivery.group):
            return None
        if self._personal:
            return PERSONAL
        bodies = render_each(self.serializer_class, row, locales)
        self._personal = isinstance(bodies, Personal)
        return bodies

    async def personal(
        self, consumer: Any, delivery: Delivery, asked: Subscription
    ) -> Rendered | None:
        """What `consumer` may see."""
        return await run(self._for_one, consumer, delivery)  # type: ignore[no-any-return]

    def _for_one(self, consumer: Any, delivery: Delivery) -> Rendered | None:
        row = delivery.row.read()
        if row is None:
            return None
        own = getattr(consumer, "get_serializer_context", None)
        context = own() if own else _context(consumer)
        return Rendered.json(self.serializer_class(row, context=context).data)

    async def hand_over(
        self, consumer: Any, delivery: Delivery, body: Any, asked: list[Subscription]
    ) -> None:
        """Call the handler; without one, reply to each request."""
        if self.func is not None:
            about = {"action": delivery.action, "group": delivery.group}
            await self.handle(consumer, body, asked, **about)
        else:
            await self.reply(consumer, delivery, body, asked)

    async def reply(
        self, consumer: Any, delivery: Delivery, body: Any, asked: list[Subscription]
    ) -> None:
        """Send the body under the id of each request."""
        for one in asked:
            await consumer.reply(
                delivery.action,
                data=body,
                status=STATUS[delivery.action],
                request_id=one.request_id,
            )


def _context(consumer: Any) -> dict[str, Any]:
    """What serializers may look at, where the consumer has no idea of its own."""
    request = consumer.request
    return {"scope": consumer.scope, "consumer": consumer, "request": request, "view": consumer}
