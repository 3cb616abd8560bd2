"""`model_observer`: subscriptions of clients to the committed changes of a model's rows."""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, Self

from django.db.models import Model

from ..api_consumer import AsyncAPIConsumer
from ..concurrency.execution import run
from ..engine.publish import may_have_members
from ..engine.unconnected import is_connected
from ..handshake.locale import Locale
from ..history.policy import History, declare_histories
from ..partitions import activated, group_name
from ..protocol.recovery_frames import tag_of
from ..renderers import Rendered
from ..serializer_fields import keep_fields
from .base_observer import BaseObserver
from .capture import signals
from .capture.changes import Action, Change
from .capture.instances import as_instance_of
from .delivery.delivery import STATUS_BY_ACTION, Delivery
from .delivery.dispatcher import ChangeDispatcher
from .delivery.kept_changes import ChangeReceiver, KeptChanges
from .delivery.publish import hub_group
from .delivery.rendering import PER_USER, Bodies, PerUser, render, render_each
from .subscriptions import Subscription

__all__ = ["Action", "ModelObserver", "UnsupportedWarning"]

Handler = Callable[..., Any]


class UnsupportedWarning(Warning):
    """Never issued: savepoints and many-to-many relations are supported.

    It is importable for the warning filters of projects that come from
    djangochannelsrestframework.
    """


