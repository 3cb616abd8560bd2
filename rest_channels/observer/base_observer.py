"""What all observers are: an attribute of a consumer class that can be subscribed to."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from ..api_consumer import AsyncAPIConsumer
from ..concurrency.execution import run
from ..protocol.arguments import accepted_arguments
from .naming import NamedObserver
from .subscriptions import REJECTIONS, JoinedGroups, Subscription, subscriptions

__all__ = ["BaseObserver", "BoundObserver"]


class BaseObserver(NamedObserver):
    """An observer; on an instance of its consumer class it is a `BoundObserver`.

    In: `func`, the handler, `func(consumer, message, **kwargs)`, `def` or `async def`; `None`
    where there is none.
    """

    def __get__(self, consumer: Any, owner: type) -> Any:
        return self if consumer is None else BoundObserver(self, consumer)

    def consumer_groups(self, consumer: AsyncAPIConsumer, *args: Any, **kwargs: Any) -> list[str]:
        """The groups that `subscribe` joins and `unsubscribe` leaves."""
        if self._labels_for_consumer is None:
            return [self.group(label) for label in self.default_labels(**kwargs)]
        bound = BoundObserver(self, consumer)
        function = self._labels_for_consumer
        given = 1 + len(args)
        own = accepted_arguments(function, given, {"consumer": consumer})
        return self.groups_named(function(bound, *args, **{**kwargs, **own}))

    # Who subscribes.

    def subscribe(
        self,
        consumer: AsyncAPIConsumer,
        *args: Any,
        request_id: Any = None,
        **kwargs: Any,
    ) -> JoinedGroups:
        """Tell `consumer` from now on, after the reply to the action that is running.

        In: what `groups_for_consumer` takes; `request_id`, under which it is told. Out: names of
        groups; in `async def` await them. Raises `TooManySubscriptions` (400).
        """
        groups = self.consumer_groups(consumer, *args, **kwargs)
        return self.join(consumer, groups, request_id)

    def unsubscribe(
        self,
        consumer: AsyncAPIConsumer,
        *args: Any,
        request_id: Any = None,
        **kwargs: Any,
    ) -> JoinedGroups:
        """Stop telling this request of `consumer`; without an id, all requests."""
        groups = self.consumer_groups(consumer, *args, **kwargs)
        consumer._connection.loop_bridge.call(self.leave, consumer, groups, request_id)
        return JoinedGroups(groups, consumer)

    def join(
        self,
        consumer: AsyncAPIConsumer,
        groups: Iterable[str],
        request_id: Any = None,
        **about: Any,
    ) -> JoinedGroups:
        """Subscribe to these `groups`. In: what else a `Subscription` takes."""
        joined = JoinedGroups(groups, consumer)
        home = consumer._connection.loop_bridge
        home.call(self._join, consumer, joined, consumer.action_context, request_id, about)
        if not home.on_loop():
            home.start_or_wait(consumer._connection.groups.wait_joined())
        return joined

    def _join(
        self,
        consumer: AsyncAPIConsumer,
        groups: list[str],
        asked: Any,
        request_id: Any,
        about: dict[str, Any],
    ) -> None:
        ledger = consumer._connection.groups
        ready = asked.answered_future()
        new = {
            group: one
            for group in groups
            if (one := Subscription(self, consumer, request_id, ready=ready, **about))
            not in ledger.subscribers_view(group)
        }
        try:
            for group, subscription in new.items():
                ledger.join(group, subscription)
        except Exception:
            for group, subscription in new.items():
                ledger.leave(group, subscription)
            raise
        consumer.groups = {*(consumer.groups or ()), *groups}
        self.begin(consumer)

    def begin(self, consumer: AsyncAPIConsumer) -> None:
        """`consumer` has subscribed."""

    def leave(self, consumer: AsyncAPIConsumer, groups: Iterable[str], request_id: Any) -> None:
        """End subscriptions to `groups`: the request's, or all where it is `None`."""
        for group in groups:
            asked = subscriptions(self, consumer._connection, group)
            self.end(consumer, group, [one for one in asked if one.is_of(request_id)])

    def end(self, consumer: AsyncAPIConsumer, group: str, asked: list[Subscription]) -> None:
        """End these subscriptions to `group`."""
        ledger = consumer._connection.groups
        for one in asked:
            one.left = True
            ledger.leave(group, one)
        if group not in ledger:
            consumer.groups = {*(consumer.groups or ())} - {group}

    # What it says.

    async def permit(self, consumer: Any, action: str, row: Any = None) -> None:
        """Ask the consumer's permissions, of the `row` as well, if there is one.

        Raises 401, 403.
        """
        about = {} if row is None else {"pk": row.pk}
        consumer._begin_action(action, "GET", about).mark_answered()
        await run(consumer.check_permissions, action, **about)
        check = getattr(consumer, "check_object_permissions", None)
        if check is None or row is None:
            return
        if (found := await run(row.read)) is not None:
            await run(check, consumer.request, found)

    async def refuse(
        self,
        consumer: Any,
        refusal: Exception,
        action: str,
        group: str,
        asked: list[Subscription],
    ) -> None:
        """Tell these requests, once, that they are told nothing more."""
        self.end(consumer, group, asked)
        for one in asked:
            tell = partial(consumer.handle_exception, refusal, action=action)
            await run(tell, request_id=one.request_id)

    async def hear(self, consumer: Any, body: Any, about: dict[str, Any]) -> None:
        """In the consumer's lane of events: call the handler for those who may be told."""
        group = about.get("group", "")
        asked = subscriptions(self, consumer._connection, group)
        for one in asked:
            if not one.ready:
                one.hold(partial(self._hand_over, [one], body, about))
        now = [one for one in asked if one.ready]
        if now or not group:  # by its name, or by a call of a project's own
            await self._hand_over(now, body, about, consumer)

    async def _hand_over(
        self, asked: list[Subscription], body: Any, about: dict[str, Any], consumer: Any
    ) -> None:
        if consumer.check_deliveries:
            try:
                await self.permit(consumer, self.name)
            except REJECTIONS as refusal:
                await self.refuse(consumer, refusal, self.name, about.get("group", ""), asked)
                return
        await self.handle(consumer, body, [one for one in asked if not one.left], **about)

    async def handle(
        self, consumer: AsyncAPIConsumer, body: Any, subscribed: list[Subscription], **about: Any
    ) -> None:
        """Call the handler."""
        about |= {
            "observer": self,
            "message_type": self.name.replace("_", "."),
            "subscribing_request_ids": [
                one.request_id for one in subscribed if one.request_id is not None
            ],
        }
        if self.func is not None:
            await run(self.func, consumer, body, **accepted_arguments(self.func, 2, about))


