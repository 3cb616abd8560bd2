"""Deliver one change of a group with a history. Each frame says which one it is."""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import orjson

from ...actions.answers import CollectedFrames
from ...engine.connection import Connection
from ...handshake.locale import Locale
from ...protocol.messages import Event, utf8_size
from ...protocol.recovery_frames import skip_frame, with_position
from ...renderers import Rendered
from ..subscriptions import Subscription
from .delivery import Delivery, Subscribers, log_undelivered

__all__ = ["KeptDelivery"]


@dataclass(eq=False, repr=False, kw_only=True)
class KeptDelivery(Delivery):
    """A change on its way to subscriptions that know their position in the group."""

    offset: int
    """Of the change; 0 if the store did not take it."""
    requests: Mapping[Connection, list[Subscription]]
    """The subscriptions of each connection that receive it."""
    is_empty: bool = False
    """Whether it has nothing for any client: its row is gone, or is in another group now."""
    has_sent_position: bool = False
    """Whether a handler was called, and the position was sent after it."""

    def requests_of(self, connection: Connection) -> list[Subscription]:
        return self.requests.get(connection, [])

    async def prepare(self, locales: set[Locale | None]) -> bool:
        if self.action == "delete" and self.published_body is None:  # never what it has become
            self.published_body = Rendered.json({"pk": self.row.pk})
        self.is_empty = not await super().prepare(locales)
        return True

    async def send_while(self, is_current: Callable[[Subscription], bool]) -> None:
        """Render the change, and send it to the requests for which `is_current` then."""
        await self.prepare({connection.locale for connection in self.requests})
        self.requests = {
            connection: current
            for connection, requests in self.requests.items()
            if (current := [request for request in requests if is_current(request)])
        }
        self._send(list(self.requests.items()))

    def _send(self, subscribers: Subscribers) -> None:
        is_direct = self.observer.sends_directly(self.consumer_class)
        frames = self._frames() if is_direct else {}
        for connection, requests in subscribers:
            is_ready = bool(frames) or (is_direct and self.is_empty)
            if not is_ready or self._must_queue(connection, requests):
                self._queue(connection)
                continue
            start = frames[connection.locale][0] if frames else None
            for text in self._texts(start, requests):
                connection.deliver(Event("", None, text, None, utf8_size(text)))

    async def resend(self, request: Subscription, consumer: Any) -> bool:
        """Send the change to one request that has missed it, in its connection's event queue.

        Return whether its position was sent. After an error of a handler it was.
        """
        one = copy(self)
        try:
            await one._deliver([request], consumer)
        except Exception as error:  # noqa: BLE001 - the next changes are sent
            log_undelivered(type(consumer), error)
            return one.has_sent_position
        return True

    def _texts(self, start: str | None, requests: list[Subscription]) -> list[str]:
        """Return the frame of each request. `start` is `None` if the change has nothing for it."""
        texts = []
        for request in requests:
            if start is not None:
                text = start + request.frame_end
                texts.append(with_position(text, request.tag, self.offset) if self.offset else text)
            elif self.offset:
                texts.append(skip_frame(request.tag, self.offset))
        return texts

    async def _body(self, consumer: Any, request: Subscription) -> Rendered | None:
        return None if self.is_empty else await super()._body(consumer, request)

    async def _send_body(
        self, consumer: Any, body: Rendered | None, requests: list[Subscription]
    ) -> None:
        if body is not None and not self.observer.sends_directly(self.consumer_class):
            for request in requests:
                await self._send_own_frames(consumer, body, request)
            return
        start = None if body is None else self.frame_start(body)
        for text in self._texts(start, requests):
            await consumer._connection.send(text=text)

    async def _send_own_frames(self, consumer: Any, body: Rendered, request: Subscription) -> None:
        """Send what a handler or a `reply` sends. The last frame has the position."""
        content = orjson.loads(body.body)
        try:
            with CollectedFrames() as frames:
                await self.observer.deliver(consumer, self, content, [request])
        finally:
            if self.offset and not request.ended:
                text, data = frames.pop() if frames and frames[-1][0] is not None else (None, None)
                position = skip_frame(request.tag, self.offset)
                if text is not None:
                    position = with_position(text, request.tag, self.offset)
                frames.append((position, None))
                self.has_sent_position = True
            for text, data in frames:
                await consumer._connection.send(text=text, data=data)
