"""The one task of a hub that reads its live queries again after each commit.

A message that arrives says which rows of which tables a commit has written. Each query of these
tables is read again, and its clients are told what differs. What arrives while a query is read
belongs to its next reading. So nothing depends on the order of messages.
"""

import asyncio
import logging
from functools import partial
from typing import cast

from asgiref.sync import sync_to_async
from django.db import Error as DatabaseError
from rest_framework.exceptions import APIException, NotFound

from ..cluster.counts import counts
from ..concurrency.execution import empty_context, thread_lease
from ..concurrency.timers import call_later
from ..engine.fanout import Member
from ..engine.hub import Hub
from ..engine.identity_waits import wait_for_checks
from ..protocol.messages import Event, Gap
from ..renderers import Rendered
from .audiences import Rendering, Tags, Waiting, answer_to, difference
from .changed_rows import ChangedRows
from .queries import Queries
from .rights import RETRY_TIME, RIGHTS, Rights, keeps_place
from .shared_query import Reading, SharedQuery, read_all
from .subscriptions import LiveSubscription, send_diff

__all__ = ["LiveLane"]

logger = logging.getLogger("rest_channels")

GATHER_TIME = 0.002
"""Seconds in which what belongs together may arrive before it is read."""

PAUSE = 0.01
"""Seconds from the end of one reading to the next one in a burst of commits."""

QUERIES_PER_CALL = 50
"""How many queries one call in a thread reads."""


