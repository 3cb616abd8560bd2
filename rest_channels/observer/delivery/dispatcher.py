"""Receive published changes in a hub, and deliver them to the hub's subscribers.

Changes are delivered one after another, in the order they were committed. A row is read and
rendered once for all clients that see the same, and their frames are sent at once. A delivery that
needs the consumer (for a permission check, a handler or an overridden `reply`) goes through the
event queue of its connection.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, cast

from django.db.models import Model

from ...client_logs import errors_logged
from ...concurrency.execution import empty_context, thread_lease
from ...engine.connection import Connection
from ...engine.fanout import Member
from ...engine.hub import Hub
from ...engine.identity_waits import wait_for_checks
from ...partitions import group_name
from ...protocol.messages import Event, Gap
from ..naming import find_observer
from ..subscriptions import Subscription, subscriptions
from .delivery import Delivery, Subscribers, log_undelivered
from .publish import hub_group
from .rows import Row

__all__ = ["ChangeDispatcher"]

logger = logging.getLogger("rest_channels")

MAX_WAITING_CHANGES = 10_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""How many changes, and bytes that saving processes rendered, may wait in a hub. If there are more,
all are dropped: subscribers get a gap."""


class ChangeDispatcher:
    """A hub's own member of the groups in which hubs receive the changes of models."""

    needs_queue = True

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._connections: dict[str, set[Connection]] = {}  # by the group of their model
        self._changes: deque[tuple[int, Callable[[], Awaitable[None]]]] = deque()
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._context = empty_context()

    def add_connection(self, model: type[Model], connection: Connection) -> None:
        """Receive the changes of `model` until `connection` ends."""
        # Deliveries do not run in the subscriber's context, but see a test's open transaction.
        self._context = empty_context()
        group = hub_group(model)
        connections = self._connections.setdefault(group, set())
        if not connections:
            connection.groups.add_pending(self._hub.join(group, self._member))
        if connection not in connections:
            connections.add(connection)
            connection.on_ended += (lambda: self._remove_connection(group, connection),)

    async def _remove_connection(self, group: str, connection: Connection) -> None:
        connections = self._connections[group]
        connections.discard(connection)
        if not connections:
            del self._connections[group]
            self._hub.leave(group, self._member)
        if not self._connections:
            self._clear()  # later subscribers must not receive older changes

    @property
    def _member(self) -> Member:
        return cast(Member, self)  # a member that receives only data needs no address or outbox

    def deliver(self, event: Event | Gap) -> None:
        """Queue changes that this process or another one has published."""
        if isinstance(event, Gap):
            self._deliver_gap(event.groups)
            return
        for change in event.data["changed"]:
            self.put(partial(self._deliver_change, *change), _size_of(change))

    def put(self, deliver: Callable[[], Awaitable[None]], size: int) -> None:
        """Call `deliver()`, which keeps `size` bytes, after the changes that wait."""
        if len(self._changes) >= MAX_WAITING_CHANGES or self._waiting_bytes >= MAX_WAITING_BYTES:
            logger.error("%s changes wait for delivery: dropped.", len(self._changes))
            self._clear()
            self._deliver_gap(tuple(self._connections))
            return
        self._changes.append((size, deliver))
        self._waiting_bytes += size
        if self._task is None or self._task.done():
            self._task = self._context.run(self._hub.start_task, self._deliver_changes())

    def _clear(self) -> None:
        self._changes.clear()
        self._waiting_bytes = 0

    def _deliver_gap(self, groups: Iterable[str]) -> None:
        """Report a gap to all connections that subscribed to one of these models."""
        affected = {each for group in groups for each in self._connections.get(group, ())}
        for connection in affected:
            memberships = connection.groups
            observed = [
                group
                for group in memberships
                if any(isinstance(each, Subscription) for each in memberships.subscribers_of(group))
            ]
            connection.deliver(Gap(tuple(observed)))

    async def _deliver_changes(self) -> None:
        async with thread_lease(urgent=True):
            while self._changes:
                size, deliver = self._changes.popleft()
                self._waiting_bytes -= size
                with errors_logged(logger, "A change could not be delivered."):
                    await wait_for_checks(self._hub)  # a user who was deactivated receives nothing
                    await deliver()

    async def _deliver_change(
        self, pk: Any, using: str, notifications: list[list[Any]], partition: str = ""
    ) -> None:
        rows: dict[type[Model], Row] = {}
        for identity, group, action, body in notifications:
            observer: Any = find_observer(identity)
            members = self._hub.groups.get(group_name(group, partition))
            if observer is None or not members:
                continue
            model = observer.model_cls
            row = rows.setdefault(model, Row(model, pk, using, partition))
            by_class: dict[type, Subscribers] = {}
            for member in members:
                connection = cast(Connection, member)
                found = subscriptions(observer, connection, group)
                requests = [each for each in found if each.using in (None, using)]
                if requests:
                    consumer_class = type(requests[0].consumer)
                    by_class.setdefault(consumer_class, []).append((connection, requests))
            for consumer_class, subscribers in by_class.items():
                delivery = Delivery(observer, consumer_class, group, action, row, body)
                try:
                    await delivery.send(subscribers)
                except Exception as error:  # noqa: BLE001 - the others receive it
                    log_undelivered(consumer_class, error)


def _size_of(change: list[Any]) -> int:
    """Return the length of the texts that the saving process rendered for a change."""
    return sum(len(body) for *_names, body in change[2] if body is not None)
