"""The base of all observers: an attribute of a consumer class that can be subscribed to."""

from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Any, Self

from ..actions.answers import answer_error
from ..actions.authorization import check_action
from ..api_consumer import AsyncAPIConsumer
from ..concurrency.awaitables import DONE
from ..concurrency.execution import is_async, run
from ..engine.unconnected import is_connected
from ..exceptions import REJECTIONS
from ..protocol.arguments import accepted_arguments, check_request_id
from ..renderers import encode
from .naming import NamedObserver
from .subscriptions import JoinedGroups, Subscription, by_options, subscriptions

__all__ = ["BaseObserver", "BoundObserver"]


class ObservedMessage(dict[str, Any]):
    """A message as handlers receive it.

    In djangochannelsrestframework it is what a `.serializer` returned, maybe a serializer with
    `data`. So handlers may read `message.data` here, too.
    """

    __slots__ = ()

    @property
    def data(self) -> Self:
        """The message itself."""
        return self


class BaseObserver(NamedObserver):
    """An observer. As an attribute of a consumer instance it is a `BoundObserver`.

    Its handler, if any, is called as `func(consumer, message, **kwargs)`, `def` or `async def`.
    """

    def __get__(self, consumer: Any, owner: type) -> Any:
        return self if consumer is None else BoundObserver(self, consumer)

    def consumer_groups(self, consumer: AsyncAPIConsumer, *args: Any, **kwargs: Any) -> list[str]:
        """Return the groups that `subscribe` joins and `unsubscribe` leaves."""
        if self._labels_for_consumer is None:
            return [self.group(label) for label in self.default_labels(**kwargs)]
        bound = BoundObserver(self, consumer)
        function = self._labels_for_consumer
        optional = accepted_arguments(function, 1 + len(args), {"consumer": consumer})
        return self.groups_of_labels(function(bound, *args, **{**kwargs, **optional}))

    def subscribe(
        self, consumer: AsyncAPIConsumer, *args: Any, request_id: Any = None, **kwargs: Any
    ) -> JoinedGroups:
        """Subscribe `consumer`. Its client receives changes after the reply to the running action.

        Args:
            consumer: The consumer.
            *args: Arguments of `groups_for_consumer`, as `**kwargs` are.
            request_id: The id that the frames of this subscription carry.

        Returns:
            The names of the groups; `await` them in `async def`.

        Raises:
            ValidationError: (400) The `request_id` is too long to be kept.
            TooManySubscriptions: (400) The connection has `MAX_SUBSCRIPTIONS` already, or their
                arguments take too much memory.
        """
        groups = self.consumer_groups(consumer, *args, **kwargs)
        return self.subscribe_to(consumer, groups, request_id)

    def unsubscribe(
        self, consumer: AsyncAPIConsumer, *args: Any, request_id: Any = None, **kwargs: Any
    ) -> JoinedGroups:
        """End the subscriptions of one request of `consumer`; without an id, of all requests."""
        groups = self.consumer_groups(consumer, *args, **kwargs)
        consumer._connection.loop_bridge.call(self.unsubscribe_from, consumer, groups, request_id)
        return JoinedGroups(groups, consumer)

    def subscribe_to(
        self,
        consumer: AsyncAPIConsumer,
        groups: Iterable[str],
        request_id: Any = None,
        **options: Any,
    ) -> JoinedGroups:
        """Subscribe to these `groups`, with further `options` of `Subscription`."""
        check_request_id(request_id)
        joined = JoinedGroups(groups, consumer)
        bridge = consumer._connection.loop_bridge
        context = consumer.action_context
        bridge.call(self._subscribe_to, consumer, joined, context, request_id, options)
        if not bridge.on_loop():
            bridge.start_or_wait(consumer._connection.groups.wait_joined())
        return joined

    def _subscribe_to(
        self,
        consumer: AsyncAPIConsumer,
        groups: list[str],
        context: Any,
        request_id: Any,
        options: dict[str, Any],
    ) -> None:
        memberships = consumer._connection.groups
        options |= {"answered": context.answered_future(), "options": context.options}
        new = {
            group: subscription
            for group in groups
            if (subscription := Subscription(self, consumer, request_id, **options))
            not in memberships.subscribers_view(group)
        }
        try:
            for group, subscription in new.items():
                self.set_receiver(subscription, group)
                memberships.join(group, subscription, subscription.receiver)
        except Exception:
            for group, subscription in new.items():
                self.end_subscriptions(consumer, group, [subscription])
            raise
        consumer.groups = {*(consumer.groups or ()), *groups}
        if is_connected(consumer._connection):
            self.on_subscribed(consumer)

    def set_receiver(self, subscription: Subscription, group: str) -> None:
        """Prepare a subscription to a group with a history."""

    def on_subscribed(self, consumer: AsyncAPIConsumer) -> None:
        """Prepare deliveries to `consumer`, which has just subscribed."""

    def unsubscribe_from(
        self, consumer: AsyncAPIConsumer, groups: Iterable[str], request_id: Any
    ) -> None:
        """End a request's subscriptions to `groups`; with `None`, those of all requests."""
        for group in groups:
            found = subscriptions(self, consumer._connection, group)
            matching = [subscription for subscription in found if subscription.is_of(request_id)]
            self.end_subscriptions(consumer, group, matching)

    def end_subscriptions(
        self, consumer: AsyncAPIConsumer, group: str, ended: list[Subscription]
    ) -> None:
        memberships = consumer._connection.groups
        for subscription in ended:
            subscription.ended = True
            if subscription.receiver is not None:
                subscription.receiver.leave()
            memberships.leave(group, subscription)
        if group not in memberships:
            consumer.groups = {*(consumer.groups or ())} - {group}

    # Delivery.

    async def check_permissions(
        self, consumer: Any, action: str, row: Any = None, options: Any = None
    ) -> None:
        """Check the permissions of the consumer, and those for the object if there is a `row`.

        `options` are those of the action that subscribed, which may have permissions of its own.

        Raises `NotAuthenticated` (401) or `PermissionDenied` (403).
        """
        arguments = {} if row is None else {"pk": row.pk}
        context = consumer._begin_action(action, "GET", arguments, options)
        context.mark_answered()
        if (check := check_action(consumer, context)) is not None:
            await check
        check = getattr(consumer, "check_object_permissions", None)
        if check is None or row is None:
            return
        if (instance := await run(row.read)) is not None:
            await run(check, consumer.request, instance)

    async def reject(
        self, consumer: Any, error: Exception, action: str, group: str, ended: list[Subscription]
    ) -> None:
        """End these subscriptions, and send each request the error."""
        self.end_subscriptions(consumer, group, ended)
        for subscription in ended:
            await answer_error(consumer, error, action, subscription.request_id)

    def receive(self, consumer: Any, body: Any, details: dict[str, Any]) -> Awaitable[None]:
        """Return what calls the handler with a message of a group.

        It is awaited in the connection's event queue. `details` are further arguments of the
        handler, e.g. `group`.
        """
        group = details.get("group", "")
        ready = []
        for subscription in subscriptions(self, consumer._connection, group):
            if subscription.ready:
                ready.append(subscription)
            else:
                deliver = partial(self._receive, [subscription], body, details)
                subscription.hold(deliver, len(encode(body)))
        if ready or not group:  # without a group: a call by the project's own code
            return self._receive(ready, body, details, consumer)
        return DONE

    async def _receive(
        self, subscribed: list[Subscription], body: Any, details: dict[str, Any], consumer: Any
    ) -> None:
        if consumer.check_deliveries and not await self._check_each(consumer, subscribed, details):
            return
        subscribed = [subscription for subscription in subscribed if not subscription.ended]
        await self.call_handler(consumer, body, subscribed, details)

    async def _check_each(
        self, consumer: Any, subscribed: list[Subscription], details: dict[str, Any]
    ) -> bool:
        """Check the permissions of each subscription. Return whether any is permitted."""
        permitted = False
        for same in by_options(subscribed) or [[]]:
            try:
                options = same[0].options if same else None
                await self.check_permissions(consumer, self.name, options=options)
                permitted = True
            except REJECTIONS as error:
                await self.reject(consumer, error, self.name, details.get("group", ""), same)
        return permitted

    def call_handler(
        self,
        consumer: AsyncAPIConsumer,
        body: Any,
        subscribed: list[Subscription],
        details: dict[str, Any],
    ) -> Awaitable[None]:
        """Return what calls the handler with the details that it accepts, if there is a handler."""
        if self.func is None:
            return DONE
        request_ids = [each.request_id for each in subscribed if each.request_id is not None]
        offered = {
            **details,
            "observer": self,
            "message_type": self.message_type,
            "subscribing_request_ids": request_ids,
        }
        message = ObservedMessage(body) if type(body) is dict else body
        accepted = accepted_arguments(self.func, 2, offered)
        # `run` would pack all arguments once more.
        call = self.func if is_async(self.func) else partial(run, self.func)
        called: Awaitable[None] = call(consumer, message, **accepted)
        return called


