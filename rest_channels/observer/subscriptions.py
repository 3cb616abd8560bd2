"""Subscriptions of a connection's requests to observers."""

import asyncio
from collections.abc import Callable, Generator, Iterable
from typing import Any, Self

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import APIException

from ..api_consumer import AsyncAPIConsumer
from ..engine.connection import Connection
from ..protocol.messages import Event
from ..renderers import encode
from ..settings import api_settings

__all__ = ["REJECTIONS", "JoinedGroups", "Subscription", "subscriptions"]

REJECTIONS = (APIException, Http404, PermissionDenied)
"""Errors that end a subscription when a change is delivered. The client receives them once."""


class Subscription:
    """The subscription of one request to one group of an observer.

    Args:
        observer: The observer.
        consumer: The consumer that subscribed.
        request_id: Any JSON value; `None` for no id.
        lookup: The arguments by which the client named its row.
        using: The database alias of that row; `None` for any.
        ready: Nothing is delivered before this is done, the reply to the subscribing action.
    """

    __slots__ = (
        "_held",
        "_key",
        "_ready",
        "consumer",
        "ended",
        "lookup",
        "observer",
        "request_id",
        "tail",
        "tail_size",
        "using",
    )

    def __init__(
        self,
        observer: object,
        consumer: AsyncAPIConsumer,
        request_id: Any = None,
        lookup: dict[str, Any] | None = None,
        using: str | None = None,
        ready: "asyncio.Future[None] | None" = None,
    ) -> None:
        self.observer = observer
        self.consumer = consumer
        self.request_id = request_id
        self.lookup = lookup or {}
        self.using = using
        self.ended = False
        tail = encode(request_id) + b"}"
        self.tail, self.tail_size = tail.decode(), len(tail)  # the end of each of its frames
        self._key = (id(observer), self.tail)
        self._ready = ready
        self._held: list[Callable[[Any], Any]] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subscription) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def is_of(self, request_id: Any) -> bool:
        """Return whether this request subscribed; `None` matches any request."""
        return request_id is None or self.tail == f"{encode(request_id).decode()}}}"

    @property
    def ready(self) -> bool:
        """Whether changes may be delivered now."""
        return self._held is None and (self._ready is None or self._ready.done())

    def hold(self, deliver: Callable[[Any], Any]) -> None:
        """Keep a delivery, `deliver(consumer)`, until the subscription is ready."""
        if self._held is None and self._ready is not None:
            self._held = []
            self._ready.add_done_callback(self._release)
        if self._held is not None and len(self._held) <= api_settings.INBOX_FRAMES:
            self._held.append(deliver)  # more than that overflows the event queue, which reports it

    def _release(self, _ready: object) -> None:
        held, self._held = self._held or (), None
        for deliver in held:
            self.consumer._connection.deliver(Event("", deliver))


class JoinedGroups(list[str]):
    """Names of groups. `await` them to wait until the messages of other processes arrive."""

    def __init__(self, names: Iterable[str], consumer: AsyncAPIConsumer) -> None:
        super().__init__(names)
        self._consumer = consumer

    def __await__(self) -> Generator[Any, Any, Self]:
        yield from self._consumer._connection.groups.wait_joined().__await__()
        return self


def subscriptions(observer: object, connection: Connection, group: str) -> list[Subscription]:
    """Return the subscriptions of `connection` to `group` of `observer`."""
    return [
        subscriber
        for subscriber in connection.groups.subscribers_view(group)
        if isinstance(subscriber, Subscription) and subscriber.observer is observer
    ]
