"""The live queries of one hub, by their keys and by the models that they depend on."""

import asyncio
from collections.abc import Hashable, Iterable, Iterator

from ..cluster.layer import BROKER_TIMEOUT
from ..engine.fanout import Member
from ..engine.hub import Hub
from ..partitions import group_name
from .shared_query import SharedQuery
from .writes import LIVE_GROUP

__all__ = ["Queries"]


class Partition:
    """The queries of one partition. While there are any, the hub receives what is written in it."""

    def __init__(self, joined: asyncio.Future[None] | None) -> None:
        self.joined = joined
        """Done when the writes of other processes arrive. `None`: they do."""
        self.by_key: dict[Hashable, SharedQuery] = {}
        self.by_label: dict[str, dict[SharedQuery, None]] = {}


class Queries:
    """The queries of one hub. `member` receives what is written."""

    def __init__(self, hub: Hub, member: Member) -> None:
        self._hub = hub
        self._member = member
        self._partitions: dict[str, Partition] = {}  # by the name of their group

    def add(self, query: SharedQuery) -> SharedQuery:
        """Return the query that is equal to this one. If there is none, add this one."""
        group = group_name(LIVE_GROUP, query.partition)
        partition = self._partitions.get(group)
        if partition is None:
            partition = Partition(self._hub.join(group, self._member))
            self._partitions[group] = partition
        known = partition.by_key.setdefault(query.key, query)
        known.labels |= query.labels  # of another serializer
        for label in known.labels:
            partition.by_label.setdefault(label, {})[known] = None
        return known

    def remove(self, query: SharedQuery) -> None:
        """Remove a query. Without queries of a partition, its writes are no longer received."""
        group = group_name(LIVE_GROUP, query.partition)
        partition = self._partitions.get(group)
        if partition is None or partition.by_key.get(query.key) is not query:
            return
        del partition.by_key[query.key]
        for label in query.labels:
            del partition.by_label[label][query]
            if not partition.by_label[label]:
                del partition.by_label[label]
        if not partition.by_key:
            del self._partitions[group]
            self._hub.leave(group, self._member)

    async def wait_joined(self, query: SharedQuery) -> None:
        """Wait until the writes of other processes arrive, for at most `BROKER_TIMEOUT`."""
        partition = self._partitions.get(group_name(LIVE_GROUP, query.partition))
        if partition is not None and (joined := partition.joined) is not None:
            await asyncio.wait({joined}, timeout=BROKER_TIMEOUT)
            partition.joined = None

    def depending_on(self, group: str, label: str) -> list[SharedQuery]:
        """Return the queries whose rows depend on this model, in the partition of a group."""
        partition = self._partitions.get(group)
        return [] if partition is None else [*partition.by_label.get(label, ())]

    def of_groups(self, groups: Iterable[str]) -> Iterator[SharedQuery]:
        """Yield all queries of these partitions."""
        for group in groups:
            if (partition := self._partitions.get(group)) is not None:
                yield from [*partition.by_key.values()]