class BoundObserver:
    """An observer, bound to one consumer."""

    def __init__(self, observer: BaseObserver, consumer: AsyncAPIConsumer) -> None:
        self.observer = observer
        self.consumer = consumer

    @property
    def scope(self) -> dict[str, Any]:
        return self.consumer.scope

    @property
    def model_cls(self) -> Any:
        return self.observer.model_cls  # type: ignore[attr-defined]

    @property
    def model_label(self) -> str:
        """The label of the observed model, `app.model`."""
        return str(self.observer.model_label)  # type: ignore[attr-defined]

    def subscribe(self, *args: Any, request_id: Any = None, **kwargs: Any) -> JoinedGroups:
        """Subscribe the consumer: see `BaseObserver.subscribe`."""
        return self.observer.subscribe(self.consumer, *args, request_id=request_id, **kwargs)

    def unsubscribe(self, *args: Any, request_id: Any = None, **kwargs: Any) -> JoinedGroups:
        """Unsubscribe the consumer: see `BaseObserver.unsubscribe`."""
        return self.observer.unsubscribe(self.consumer, *args, request_id=request_id, **kwargs)

    async def __call__(self, message: dict[str, Any], **kwargs: Any) -> None:
        """Call the handler with a message, `{"type", "body", "group"}`.

        Further keys of the message, and `kwargs`, are arguments of the handler.
        """
        details = dict(message)
        details.pop("type", None)
        body = details.pop("body", {})
        details.update(kwargs)
        await self.observer.receive(self.consumer, body, details)