class BoundObserver:
    """An observer, for one consumer."""

    def __init__(self, observer: Any, consumer: AsyncAPIConsumer) -> None:
        self.observer = observer
        self.consumer = consumer

    @property
    def scope(self) -> dict[str, Any]:
        """The consumer's."""
        return self.consumer.scope

    @property
    def model_cls(self) -> Any:
        """The model that is observed."""
        return self.observer.model_cls

    @property
    def model_label(self) -> str:
        """Its name, `app.model`."""
        label: str = self.observer.model_label
        return label

    def subscribe(self, *args: Any, request_id: Any = None, **kwargs: Any) -> JoinedGroups:
        """See `BaseObserver.subscribe`."""
        joined: JoinedGroups = self.observer.subscribe(
            self.consumer, *args, request_id=request_id, **kwargs
        )
        return joined

    def unsubscribe(self, *args: Any, request_id: Any = None, **kwargs: Any) -> JoinedGroups:
        """See `BaseObserver.unsubscribe`."""
        left: JoinedGroups = self.observer.unsubscribe(
            self.consumer, *args, request_id=request_id, **kwargs
        )
        return left

    async def __call__(self, message: dict[str, Any], **kwargs: Any) -> None:
        """What a group was told by way of its name, `{"type", "body", "group"}`: handle it."""
        about = {key: value for key, value in message.items() if key not in ("type", "body")}
        await self.observer.hear(self.consumer, message.get("body", {}), about | kwargs)
