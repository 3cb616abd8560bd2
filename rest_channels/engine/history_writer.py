"""Appends the messages of groups with a history to the store, in order, before they are sent.

The store numbers the messages, so all processes deliver them in one order. A store that fails does
not stop a message: it is sent without a number, to this process, and the group gets another epoch
as soon as the store is back. Then every client is told that something may be missing.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

from ..client_logs import log_for_client
from ..cluster.counts import counts
from ..concurrency.awaitables import DONE, Sent
from ..concurrency.execution import empty_context
from ..concurrency.tasks import cancel_tasks, start_task
from ..history.policy import History
from ..history.records import Position, StoreUnavailable
from ..history.stores import current_store
from ..history.stores.base import Append, HistoryStore
from ..protocol.messages import Event

__all__ = ["HistoryWriter"]

logger = logging.getLogger("rest_channels")

RETRY_FOR = 1.0
"""Seconds for which an append is repeated."""

RETRY_DELAY = 0.1
"""Seconds between two attempts, and between two attempts to begin an epoch that is owed."""

BATCH = 100
"""Messages that are appended at once, and epochs that are begun at once."""

MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Messages that wait for the store. More are sent without a number."""


class Waiting(NamedTuple):
    """A message that waits to be appended."""

    event: Event
    history: History
    put_at: float
    """By the clock of event loops."""
    done: asyncio.Future[None]


class Owed(NamedTuple):
    """An epoch that is to begin."""

    history: History
    number: int
    """Of the writer, from the first attempt on; 0 before it."""


