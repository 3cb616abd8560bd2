"""Where a hub hears of changed rows, and tells those of its connections that asked.

One thing after another, in the order it was committed. A row is read and rendered once for all
who may see the same; their clients are sent it at once. For who has something of his own, a
permission to be asked, a handler, an overridden `reply`, it goes through his own lane of events.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Any, cast

from django.db.models import Model

from ...concurrency.execution import empty_context, thread_lease
from ...engine.connection import Connection
from ...engine.fanout import Member
from ...engine.hub import Hub
from ...engine.revocation import wait_for_checks
from ...protocol.messages import Event, Gap
from ..naming import find
from ..subscriptions import Subscription, subscriptions
from .delivery import Delivery, Row
from .publish import hub_group

__all__ = ["ChangeDispatcher"]

logger = logging.getLogger("rest_channels")

MOST = 10_000
"""How many changes wait here; who would miss more is told that there is a gap."""


class ChangeDispatcher:
    """A hub's own member of the groups in which hubs hear of models."""

    needs_queue = True

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._asking: dict[str, set[Connection]] = {}
        self._changed: deque[list[Any]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._context = empty_context()

    # Who listens here.

    def serve(self, model: type[Model], connection: Connection) -> None:
        """`connection` has subscribed to changes of `model`."""
        self._context = empty_context()  # whoever saves may be elsewhere; a test's rows are not
        group = hub_group(model)
        asking = self._asking.setdefault(group, set())
        if not asking:
            connection.groups.add_pending(self._hub.join(group, self._member))
        if connection not in asking:
            asking.add(connection)
            connection.on_ended += (lambda: self._forget(group, connection),)

    async def _forget(self, group: str, connection: Connection) -> None:
        asking = self._asking[group]
        asking.discard(connection)
        if not asking:
            del self._asking[group]
            self._hub.leave(group, self._member)
        if not self._asking:
            self._changed.clear()  # who comes later asks for what happens then

    @property
    def _member(self) -> Member:
        return cast(Member, self)  # who hears only data needs no address and no outbox

    # What it hears.

    def deliver(self, event: Event | Gap) -> None:
        """Take what other code, or another process, says was committed."""
        if isinstance(event, Gap):
            self._tell_gap(event.groups)
        elif len(self._changed) >= MOST:
            self._changed.clear()
            logger.error("More than %s changes wait to be told: they are dropped.", MOST)
            self._tell_gap(tuple(self._asking))
        else:
            self._changed.extend(event.data["changed"])
            if self._task is None or self._task.done():
                self._task = self._context.run(self._hub.start_task, self._work())

    def _tell_gap(self, groups: Iterable[str]) -> None:
        """Whoever asked for one of these models may have missed something."""
        for connection in {one for group in groups for one in self._asking.get(group, ())}:
            asked = [
                group
                for group in connection.groups
                if any(
                    isinstance(one, Subscription) for one in connection.groups.subscribers_of(group)
                )
            ]
            connection.deliver(Gap(tuple(asked)))

    async def _work(self) -> None:
        async with thread_lease(urgent=True):
            while self._changed:
                changed = self._changed.popleft()
                try:
                    await wait_for_checks(
                        self._hub
                    )  # who has just been deactivated is told nothing
                    await self._tell(*changed)
                except Exception:
                    logger.exception("A change could not be told.")

    async def _tell(self, pk: Any, using: str, told: list[list[Any]]) -> None:
        rows: dict[type[Model], Row] = {}
        for identity, group, action, body in told:
            observer: Any = find(identity)
            members = self._hub.groups.get(group)
            if observer is None or not members:
                continue
            row = rows.setdefault(observer.model_cls, Row(observer.model_cls, pk, using))
            classes: dict[type, list[tuple[Connection, list[Subscription]]]] = {}
            for member in members:
                connection = cast(Connection, member)
                asked = [
                    one
                    for one in subscriptions(observer, connection, group)
                    if one.using in (None, using)
                ]
                if asked:
                    kind = type(asked[0].consumer)
                    classes.setdefault(kind, []).append((connection, asked))
            for kind, asking in classes.items():
                delivery = Delivery(observer, kind, group, action, row, body)
                try:
                    await delivery.to(asking)
                except Exception:
                    logger.exception("%s cannot be told of a change.", kind.__name__)