class LiveLane:
    """Reads the live queries of one hub again, and tells their clients what differs."""

    needs_queue = True

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._queries = Queries(hub, cast(Member, self))  # a member that receives only data
        self._due: dict[SharedQuery, None] = {}
        self._changed = ChangedRows()
        self._suspended: dict[LiveSubscription, Tags] = {}
        self.rights = Rights(hub, self._start)
        self._task: asyncio.Task[None] | None = None
        self._ended_at = 0.0
        self._context = empty_context()

    async def subscribe(
        self, subscription: LiveSubscription, query: SharedQuery, have: Tags | None = None
    ) -> Rendered:
        """Subscribe to `query`, or to an equal one. Return the `data` of the reply.

        Raises what reading and rendering raise, and `NotFound` if the subscription ends meanwhile.
        """
        self._context = empty_context()  # readings see a test's open transaction
        if subscription.ended or subscription.connection.has_ended:
            raise NotFound
        answer = subscription.answer = self._hub.loop.create_future()
        query = self._add(Waiting(subscription, have, answer), query)
        self.rights.note([subscription] if subscription.outdated else ())
        try:
            await self._queries.wait_joined(query)
            self._wake(query)
            if (data := await answer) is None:
                raise NotFound
            subscription.answer = None  # it keeps the whole list
            return cast(Rendered, data)
        except BaseException:
            self.unsubscribe(subscription)
            raise

    def move(self, subscription: LiveSubscription, query: SharedQuery) -> None:
        """Let a client see the rows of another query from now on: it is told what differs."""
        before = subscription.query
        subscription.outdated = before is None
        if subscription.ended or before is None:
            return
        tags = self._suspended.get(subscription)
        if tags is not None and subscription.connection.missed is not None:
            return  # it is asked again when it has sent another token
        if tags is None:
            if keeps_place(subscription, query):
                if before.written is None:
                    self._wake(before)
                return
            audience = before.audience_of(subscription)
            tags = None if audience is None else audience.told.tags()
        self._suspended.pop(subscription, None)
        waiting = before.remove(subscription)
        self._drop_unused(before)
        for each in waiting or [Waiting(subscription, tags, None)]:
            query = self._add(each, query)
        self._wake(query)

    def unsubscribe(self, subscription: LiveSubscription) -> None:
        """End a subscription."""
        subscription.end()
        self._suspended.pop(subscription, None)
        query, subscription.query = subscription.query, None
        if query is not None:
            query.remove(subscription)
            self._drop_unused(query)

    def _add(self, waiting: Waiting, query: SharedQuery) -> SharedQuery:
        query = self._queries.add(query)
        waiting.subscription.query = query
        query.waiting.append(waiting)
        query.limit_interval(waiting.subscription.reread)
        return query

    def _drop_unused(self, query: SharedQuery) -> None:
        if not query.is_used:
            self._queries.remove(query)
            self._due.pop(query, None)
            query.stop_timer()

    def deliver(self, event: Event | Gap) -> None:
        """Note what a commit has written, or that messages were lost."""
        if isinstance(event, Gap):
            for query in self._queries.of_groups(event.groups):
                query.note_loss()
                self._wake(query)
            return
        for label, keys in event.data["written"]:
            if label in RIGHTS:
                for query in self._queries.of_groups([event.group]):
                    self.rights.note(query.subscriptions)
            for query in self._queries.depending_on(event.group, label):
                query.note(label, keys)
                self._wake(query)
            for index in self._queries.row_indexes(event.group, label):
                self._changed.add(index, keys)
                self._start()

    def _wake(self, query: SharedQuery) -> None:
        """Read a query soon."""
        if query.is_used:
            self._due[query] = None
            self._start()

    def _start(self) -> None:
        if self._task is None:
            self._task = self._context.run(self._hub.start_task, self._run())
            self._task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and self._has_work:  # since the very end
            self._start()

    @property
    def _has_work(self) -> bool:
        return bool(self._due or self._changed or self.rights)

    async def _run(self) -> None:
        async with thread_lease(urgent=True):
            while self._has_work:
                pause = self._ended_at + PAUSE - self._hub.loop.time()
                await asyncio.sleep(max(pause, GATHER_TIME))
                try:
                    await self._read_due()
                except Exception:
                    logger.exception("Live queries cannot be read.")
                self._ended_at = self._hub.loop.time()

    async def _read_due(self) -> None:
        await wait_for_checks(self._hub)  # a user who was deactivated is told nothing
        if self.rights:
            await self._ask_again()
        if self._changed:
            for query, keys in await self._changed.affected():
                query.note(query.label, keys)
                self._wake(query)
        due, self._due = [*self._due], {}
        for start in range(0, len(due), QUERIES_PER_CALL):
            await self._read(due[start : start + QUERIES_PER_CALL])

    async def _ask_again(self) -> None:
        """Ask for the querysets of clients who may see other rows now."""
        for subscription, found in await self.rights.ask():
            if isinstance(found, SharedQuery):
                self.move(subscription, found)
            else:
                self._refuse(subscription, found)

    def _refuse(self, subscription: LiveSubscription, error: Exception) -> None:
        if not subscription.ended:
            self.unsubscribe(subscription)
            subscription.reject(error)

    async def _read(self, queries: list[SharedQuery]) -> None:
        readings = [query.begin() for query in queries if query.is_used]
        try:
            await sync_to_async(read_all)(readings)
        except BaseException:  # the hub stops, or there is no thread
            for reading in readings:
                reading.cancel()
                self._drop_unused(reading.query)
            raise
        for reading in readings:
            reading.query.end()
            try:
                if reading.error is not None:
                    raise reading.error
                self._install(reading)
            except Exception as error:  # noqa: BLE001 - it is the error of one query
                self._fail(reading, error)
            reading.query.start_timer(self._hub.loop, partial(self._audit, reading.query))
            self._drop_unused(reading.query)

    def _install(self, reading: Reading) -> None:
        query, before = reading.query, reading.query.keys
        query.install(reading)
        self._queries.note_rows(query, before)
        for audience, error in reading.failed:
            logger.error("Rows of %s cannot be rendered.", query.label, exc_info=error)
            for waiting in audience.waiting:
                waiting.fail(error)
        for rendering in reading.renderings:
            told = [
                each
                for each in rendering.audience.subscriptions
                if query.has(each) and not self._suspends(each, rendering.before)
            ]
            if told and (data := difference(rendering, rendering.before)) is not None:
                if not reading.noted:
                    counts.add("mended")
                send_diff(told, data)
            for waiting in rendering.audience.waiting:
                if query.has(waiting.subscription):
                    self._answer(waiting, rendering)

    def _suspends(self, subscription: LiveSubscription, have: Tags) -> bool:
        """Note what a client has, if it is told nothing until it has sent another token."""
        if subscription.connection.missed is None:
            return False
        self._suspended.setdefault(subscription, have)
        subscription.query.remove(subscription)
        return True

    def _answer(self, waiting: Waiting, rendering: Rendering) -> None:
        if waiting.answer is None:
            suspends = self._suspends(waiting.subscription, waiting.have or {})
            if not suspends and (data := difference(rendering, waiting.have or {})) is not None:
                send_diff([waiting.subscription], data)
        elif not waiting.answer.done():
            waiting.answer.set_result(answer_to(waiting, rendering))

    def _fail(self, reading: Reading, error: Exception) -> None:
        """Answer clients that wait. The others keep what they have, unless it is their error."""
        for waiting in reading.waiting:
            waiting.fail(error)
        if isinstance(error, APIException):
            for subscription in reading.subscriptions:
                self._refuse(subscription, error)
            return
        logger.error("A live query of %s failed.", reading.query.label, exc_info=error)
        reading.query.note_loss()
        if isinstance(error, DatabaseError):
            call_later(self._hub.loop, RETRY_TIME, partial(self._wake, reading.query))

    def _audit(self, query: SharedQuery) -> None:
        """Read a query although nothing it depends on was written, as far as is known."""
        query.written = None
        self.rights.note(query.subscriptions)
        self._wake(query)