class HistoryWriter:
    """Appends the messages of one event loop, one batch after another.

    Args:
        writer: A name that no other writer has: that of the node.
        hand_on: Sends a message that the store has taken to all hubs.
        hand_on_unnumbered: Sends a message to the hubs of this process, without a position, because
            the store failed. Told when it was put, too, by the clock of event loops.
        note_append: Told the group, the writer and `True` before messages to the group are
            appended, and `False` when the store has answered, or they are in doubt.
        note_doubt: Told the group and `True` when it is not known whether its messages were kept,
            and `False` as soon as it is. If it is given up, only the epoch that is owed ends the
            doubt: an append may run late, also in an epoch that another process has begun.
        store: Returns the store of the running loop.
    """

    def __init__(
        self,
        writer: str,
        hand_on: Callable[[Event], object],
        hand_on_unnumbered: Callable[[Event, float], object],
        note_append: Callable[[str, str, bool], object],
        note_doubt: Callable[[str, bool], object],
        store: Callable[[], HistoryStore] = current_store,
    ) -> None:
        self.writer = writer
        self._hand_on = hand_on
        self._hand_on_unnumbered = hand_on_unnumbered
        self._note_append = note_append
        self._note_doubt = note_doubt
        self._store = store
        self._number = 0
        self._waiting: list[Waiting] = []
        self._bytes = 0
        self._owed: dict[str, Owed] = {}
        self._is_down = False  # the store has failed, and has not answered since
        self._is_working = False
        self._task: asyncio.Task[None] | None = None

    def put(self, event: Event, history: History) -> Sent:
        """Append `event`, a rendered message, and hand it on. Awaiting it waits for both."""
        loop = asyncio.get_running_loop()
        if self._is_down or self._bytes + event.size > MAX_WAITING_BYTES:
            self._send_unnumbered(event, history, loop.time())
            self._start(loop)
            return DONE
        waiting = Waiting(event, history, loop.time(), loop.create_future())
        self._waiting.append(waiting)
        self._bytes += event.size
        self._start(loop)
        return DONE if waiting.done.done() else Sent(lambda: asyncio.wait({waiting.done}))

    async def stop(self) -> None:
        """Append what waits, for at most `RETRY_FOR`. Send the rest without numbers."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=RETRY_FOR)
            await cancel_tasks({self._task}, RETRY_FOR)
        self._send_all_unnumbered()

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_working:
            self._is_working = True  # the task may start at once, and what it sends may be answered
            self._task = start_task(self._work(), loop, empty_context())

    async def _work(self) -> None:
        try:
            while self._waiting or self._owed:
                if self._owed:
                    await self._begin_epochs()
                else:
                    await self._append(self._waiting[:BATCH])
        except Exception as error:  # noqa: BLE001 - they are sent all the same
            text = "Messages of groups with a history could not be kept."
            log_for_client(logger, logging.ERROR, text, error=error)
            self._send_all_unnumbered()
        finally:
            self._is_working = False

    async def _append(self, batch: list[Waiting]) -> None:
        positions = await self._positions(batch)
        if positions is None:
            self._is_down = True
            self._send_all_unnumbered()
            return
        del self._waiting[: len(batch)]
        for each, position in zip(batch, positions, strict=True):
            self._bytes -= each.event.size
            each.done.set_result(None)
            if position.offset:
                self._send(self._hand_on, each.event._replace(position=position))

    async def _positions(self, batch: list[Waiting]) -> list[Position] | None:
        """Append messages. Repeating it appends none twice: they have numbers of this writer.

        It is repeated at least once. A call that got no answer in time may have run, and another
        connection may work.
        """
        appends = []
        for event, history, *_ in batch:
            self._number += 1
            text = event.text or ""
            appends.append(Append(event.group, text, history, self.writer, self._number))
        groups = dict.fromkeys(each.group for each in appends)  # in one order in each run
        until = asyncio.get_running_loop().time() + RETRY_FOR
        positions = await self._try(appends, groups)
        if positions is not None:
            return positions
        try:
            return await self._repeat(appends, until)
        finally:
            for group in groups:
                self._note_doubt(group, False)

    async def _try(self, appends: list[Append], groups: Iterable[str]) -> list[Position] | None:
        """Append messages. Without an answer, `groups` are in doubt before others go on."""
        for group in groups:
            self._note_append(group, self.writer, True)
        try:
            return await self._store().append_many(appends)
        except StoreUnavailable:
            for group in groups:
                self._note_doubt(group, True)
            return None
        finally:
            for group in groups:
                self._note_append(group, self.writer, False)

    async def _repeat(self, appends: list[Append], until: float) -> list[Position] | None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(RETRY_DELAY)
            try:
                return await self._store().append_many(appends)
            except StoreUnavailable as error:
                if loop.time() >= until:
                    logger.warning("Messages of groups with a history were not kept: %s", error)
                    return None

    def _send(self, hand_on: Callable[..., object], event: Event, *put_at: float) -> None:
        try:
            hand_on(event, *put_at)
        except Exception as error:  # noqa: BLE001 - the other messages are sent all the same
            text = "A message to the group %r could not be sent."
            log_for_client(logger, logging.ERROR, text, event.group, error=error)

    def _send_all_unnumbered(self) -> None:
        """Send all that waits, in order. Later messages must not overtake it."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        for event, history, put_at, done in waiting:
            self._send_unnumbered(event, history, put_at)
            done.set_result(None)

    def _send_unnumbered(self, event: Event, history: History, put_at: float) -> None:
        """Send a message that is not kept. Its group owes its clients another epoch."""
        counts.add("unkept")
        if event.group not in self._owed:
            self._note_doubt(event.group, True)
        self._owed[event.group] = Owed(history, 0)
        self._send(self._hand_on_unnumbered, event, put_at)

    async def _begin_epochs(self) -> None:
        """Begin epochs that are owed, so that all clients are told of the loss."""
        self._number += 1
        owed = {
            group: each if each.number else each._replace(number=self._number)
            for group, each in islice(self._owed.items(), BATCH)
        }
        self._owed.update(owed)
        begun = await asyncio.gather(
            *(self._begin_epoch(group, each) for group, each in owed.items())
        )
        self._is_down = not all(begun)
        for (group, each), is_begun in zip(owed.items(), begun, strict=True):
            last = self._owed.pop(group)
            if is_begun and last is each:
                self._note_doubt(group, False)
            else:  # it is not begun, or is owed once more; others are next
                self._owed[group] = last
        if self._is_down:
            await asyncio.sleep(RETRY_DELAY)

    async def _begin_epoch(self, group: str, owed: Owed) -> bool:
        """Begin an epoch. Return whether the store has done so. Repeating it begins no other."""
        try:
            await self._store().new_epoch(group, owed.history, self.writer, owed.number)
        except StoreUnavailable:
            return False
        return True
