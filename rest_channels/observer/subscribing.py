"""Who asked for an observer: what the ledger of a connection notes."""

import asyncio
from collections.abc import Generator, Hashable, Iterable
from typing import Any, Self

from ..actions import AsyncAPIConsumer
from ..connection import Connection
from ..renderers import encode

__all__ = ["Joined", "Subscription", "ready", "subscriptions"]


class Subscription:
    """A request of a consumer asked for an observer.

    In: `request_id`, any JSON value, `None` for none; `lookup`, what the client named its row by;
    `ready`, to be awaited before anything is told.
    """

    __slots__ = ("_key", "consumer", "lookup", "observer", "ready", "request_id")

    def __init__(
        self,
        observer: object,
        consumer: AsyncAPIConsumer,
        request_id: Any = None,
        lookup: dict[str, Any] | None = None,
        ready: "asyncio.Future[None] | None" = None,
    ) -> None:
        self.observer = observer
        self.consumer = consumer
        self.request_id = request_id
        self.lookup = lookup or {}
        self.ready = ready
        self._key = (id(observer), encode(request_id))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subscription) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


class Joined(list[str]):
    """Names of groups. Awaiting them waits until other processes reach these groups."""

    def __init__(self, names: Iterable[str], consumer: AsyncAPIConsumer) -> None:
        super().__init__(names)
        self._consumer = consumer

    def __await__(self) -> Generator[Any, Any, Self]:
        yield from self._consumer._connection.groups.settle().__await__()
        return self


def subscriptions(observer: object, connection: Connection, group: str) -> list[Subscription]:
    """Who of `connection` asked `observer` for `group`."""
    askers: frozenset[Hashable] = connection.groups.askers(group)
    return [one for one in askers if isinstance(one, Subscription) and one.observer is observer]


async def ready(observer: object, connection: Connection, group: str) -> list[Subscription]:
    """`subscriptions`, as soon as all of them may be told."""
    waiting = {one.ready for one in subscriptions(observer, connection, group) if one.ready}
    if waiting:
        await asyncio.wait(waiting)
    return subscriptions(observer, connection, group)
