"""The live queries of one hub, by their keys and by the models that they depend on."""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Iterator

from ..cluster.layer import BROKER_TIMEOUT
from ..engine.fanout import Member
from ..engine.hub import Hub
from ..partitions import group_name
from .diff import Key
from .row_index import RowIndex
from .shared_query import SharedQuery
from .writes import LIVE_GROUP

__all__ = ["Queries"]


class PartitionQueries:
    """The queries of one partition. While there are any, the hub receives what is written in it."""

    def __init__(self, joined: asyncio.Future[None] | None) -> None:
        self.joined = joined
        """Done when the writes of other processes arrive. `None`: they do."""
        self.by_key: dict[Hashable, SharedQuery] = {}
        self.by_label: dict[str, dict[SharedQuery, None]] = {}
        """The queries that any change of a model concerns."""
        self.by_row: dict[str, dict[str, RowIndex]] = {}
        """The queries that changes of certain rows concern, by model and database."""

    def add(self, query: SharedQuery) -> None:
        """Add a query, or its new labels."""
        self._remove_from_rows(query)
        if query.rows_are_independent:
            indexes = self.by_row.setdefault(query.label, {})
            using, partition = query.queryset.db, query.partition
            index = indexes.setdefault(using, RowIndex(query.model, using, partition))
            index.add(query)
            index.note_rows(query, (), query.keys)
        for label in query.whole_labels:
            self.by_label.setdefault(label, {})[query] = None

    def remove(self, query: SharedQuery) -> None:
        """Remove a query."""
        del self.by_key[query.key]
        self._remove_from_rows(query)
        for label in query.whole_labels:
            del self.by_label[label][query]
            if not self.by_label[label]:
                del self.by_label[label]

    def _remove_from_rows(self, query: SharedQuery) -> None:
        indexes = self.by_row.get(query.label, {})
        index = indexes.get(query.queryset.db)
        if index is not None and query in index:
            index.remove(query)
            if not len(index):
                del indexes[query.queryset.db]
            if not indexes:
                del self.by_row[query.label]


class Queries:
    """The queries of one hub. `member` receives what is written."""

    def __init__(self, hub: Hub, member: Member) -> None:
        self._hub = hub
        self._member = member
        self._partitions: dict[str, PartitionQueries] = {}  # by the name of their group

    def add(self, query: SharedQuery) -> SharedQuery:
        """Return the query that is equal to this one. If there is none, add this one."""
        group = group_name(LIVE_GROUP, query.partition)
        partition = self._partitions.get(group)
        if partition is None:
            partition = PartitionQueries(self._hub.join(group, self._member))
            self._partitions[group] = partition
        known = partition.by_key.setdefault(query.key, query)
        if known is query or known.depend_on(query):
            partition.add(known)
        return known

    def remove(self, query: SharedQuery) -> None:
        """Remove a query. Without queries of a partition, its writes are no longer received."""
        group = group_name(LIVE_GROUP, query.partition)
        partition = self._partitions.get(group)
        if partition is None or partition.by_key.get(query.key) is not query:
            return
        partition.remove(query)
        if not partition.by_key:
            del self._partitions[group]
            self._hub.leave(group, self._member)

    async def wait_joined(self, query: SharedQuery) -> None:
        """Wait until the writes of other processes arrive, for at most `BROKER_TIMEOUT`."""
        partition = self._partitions.get(group_name(LIVE_GROUP, query.partition))
        if partition is not None and (joined := partition.joined) is not None:
            await asyncio.wait({joined}, timeout=BROKER_TIMEOUT)
            partition.joined = None

    def call_when_joined(self, query: SharedQuery, callback: Callable[[], None]) -> None:
        """Call `callback` when the writes of other processes arrive, if they do not yet."""
        partition = self._partitions[group_name(LIVE_GROUP, query.partition)]
        if (joined := partition.joined) is not None and not joined.done():
            joined.add_done_callback(lambda _joined: callback())

    def note_rows(self, query: SharedQuery, before: Iterable[Key]) -> None:
        """Note that a query returns other rows than `before`."""
        partition = self._partitions.get(group_name(LIVE_GROUP, query.partition))
        if partition is not None and partition.by_key.get(query.key) is query:
            index = partition.by_row.get(query.label, {}).get(query.queryset.db)
            if index is not None and query in index:
                index.note_rows(query, [*before], query.keys)

    def depending_on(self, group: str, label: str) -> list[SharedQuery]:
        """Return the queries that any change of a model concerns, in the partition of a group."""
        partition = self._partitions.get(group)
        return [] if partition is None else [*partition.by_label.get(label, ())]

    def row_indexes(self, group: str, label: str) -> list[RowIndex]:
        """Return the queries that changes of certain rows of a model concern."""
        partition = self._partitions.get(group)
        return [] if partition is None else [*partition.by_row.get(label, {}).values()]

    def of_groups(self, groups: Iterable[str]) -> Iterator[SharedQuery]:
        """Yield all queries of these partitions."""
        for group in groups:
            if (partition := self._partitions.get(group)) is not None:
                yield from [*partition.by_key.values()]
