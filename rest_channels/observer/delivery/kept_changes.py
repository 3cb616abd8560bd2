"""The changes that an observer with a history keeps, and the subscriptions that receive them.

The change is kept, not the frame. So what a client has missed is read, permitted and rendered anew
when it comes back.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

from asgiref.sync import sync_to_async

from ...concurrency.execution import thread_lease
from ...engine.connection import Connection
from ...engine.fanout import Member
from ...engine.hub import Hub
from ...engine.identity_waits import wait_for_checks
from ...engine.kept_messages import PAGE_BYTES, Members, Numbered, PageReaders
from ...history.records import KeptMessage, Page
from ...protocol.messages import Event, Gap, encoded_size
from ...protocol.recovery_frames import GAP, LATER, MORE, OK, left_frame, resumed_frame
from ...settings import api_settings
from ..subscriptions import Subscription
from .delivery import log_undelivered
from .dispatcher import ChangeDispatcher
from .kept_delivery import KeptDelivery
from .publish import KeptChange
from .rows import Row, read_rows

__all__ = ["ChangeReceiver", "KeptChanges"]

CHANGES_AT_ONCE = 100
"""Changes that are read and rendered at once for clients that come back. They ask for the rest."""


class ChangeReceiver:
    """A subscription as a member of a group with a history."""

    overrides_sending = False

    def __init__(self, subscription: Subscription, messages: "KeptChanges") -> None:
        self.subscription = subscription
        self.messages = messages
        self.connection.on_ended += (self._forget,)

    @property
    def tag(self) -> str:
        """The tag of the group in the frames of this subscription."""
        return self.subscription.tag

    @property
    def connection(self) -> Connection:
        """The connection that has subscribed."""
        return self.subscription.consumer._connection

    def deliver(self, event: Event | Gap) -> None:
        """Send a rendered frame: the position even before the subscription is answered.

        A client that loses the connection after the answer knows then where to go on.
        """
        if isinstance(event, Gap) or event.text is None:
            return
        queue = self.connection.event_queue
        if queue is not None and queue.busy:
            send = partial(_send_text, event.text)
            self.connection.deliver(Event("", send, queued_size=event.size))
        else:
            self.connection.deliver(event)

    def deliver_page(self, work: Callable[[Any], Awaitable[None]]) -> None:
        """Call `work(consumer)` after what waits. Without room, the client asks again later."""
        connection, queue = self.connection, self.connection.event_queue
        size = min(PAGE_BYTES, api_settings.OUTBOX_BYTES // 2)
        if not self.subscription.ready:
            self.subscription.hold(work, size)
        elif queue is None or not queue.busy or queue.has_room(size, connection.outbox.size):
            connection.deliver(Event("", work, queued_size=size))
        else:
            text = resumed_frame({self.tag: LATER})
            connection.deliver(Event("", None, text, None, encoded_size(text)))

    async def _forget(self) -> None:
        self.connection.hub.recovery.leave(self.messages.name, self.connection, self)

    def leave(self) -> None:
        """Leave the group, and tell the client that no change follows."""
        connection = self.connection
        connection.hub.recovery.leave(self.messages.name, connection, self)
        connection.on_ended = tuple(each for each in connection.on_ended if each != self._forget)
        text = left_frame(self.tag)
        self.connection.deliver(Event("", None, text, None, encoded_size(text)))


async def _send_text(text: str, consumer: Any) -> None:
    await consumer._connection.send(text=text)


class Reading(NamedTuple):
    """The changes of a page for the clients of one consumer class."""

    deliveries: list[KeptDelivery | None]
    """`None` for one that cannot be rendered: its clients will have a gap."""
    is_complete: bool
    """Whether no change follows."""
    readers: PageReaders


class KeptChanges:
    """How the kept changes of one group become frames of subscriptions: `KeptMessages`.

    Args:
        observer: The `ModelObserver`.
        group: The group, as the observer names it.
        name: The group, as the layer knows it.
        hub: The hub whose connections have subscribed.
    """

    def __init__(self, observer: Any, group: str, name: str, hub: Hub) -> None:
        self.name = name
        self._observer = observer
        self._group = group
        self._hub = hub

    def tag_for(self, member: Any) -> str:
        return cast(ChangeReceiver, member).tag

    def prepare(self, event: Event, offset: int) -> Event:
        return event

    def deliver(self, message: Numbered, members: Members, joining: Collection[Member]) -> None:
        self._queue(message.offset, message.event, members, dict(members))

    def deliver_unnumbered(self, event: Event, members: Members, late: Collection[Member]) -> None:
        receivers = {each: position for each, position in members.items() if each not in late}
        self._queue(0, event, members, receivers)

    def resend(self, member: Member, messages: Sequence[Numbered]) -> bool:
        return False

    def _queue(self, offset: int, event: Event, members: Members, receivers: Members) -> None:
        if event.text is not None and receivers:
            work = partial(self._deliver, offset, event.text, receivers, members)
            self._hub.get_component(ChangeDispatcher).put(work, len(event.text))

    async def _deliver(self, offset: int, text: str, receivers: Any, members: Members) -> None:
        """Deliver a change to `receivers`, with their positions when it came.

        A receiver may have left meanwhile. Or it was told of another epoch, to which the offset
        does not belong.
        """

        def is_current(request: Subscription) -> bool:
            receiver = request.receiver
            position = members.get(receiver)
            return position is not None and position.epoch == receivers[receiver].epoch

        row = None
        for consumer_class, same in _by_class(receivers).items():
            delivery = self._delivery(consumer_class, KeptMessage(offset, text), same, row)
            row = delivery.row
            try:
                await delivery.send_while(is_current)
            except Exception as error:  # noqa: BLE001 - the others receive it
                log_undelivered(consumer_class, error)

    def _delivery(
        self,
        consumer_class: type,
        message: KeptMessage,
        receivers: Iterable[ChangeReceiver],
        row: Row | None = None,
    ) -> KeptDelivery:
        change = KeptChange.from_text(message.text)
        if row is None:
            row = Row(self._observer.model_cls, change.pk, change.using, change.partition)
        requests: dict[Connection, list[Subscription]] = {}
        for each in receivers:
            requests.setdefault(each.connection, []).append(each.subscription)
        return KeptDelivery(
            self._observer,
            consumer_class,
            self._group,
            change.action,
            row,
            change.body,
            offset=message.offset,
            requests=requests,
        )

    # Clients that were away.

    async def send_page(self, page: Page, readers: PageReaders) -> None:
        """Send each reader what it has missed of `page`. Rows are read once for all of them."""
        present: Any = [member for member in readers.offsets if member in readers.members]
        messages = page.messages[:CHANGES_AT_ONCE]
        is_complete = len(messages) == len(page.messages) and not page.has_more
        async with thread_lease(urgent=True):
            await wait_for_checks(self._hub)  # a user who was deactivated receives nothing
            for consumer_class, receivers in _by_class(present).items():
                deliveries = await self._rendered(consumer_class, messages, receivers)
                reading = Reading(deliveries, is_complete, readers)
                for receiver in receivers:
                    first = readers.offsets[cast(Member, receiver)] + 1
                    skipped = first - messages[0].offset if messages else 0
                    receiver.deliver_page(partial(_resend, receiver, skipped, reading))

    async def _rendered(
        self, consumer_class: Any, messages: Sequence[KeptMessage], receivers: list[ChangeReceiver]
    ) -> list[KeptDelivery | None]:
        deliveries = [self._delivery(consumer_class, each, receivers) for each in messages]
        await sync_to_async(read_rows)(deliveries)
        locales = {receiver.connection.locale for receiver in receivers}
        rendered: list[KeptDelivery | None] = []
        for delivery in deliveries:
            try:
                await delivery.prepare(locales)
                rendered.append(delivery)
            except Exception as error:  # noqa: BLE001 - its receivers are told of a gap
                log_undelivered(consumer_class, error)
                rendered.append(None)
        return rendered


async def _resend(receiver: ChangeReceiver, skipped: int, reading: Reading, consumer: Any) -> None:
    """Send a client the changes of a page from the number `skipped` on, and the result.

    Changes that cannot be rendered are a gap. Those that follow are sent all the same.
    """
    limit, sent = min(PAGE_BYTES, api_settings.OUTBOX_BYTES // 2), 0
    result, is_whole = OK if reading.is_complete else MORE, True
    for delivery in reading.deliveries[skipped:]:
        if receiver.subscription.ended:
            result = GAP
        elif not reading.readers.is_current():
            result = LATER
        elif sent > limit:
            result = MORE
        else:
            request = receiver.subscription
            is_sent = delivery is not None and await delivery.resend(request, consumer)
            is_whole = is_whole and is_sent
            sent += 0 if delivery is None else delivery.size
            continue
        break
    member = cast(Member, receiver)
    if not is_whole and member in reading.readers.members:
        reading.readers.refuse(member, reading.readers.offsets[member])
        return
    await _send_text(resumed_frame({receiver.tag: result}), consumer)


def _by_class(receivers: Iterable[ChangeReceiver]) -> dict[type, list[ChangeReceiver]]:
    found: dict[type, list[ChangeReceiver]] = {}
    for each in receivers:
        found.setdefault(type(each.subscription.consumer), []).append(each)
    return found
