"""Deliver one change to the consumers of one class that subscribed to one group."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from asgiref.sync import sync_to_async

from ...client_logs import log_for_client
from ...concurrency.execution import run
from ...engine.connection import Connection, State
from ...engine.fanout import AddressedFrame, fan_out_each
from ...exceptions import REJECTIONS
from ...handshake.locale import Locale
from ...partitions import activated
from ...protocol.asgi_messages import frame_message
from ...protocol.dialects import ActionDialect
from ...protocol.messages import Event, Gap, utf8_size
from ...renderers import Rendered, encode_text
from ..subscriptions import Subscription, subscriptions
from .rendering import Bodies, PerUser, rendering_key
from .rows import Row

__all__ = ["STATUS_BY_ACTION", "Delivery", "Subscribers", "log_undelivered"]

logger = logging.getLogger("rest_channels")

STATUS_BY_ACTION = {"create": 201, "update": 200, "delete": 204}
"""The `response_status` of the frames that observers send, by action."""

Subscribers = list[tuple[Connection, list[Subscription]]]


@dataclass(eq=False, repr=False)
class Delivery:
    """One change on its way to the consumers of one class that subscribed to one group."""

    observer: Any
    consumer_class: Any
    group: str
    action: str
    row: Row
    body: str | None
    """The JSON text, if the publishing process has rendered it."""
    bodies: Bodies | None = None  # by locale; None if each user has a body of their own

    def __post_init__(self) -> None:
        self.published_body = None if self.body is None else Rendered(self.body.encode())
        self._bodies_by_key: dict[Any, asyncio.Future[Rendered | None]] = {}

    async def prepare(self, locales: set[Locale | None]) -> bool:
        """Render what subscribers share. Return whether there is anything to send."""
        if self.published_body is not None:
            self.bodies = dict.fromkeys(locales, self.published_body)
            return True
        shared = await sync_to_async(self._render_shared)(locales)
        self.bodies = None if shared is None or isinstance(shared, PerUser) else shared
        return shared is not None

    async def send(self, subscribers: Subscribers) -> None:
        """Send frames at once where possible, otherwise through the connections' event queues."""
        if not await self.prepare({connection.locale for connection, _requests in subscribers}):
            return
        frames = self._frames() if self.observer.sends_directly(self.consumer_class) else {}
        queued = [] if frames else [connection for connection, _requests in subscribers]
        if frames:
            addressed = self._addressed_frames(subscribers, frames, queued)
            fan_out_each(Event(""), addressed, asyncio.get_running_loop())
        for connection in queued:
            self._queue(connection)

    def _render_shared(self, locales: set[Locale | None]) -> Bodies | PerUser | None:
        with activated(self.row.partition):
            shared: Bodies | PerUser | None
            shared = self.observer.render_shared(self.consumer_class, self, locales)
            return shared

    def _addressed_frames(
        self,
        subscribers: Subscribers,
        frames: dict[Locale | None, tuple[str, int]],
        queued: list[Connection],
    ) -> Iterator[AddressedFrame]:
        """Yield the frames to send at once. Add all other connections to `queued`."""
        for connection, requests in subscribers:
            if self._must_queue(connection, requests):
                queued.append(connection)
            elif connection.state <= State.OPEN and not connection.outbox.closed:
                frame_start, size = frames[connection.locale]
                for request in requests:
                    if not request.ended:
                        text = frame_start + request.frame_end
                        yield connection, frame_message(text, None), size + request.frame_end_size

    def _must_queue(self, connection: Connection, requests: list[Subscription]) -> bool:
        """Return whether the frames of a connection cannot be sent at once."""
        queue = connection.event_queue
        return (
            connection.needs_queue
            or (queue is not None and queue.busy)
            or not all(request.ready for request in requests)
            or not self._shares_body(requests[0].consumer)
        )

    @property
    def size(self) -> int:
        """The bytes that this delivery takes while it waits: those of its body, or of its row."""
        if self.bodies is not None:
            return max(len(body.body) for body in self.bodies.values())
        return self.row.size

    def _shares_body(self, consumer: Any) -> bool:
        """Return whether the shared body is valid for `consumer`."""
        return self.published_body is not None or self.observer.shares_body(consumer)

    def _frames(self) -> dict[Locale | None, tuple[str, int]]:
        """Return for each locale the frame without its request id, and the size in bytes."""
        frames = {}
        for locale, body in (self.bodies or {}).items():
            start = self.frame_start(body)
            frames[locale] = start, utf8_size(start)
        return frames

    def frame_start(self, body: Any) -> str:
        """Return the frame with this body up to the request id."""
        status = STATUS_BY_ACTION[self.action]
        frame = ActionDialect().build_content(self.action, body, status, None, [])
        return encode_text(frame).removesuffix("null}")

    def _queue(self, connection: Connection) -> None:
        """Queue the delivery. If the queue is full, a consumer that handles gaps receives one."""
        queue, size = connection.event_queue, self.size
        full = queue is not None and not queue.has_room(size, connection.outbox.size, spare=1)
        if not full or not connection.handler.handles_gaps:
            connection.deliver(Event(self.group, self.deliver, queued_size=size))
        elif queue is not None and not (queue.items and isinstance(queue.items[-1], Gap)):
            connection.deliver(Gap((self.group,)))

    def requests_of(self, connection: Connection) -> list[Subscription]:
        """Return the subscriptions of `connection` that receive the change."""
        found = subscriptions(self.observer, connection, self.group)
        return [request for request in found if request.using in (None, self.row.using)]

    async def deliver(self, consumer: Any) -> None:
        """Deliver the change to one consumer. This runs in its connection's event queue."""
        same: dict[tuple[bytes, int], list[Subscription]] = {}
        for request in self.requests_of(consumer._connection):
            if request.ready:
                key = request.lookup_key, id(request.options)
                same.setdefault(key, []).append(request)
            else:
                request.hold(partial(self._deliver, [request]), self.size)
        for requests in same.values():
            await self._deliver(requests, consumer)

    async def _deliver(self, requests: list[Subscription], consumer: Any) -> None:
        requests = [request for request in requests if not request.ended]
        if requests:
            with activated(self.row.partition):
                await self._deliver_to(requests, consumer)

    async def _deliver_to(self, requests: list[Subscription], consumer: Any) -> None:
        try:
            if self.consumer_class.check_deliveries:
                options = requests[0].options
                await self.observer.check_permissions(consumer, self.action, self.row, options)
            body = await self._body(consumer, requests[0])
        except REJECTIONS as error:
            await self.observer.reject(consumer, error, self.action, self.group, requests)
            return
        requests = [request for request in requests if not request.ended]
        if requests:
            await self._send_body(consumer, body, requests)

    async def _send_body(
        self, consumer: Any, body: Rendered | None, requests: list[Subscription]
    ) -> None:
        """Send the body to these requests of one consumer; `None` is nothing."""
        if body is not None:
            await self.observer.deliver(consumer, self, orjson.loads(body.body), requests)

    async def _body(self, consumer: Any, request: Subscription) -> Rendered | None:
        check = self.consumer_class.check_deliveries
        hides = check and self.observer.hides_deleted_row(self.action)
        if hides and await run(self.row.read) is None:  # object permissions cannot be checked
            return Rendered.json({"pk": self.row.pk})
        if self.bodies is not None and self._shares_body(consumer):
            return self.bodies[consumer._connection.locale]
        key = rendering_key(consumer), request.lookup_key
        return await self._once(key, lambda: self.observer.render_for(consumer, self, request))

    async def _once(self, key: Any, render: Callable[[], Any]) -> Rendered | None:
        """Return `render()`, which is called once for each `key`: other callers wait for it."""
        while (known := self._bodies_by_key.get(key)) is not None:
            await asyncio.wait({known})
            if not known.cancelled():
                return known.result()
        future = self._bodies_by_key[key] = asyncio.get_running_loop().create_future()
        try:
            body: Rendered | None = await render()
        except asyncio.CancelledError:  # this connection has ended: a waiting one renders
            del self._bodies_by_key[key]
            future.cancel()
            raise
        except Exception as error:
            future.set_exception(error)
            future.exception()  # mark it as retrieved: there may be no other caller
            raise
        future.set_result(body)
        return body


def log_undelivered(consumer_class: type, error: Exception) -> None:
    """Log why the clients of a class do not receive a change."""
    text = "A change could not be delivered to %s."
    log_for_client(logger, logging.ERROR, text, consumer_class.__qualname__, error=error)