class ModelObserver(BaseObserver):
    """An observer of the rows of a model.

    It decorates a handler, `handler(self, message, action=…, subscribing_request_ids=…, …)`.
    Without a handler it sends each subscribing request the serialized row. Its arguments are the
    handler or `None`, and those of `model_observer`.
    """

    groups_need_row = False

    def __init__(
        self,
        func: Handler | None,
        model_cls: type[Model] | None,
        partition: str = "*",
        serializer_class: Any = None,
        many_to_many: bool = False,
        history: History | None = None,
    ) -> None:
        super().__init__(func, partition)
        self.model_cls: Any = model_cls
        self.serializer_class = serializer_class
        self.many_to_many = many_to_many
        self.history = history
        self._renders_per_user = False  # whether its serializer has been seen to read its context

    def __call__(self, func: Handler) -> Self:
        self.func = func
        return self

    def register(self, path: str, name: str) -> None:
        """Set the id, which includes the model, and start to observe the model's rows."""
        super().register(f"{path}:{self.model_label}", name)
        if self.history is not None:
            declare_histories(self, {f"{self.kept_prefix}*": self.history})
        signals.connect_observer(self)

    @property
    def model_label(self) -> str:
        """The label of the model, `app.model`."""
        return str(self.model_cls._meta.label_lower)

    @property
    def kept_prefix(self) -> str:
        """What the names of the groups begin with, if they have a history."""
        return f"observer.{blake2b(self.id.encode(), digest_size=12).hexdigest()}."

    def group(self, label: str) -> str:
        name = super().group(label)
        return name if self.history is None else name.replace("observer.", self.kept_prefix)

    def groups_for_signal(self, func: Callable[..., Iterable[str]]) -> Self:
        observer = super().groups_for_signal(func)
        observer.groups_need_row = True
        return observer

    # The protocol `RowObserver`.

    @property
    def model(self) -> type[Model]:
        return self.model_cls  # type: ignore[no-any-return]

    @property
    def keeps_instance(self) -> bool:
        """Whether the saving process may render: with a `serializer`, and deleted rows."""
        return self._serializer is not None or self.serializer_class is not None

    def has_subscribers(self) -> bool:
        """Return whether any process may have a subscriber; if not, no query is made."""
        # A client that is away is no subscriber, but will ask for what it missed.
        hubs = hub_group(self.model_cls._meta.concrete_model)
        return self.history is not None or may_have_members(hubs)

    def groups_of(self, pk: Any, row: Any) -> Iterable[str]:
        if self.groups_need_row:
            return self.signal_groups(instance=row)
        return self.signal_groups(pk=pk)

    def render_change(self, change: Change, action: Action) -> str | None:
        """Return the JSON text of a change that the saving process must render."""
        row = as_instance_of(self.model_cls, change.row)
        if self._serializer is not None:
            return self._serialize(row, action).body.decode()
        # A row that has left a group is not read anew for those who are away: it may change there.
        leaves = self.history is not None and action is Action.DELETE
        if self.serializer_class is None or (change.exists and not leaves):
            return None
        body = render(self.serializer_class, row)
        return None if isinstance(body, PerUser) else body.body.decode()

    def _serialize(self, row: Any, action: Action) -> Rendered:
        result = self._serializer(self, row, action) if self._serializer else None
        return Rendered.json(getattr(result, "data", result))  # it may return a serializer

    # Delivery.

    def set_receiver(self, subscription: Subscription, group: str) -> None:
        if self.history is None or not is_connected(subscription.consumer._connection):
            return
        connection = subscription.consumer._connection
        name = group_name(group, connection.partition)
        subscription.tag = tag_of(f"{name}|{subscription.frame_end}")
        messages = KeptChanges(self, group, name, connection.hub)
        subscription.receiver = ChangeReceiver(subscription, messages)

    def on_subscribed(self, consumer: AsyncAPIConsumer) -> None:
        """Receive the changes of the model in the consumer's hub."""
        connection = consumer._connection
        dispatcher = connection.hub.get_component(ChangeDispatcher)
        dispatcher.add_connection(self.model_cls._meta.concrete_model, connection)

    def sends_directly(self, consumer_class: Any) -> bool:
        """Return whether frames are sent without calling consumers of this class."""
        return (
            self.func is None
            and consumer_class._default_replies
            and not consumer_class.check_deliveries
        )

    def shares_body(self, consumer: Any) -> bool:
        """Return whether the shared body is valid for `consumer`."""
        return True

    def hides_deleted_row(self, action: str) -> bool:
        """Return whether only the key is sent, because permissions cannot be checked any more."""
        return action == Action.DELETE and self._serializer is None

    def render_shared(
        self, consumer_class: Any, delivery: Delivery, locales: Iterable[Locale | None]
    ) -> Bodies | PerUser | None:
        """Return the bodies that all consumers share, by locale. This runs in a thread.

        Return `PER_USER` if each user has a body of their own, and `None` to send nothing.
        """
        key = Rendered.json({"pk": delivery.row.pk})
        if self._serializer is None and self.serializer_class is None:
            return dict.fromkeys(locales, key)
        if (row := delivery.row.read()) is None:
            return dict.fromkeys(locales, key) if delivery.action == Action.DELETE else None
        if self._serializer is not None:
            return dict.fromkeys(locales, self._serialize(row, Action(delivery.action)))
        may_have_moved = self.groups_need_row and delivery.action != Action.DELETE
        if may_have_moved and delivery.group not in self.groups_of(row.pk, row):
            return None
        if self._renders_per_user:
            return PER_USER
        bodies = render_each(self.serializer_class, row, locales)
        self._renders_per_user = isinstance(bodies, PerUser)
        return bodies

    async def render_for(
        self, consumer: Any, delivery: Delivery, request: Subscription
    ) -> Rendered | None:
        """Return the body for one consumer; `None` if the row is gone."""
        return await run(self._render_for, consumer, delivery)  # type: ignore[no-any-return]

    def _render_for(self, consumer: Any, delivery: Delivery) -> Rendered | None:
        row = delivery.row.read()
        if row is None:
            return None
        with activated(delivery.row.partition):
            return Rendered.json(self._serializer_for(consumer, row).data)

    def _serializer_for(self, consumer: Any, row: Any) -> Any:
        get_context = getattr(consumer, "get_serializer_context", None)
        if get_context:
            context = get_context()
        else:
            request = consumer.request
            context = {"scope": consumer.scope, "request": request}
            context |= {"consumer": consumer, "view": consumer}
        return keep_fields(self.serializer_class(row, context=context))

    async def deliver(
        self, consumer: Any, delivery: Delivery, body: Any, requests: list[Subscription]
    ) -> None:
        """Call the handler; without one, reply to each request."""
        if self.func is not None:
            details = {"action": delivery.action, "group": delivery.group}
            await self.call_handler(consumer, body, requests, details)
        else:
            await self.reply(consumer, delivery, body, requests)

    async def reply(
        self, consumer: Any, delivery: Delivery, body: Any, requests: list[Subscription]
    ) -> None:
        """Send the body to each request, with its id."""
        for request in requests:
            status, request_id = STATUS_BY_ACTION[delivery.action], request.request_id
            await consumer.reply(delivery.action, data=body, status=status, request_id=request_id)
