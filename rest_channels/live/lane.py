"""The task of a hub that lets its live queries be read again after each commit.

A message that arrives says which rows of which tables a commit has written. Each query of these
tables is read again, and its clients are told what differs. What arrives while a query is read
belongs to its next reading. So nothing depends on the order of messages.
"""

import asyncio
import logging
from functools import partial
from typing import cast

from django.db import Error as DatabaseError
from rest_framework.exceptions import NotFound

from ..client_logs import log_for_client
from ..cluster.counts import counts
from ..concurrency.execution import empty_context
from ..concurrency.timers import call_later
from ..engine.fanout import Member
from ..engine.hub import Hub
from ..engine.identity_waits import wait_for_checks
from ..exceptions import REJECTIONS
from ..protocol.messages import Event, Gap
from ..renderers import Rendered
from .audiences import Audience, Rendering, Tags, Waiting, answer_to, difference
from .calls import Calls, wait_for
from .changed_rows import ChangedRows, Keys
from .queries import Queries
from .reading import Reading
from .rights import RETRY_TIME, RIGHTS, Rights, keeps_place
from .schedule import Schedule
from .shared_query import SharedQuery
from .subscriptions import LiveSubscription, send_diff

__all__ = ["LiveLane"]

_log = partial(log_for_client, logging.getLogger("rest_channels"), logging.ERROR)

PAUSE = 0.01
"""Seconds from the end of one reading to the next one, in a burst of commits. The first is read at
once."""

PATIENCE = 0.05
"""Seconds for which queries wait until it is known what to read, and for whom."""


