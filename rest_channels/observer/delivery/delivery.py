"""One change, for the consumers of one class that asked for it under one group."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Lock
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.db.models import Model

from ...concurrency.execution import run
from ...engine.connection import Connection, State
from ...engine.fanout import AddressedFrame, fan_out_each
from ...handshake.locale import Locale
from ...protocol.dialects import ActionDialect
from ...protocol.messages import Event, Gap, utf8_size
from ...renderers import Rendered, encode
from ...settings import api_settings
from ..subscriptions import REJECTIONS, Subscription, subscriptions
from .rendering import Bodies, Personal, rendering_key

__all__ = ["STATUS", "Delivery", "Row"]

STATUS = {"create": 201, "update": 200, "delete": 204}
"""The `response_status` of what observers send."""

Subscriber = Sequence[tuple[Connection, list[Subscription]]]


class Row:
    """A row that has changed. It is read at most once, from where it was written."""

    def __init__(self, model: type[Model], pk: Any, using: str) -> None:
        self.model = model
        self.pk = pk
        self.using = using
        self._found: list[Any] | None = None
        self._lock = Lock()

    def read(self) -> Any:
        """In a thread: the row, or `None` where it is gone."""
        with self._lock:
            if self._found is None:
                self._found = [self.among(self.model._base_manager.get_queryset()).first()]
            return self._found[0]

    def read_again(self) -> Any:
        """In a thread: the same, as it is now."""
        self._found = None
        return self.read()

    def among(self, rows: Any) -> Any:
        """That row of the queryset `rows`, read where it was written if `rows` do not say where."""
        rows = rows.all() if rows._db else rows.using(self.using)
        return rows.filter(pk=tuple(self.pk) if isinstance(self.pk, list) else self.pk)


class Delivery:
    """In: what is told (`body`: JSON text, if whoever published it has rendered it)."""

    def __init__(
        self,
        observer: Any,
        kind: Any,
        group: str,
        action: str,
        row: Row,
        body: str | None,
    ) -> None:
        self.observer = observer
        self.kind = kind
        self.group = group
        self.action = action
        self.row = row
        self.given = None if body is None else Rendered(body.encode())
        self.bodies: Bodies | None = None  # by locale; None: each person has one of his own
        self._personal: dict[Any, asyncio.Future[Rendered | None]] = {}

    async def to(self, asking: Subscriber) -> None:
        """Tell all of them: at once where that is possible, else each in his lane."""
        locales = {member.locale for member, _asked in asking}
        if self.given is not None:
            self.bodies = dict.fromkeys(locales, self.given)
        else:
            shared = await sync_to_async(self.observer.shared)(self.kind, self, locales)
            if shared is None:
                return
            self.bodies = None if isinstance(shared, Personal) else shared
        frames = self._frames() if self.observer.replies_at_once(self.kind) else {}
        asides: list[Connection] = [] if frames else [member for member, _asked in asking]
        if frames:
            parcels = self._parcels(asking, frames, asides)
            fan_out_each(Event(""), parcels, asyncio.get_running_loop())
        for member in asides:
            self._tell_aside(member)

    def _parcels(
        self,
        asking: Subscriber,
        frames: dict[Locale | None, tuple[str, int]],
        asides: list[Connection],
    ) -> Iterator[AddressedFrame]:
        """What goes out at once, frame by frame. Who has to be told in his lane is put `asides`."""
        for member, asked in asking:
            lane = member.event_queue
            if (
                member.needs_queue
                or (lane is not None and lane.busy)
                or not all(one.ready for one in asked)
                or not self._shows_the_same(asked[0].consumer)
            ):
                asides.append(member)
            elif member.state <= State.OPEN and not member.outbox.closed:
                head, size = frames[member.locale]
                for one in asked:
                    if not one.left:
                        yield member, head + one.tail, size + one.size

    def _shows_the_same(self, consumer: Any) -> bool:
        """Whether what was rendered for all is also for `consumer`."""
        return self.given is not None or self.observer.shows_the_same(consumer)

    def _frames(self) -> dict[Locale | None, tuple[str, int]]:
        """For each locale a frame as far as it is the same for all, and its size."""
        frames = {}
        for locale, body in (self.bodies or {}).items():
            frame = ActionDialect().build_content(self.action, body, STATUS[self.action], None, [])
            head = encode(frame).decode().removesuffix("null}")
            frames[locale] = head, utf8_size(head)
        return frames

    def _tell_aside(self, member: Connection) -> None:
        """Queue it for the lane of events; if that is full, whoever minds learns of a gap."""
        lane = member.event_queue
        full = lane is not None and len(lane.items) >= api_settings.INBOX_FRAMES - 1
        if not full or not member.handler.handles_gaps:
            member.deliver(Event(self.group, self.tell))
        elif lane is not None and not isinstance(lane.items[-1], Gap):
            member.deliver(Gap((self.group,)))

    async def tell(self, consumer: Any) -> None:
        """In the consumer's own lane of events."""
        alike: dict[bytes, list[Subscription]] = {}
        for one in subscriptions(self.observer, consumer._connection, self.group):
            if one.using not in (None, self.row.using):
                continue
            if one.ready:
                alike.setdefault(encode(one.lookup), []).append(one)
            else:
                one.hold(partial(self._tell, [one]))
        for asked in alike.values():
            await self._tell(asked, consumer)

    async def _tell(self, asked: list[Subscription], consumer: Any) -> None:
        asked = [one for one in asked if not one.left]
        if not asked:
            return
        try:
            if self.kind.check_deliveries:
                await self.observer.permit(consumer, self.action, self.row)
            body = await self._body(consumer, asked[0])
        except REJECTIONS as refusal:
            await self.observer.refuse(consumer, refusal, self.action, self.group, asked)
            return
        asked = [one for one in asked if not one.left]
        if body is not None and asked:
            await self.observer.hand_over(consumer, self, orjson.loads(body.body), asked)

    async def _body(self, consumer: Any, asked: Subscription) -> Rendered | None:
        guarded = self.kind.check_deliveries and self.observer.says_only_keys(self.action)
        if guarded and await run(self.row.read) is None:  # nobody can be asked about it any more
            return Rendered.json({"pk": self.row.pk})
        if self.bodies is not None and self._shows_the_same(consumer):
            return self.bodies[consumer._connection.locale]
        whose = rendering_key(consumer), encode(asked.lookup)
        return await self._once(whose, lambda: self.observer.personal(consumer, self, asked))

    async def _once(self, whose: Any, render: Callable[[], Any]) -> Rendered | None:
        """`render()`, but once for each `whose`: others wait for the first."""
        while (known := self._personal.get(whose)) is not None:
            await asyncio.wait({known})
            if not known.cancelled():
                return known.result()
        future = self._personal[whose] = asyncio.get_running_loop().create_future()
        try:
            body: Rendered | None = await render()
        except asyncio.CancelledError:  # this one has left: let another one do it
            del self._personal[whose]
            future.cancel()
            raise
        except Exception as error:
            future.set_exception(error)
            future.exception()  # it may be that nobody else asks
            raise
        future.set_result(body)
        return body
