"""Who asked for an observer: what the ledger of a connection notes."""

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
"""What says that somebody may not be told; it is said once, and ends the subscription."""


class Subscription:
    """A request of a consumer asked for an observer, in one group.

    In: `request_id`, any JSON value, `None` for none; `lookup`, what the client sent to name its
    row; `using`, the database of that row; `ready`, what is to be waited for before anything is
    told: the reply to the action that subscribes.
    """

    __slots__ = (
        "_held",
        "_key",
        "_ready",
        "consumer",
        "left",
        "lookup",
        "observer",
        "request_id",
        "size",
        "tail",
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
        self.left = False
        tail = encode(request_id) + b"}"
        self.tail, self.size = tail.decode(), len(tail)  # how the frames end that it is sent
        self._key = (id(observer), self.tail)
        self._ready = ready
        self._held: list[Callable[[Any], Any]] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subscription) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def is_of(self, request_id: Any) -> bool:
        """Whether that request asked; `None` stands for any."""
        return request_id is None or self.tail == f"{encode(request_id).decode()}}}"

    @property
    def ready(self) -> bool:
        """Whether it may be told now."""
        return self._held is None and (self._ready is None or self._ready.done())

    def hold(self, tell: Callable[[Any], Any]) -> None:
        """Keep what is to be told, `tell(consumer)`, until it may be."""
        if self._held is None and self._ready is not None:
            self._held = []
            self._ready.add_done_callback(self._release)
        if self._held is not None and len(self._held) <= api_settings.INBOX_FRAMES:
            self._held.append(tell)  # if that is too much, the lane will say so

    def _release(self, _ready: object) -> None:
        held, self._held = self._held or (), None
        for tell in held:
            self.consumer._connection.deliver(Event("", tell))


class JoinedGroups(list[str]):
    """Names of groups. Awaiting them waits until other processes reach these groups."""

    def __init__(self, names: Iterable[str], consumer: AsyncAPIConsumer) -> None:
        super().__init__(names)
        self._consumer = consumer

    def __await__(self) -> Generator[Any, Any, Self]:
        yield from self._consumer._connection.groups.wait_joined().__await__()
        return self


def subscriptions(observer: object, connection: Connection, group: str) -> list[Subscription]:
    """Who of `connection` asked `observer` for `group`."""
    return [
        one
        for one in connection.groups.subscribers_view(group)
        if isinstance(one, Subscription) and one.observer is observer
    ]