class LiveLane:
    """Reads the live queries of one hub again, and tells their clients what differs."""

    needs_queue = True

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._queries = Queries(hub, cast(Member, self))  # a member that receives only data
        self._calls = Calls(hub, self._call_ended)
        self._schedule = Schedule(self._calls, self._end)
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
                if before.written is None or before.waiting:
                    self._wake(before)
                return
            audience = before.audience_of(subscription)
            tags = None if audience is None else audience.told.tags()
        self._suspended.pop(subscription, None)
        waiting = before.remove(subscription)
        for each in waiting or [Waiting(subscription, tags, None)]:
            query = self._add(each, query)
        self._drop_unused(before)  # now, so that the hub does not leave its group
        self._wake(query)
        self._queries.call_when_joined(query, partial(self._read_whole, query))

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
            self._schedule.remove(query)
            query.stop_timer()

    def deliver(self, event: Event | Gap) -> None:
        """Note what a commit has written, or that messages were lost."""
        if isinstance(event, Gap):
            for query in self._queries.of_groups(event.groups):
                self._read_whole(query)
            return
        for label, keys in event.data["written"]:
            if label in RIGHTS:
                for query in self._queries.of_groups([event.group]):
                    self.rights.note(query.subscriptions)
            for query in self._queries.depending_on(event.group, label):
                query.note(label, keys)
                self._wake(query)
            for index in self._queries.row_indexes(event.group, label):
                self._changed.add(label, index, keys)
                self._start()

    def _read_whole(self, query: SharedQuery) -> None:
        query.note_loss()
        self._wake(query)

    def _wake(self, query: SharedQuery) -> None:
        """Read a query soon."""
        if query.is_used:
            self._schedule.add(query)
            self._start()

    def _start(self) -> None:
        if self._task is None and self._has_work:
            self._task = self._context.run(self._hub.start_task, self._run())
            self._task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            self._start()  # something may have come since the very end

    def _call_ended(self) -> None:
        self._ended_at = self._hub.loop.time()
        self._schedule.start()
        self._start()

    @property
    def _has_work(self) -> bool:
        """Whether there is something to do that need not wait for a call."""
        looks_up = self._changed.may_look_up(self._calls)
        return looks_up or self._schedule.has_due or self.rights.may_ask(self._calls)

    async def _run(self) -> None:
        while self._has_work:
            pause = self._ended_at + PAUSE - self._hub.loop.time()
            await asyncio.sleep(max(pause, 0))
            # A user who was deactivated is told nothing.
            await wait_for_checks(self._hub, PATIENCE)
            await wait_for(self.rights.ask(self._calls, self._answered), PATIENCE)
            found = self._changed.look_up(self._calls, self._schedule, self._note)
            await wait_for(found, PATIENCE)
            self._schedule.gather()
            self._schedule.start()

    def _answered(self, subscription: LiveSubscription, found: SharedQuery | Exception) -> None:
        if isinstance(found, SharedQuery):
            self.move(subscription, found)
        else:
            self._refuse(subscription, found)

    def _note(self, query: SharedQuery, keys: Keys) -> None:
        query.note(query.label, keys)
        self._wake(query)

    def _refuse(self, subscription: LiveSubscription, error: Exception) -> None:
        if not subscription.ended:
            self.unsubscribe(subscription)
            subscription.reject(error)

    def _end(self, reading: Reading, done: bool) -> None:
        query = reading.query
        try:
            if done:
                self._install(reading)
            else:
                self._retry(query)
        except Exception as error:  # noqa: BLE001 - it is the error of one query
            self._fail(reading, error)
        query.start_timer(self._hub.loop, partial(self._audit, query))
        self._drop_unused(query)

    def _install(self, reading: Reading) -> None:
        if reading.error is not None:
            raise reading.error
        query, before = reading.query, reading.query.keys
        query.install(reading)
        self._queries.note_rows(query, before)
        if (outdated := reading.outdated) != set():
            self._note(query, outdated)
        for audience, error in reading.failed:
            if not self._reject(reading, [audience], error):
                _log("Rows of %s cannot be rendered.", query.label, error=error)
        for rendering in reading.renderings:
            told = [
                each
                for each in rendering.audience.subscriptions
                if reading.has(each) and not self._suspends(each, rendering.before)
            ]
            if told and (data := difference(rendering, rendering.before)) is not None:
                if not reading.noted:
                    counts.add("mended")
                send_diff(told, data)
            for waiting in filter(reading.awaits, rendering.audience.waiting):
                self._answer(waiting, rendering)

    def _suspends(self, subscription: LiveSubscription, have: Tags) -> bool:
        """Note what a client has, if it is told nothing until it is known what it may see.

        One whose token has expired has to send another one first.
        """
        if subscription.connection.missed is None and subscription not in self.rights:
            return False
        self._suspended.setdefault(subscription, have)
        subscription.query.remove(subscription)
        return True

    def _answer(self, waiting: Waiting, rendering: Rendering) -> None:
        subscription = waiting.subscription
        if waiting.answer is None:
            suspends = self._suspends(subscription, waiting.have or {})
            if not suspends and (data := difference(rendering, waiting.have or {})) is not None:
                send_diff([subscription], data)
        elif subscription in self.rights:
            subscription.query.remove(subscription)
            subscription.query.waiting.append(waiting)  # until it has been asked about
        elif not waiting.answer.done():
            waiting.answer.set_result(answer_to(waiting, rendering))

    def _fail(self, reading: Reading, error: Exception) -> None:
        """Answer clients that wait. The others keep what they have, unless it is their error."""
        if self._reject(reading, reading.audiences, error):
            return
        _log("A live query of %s failed.", reading.query.label, error=error)
        reading.query.note_loss()
        if isinstance(error, DatabaseError):
            self._retry(reading.query)

    def _reject(self, reading: Reading, audiences: list[Audience], error: Exception) -> bool:
        """Answer clients that wait. Return whether the error ended the subscriptions of others."""
        told = reading.fail(audiences, error)
        for subscription in told if isinstance(error, REJECTIONS) else ():
            self._refuse(subscription, error)
        return isinstance(error, REJECTIONS)

    def _retry(self, query: SharedQuery) -> None:
        call_later(self._hub.loop, RETRY_TIME, partial(self._wake, query))

    def _audit(self, query: SharedQuery) -> None:
        """Read a query although nothing it depends on was written, as far as is known.

        It is read once its clients have been asked about.
        """
        query.written = None
        self.rights.audit(query.subscriptions)
