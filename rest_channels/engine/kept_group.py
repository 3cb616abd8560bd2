"""One group with a history in one hub: reads from the store which messages did not arrive.

All reading of a group, except for clients that return, is done by one task.
"""

import asyncio
import logging
import math
from functools import partial
from typing import Any

from ..client_logs import errors_logged
from ..cluster.layer import BROKER_TIMEOUT
from ..history.ordering import GroupOrder
from ..history.policy import History
from ..history.records import Page, Position
from ..protocol.messages import Event
from ..protocol.recovery_frames import GAP, LATER, OK, resumed_frame
from .fanout import Member
from .group_store import GroupStore
from .kept_messages import KeptMessages, Numbered, send_frame
from .ordered_delivery import NOWHERE, HubServices, OrderedDelivery
from .replay import Replay

__all__ = ["KeptGroup"]

logger = logging.getLogger("rest_channels")

STRAGGLERS = 0.02
"""Seconds to wait for a message that is late, before the store is asked."""

MERGE = 0.5
"""Seconds to wait after another epoch was seen: more may follow."""

MAX_EARLY = 1_000
"""Messages that may wait until the position of their group is known."""

OWED_FOR = 3.0
"""Seconds for which a hub waits, while the store answers, for the epoch that a writer owes."""


class KeptGroup(OrderedDelivery):
    """A group with a history that has members in this hub."""

    def __init__(
        self, name: str, history: History, messages: KeptMessages, services: HubServices
    ) -> None:
        super().__init__(name, messages, services)
        self.heard_at = asyncio.get_running_loop().time()  # when a message came, or it began
        self._early: list[Event] = []
        self._last_seen = NOWHERE  # of the messages that have arrived
        self._wanted = 0.0  # the offset up to which the store has messages, as far as is known
        self._is_changing = False  # another epoch was seen
        self._joined: asyncio.Future[Any] | None = None
        self._is_working = False
        self._work: asyncio.Future[None] | None = None
        self.store = GroupStore(name, history, services.store, services.health)
        self._replay = Replay(
            name, self.store, messages, self.members, self._refuse, services.start_task
        )

    # Members.

    def join(
        self, member: Member, joined: asyncio.Future[Any] | None
    ) -> asyncio.Future[Any] | None:
        """Tell `member` its position, and what follows.

        Args:
            joined: Done when messages of other processes arrive; `None` if they do.

        Returns:
            A future that is done when the position was sent, or `None` if it is sent.
        """
        self._joined_at[member] = asyncio.get_running_loop().time()
        if self._order is not None and not self._is_changing:
            self._introduce((member,))
            return None
        self.joining[member] = None
        self._joined = self._joined or joined
        return self._start()

    def stop(self) -> None:
        """End all work: the group has no members."""
        self.members.clear()
        self.joining.clear()
        self._replay.stop()
        if self._work is not None:
            self._work.cancel()

    # Messages.

    def receive(self, event: Event, position: Position) -> None:
        """Deliver `event` in order. Drop it if it was delivered before."""
        self.heard_at = asyncio.get_running_loop().time()
        if self._order is None:
            if len(self._early) < MAX_EARLY:
                self._early.append(event)
            return
        known = self._order.position
        if position.epoch == known.epoch and self._is_reused(event, position.offset):
            self._note_rollback()
        elif position.epoch == known.epoch:
            self._take(event, position.offset)
            if self._order.highest > self._order.position.offset:
                self._start()
        elif position.epoch not in self._order.past:
            self._last_seen = position
            self._change()

    def note_doubt(self) -> None:
        """Deliver nothing while it is unknown which messages the store has. Then read them."""
        self._replay.refuse_all()
        self.catch_up()

    def note_loss(self) -> None:
        """Note that members get a message without an offset. It may be in the store all the same.

        So nothing of this epoch is delivered any more. The writer owes another one.
        """
        self._losses += 1
        self._replay.refuse_all()
        if self._order is not None:
            self._change()

    # Reading the store.

    def catch_up(self) -> None:
        """Read what is missing: messages of other processes may have been lost."""
        if self._order is not None:
            self._want(math.inf)

    def compare(self, position: Position | None, before: Position = NOWHERE) -> None:
        """Read what is missing, if the store has more than was delivered, or another epoch.

        `before` is the position when the store was asked. The store had no less then.
        """
        if self._order is None:
            return
        known = self._order.position
        if position is None or position.epoch != known.epoch:
            self._change()
        elif position.epoch == before.epoch and position.offset < before.offset:
            self._note_rollback()
        elif position.offset > known.offset:
            self._want(position.offset)

    def _note_rollback(self) -> None:
        """Note that the store went back in time: it gives offsets to other messages."""
        if not self._is_changing:
            self.note_loss()

    def _want(self, offset: float) -> None:
        self._wanted = max(self._wanted, offset)
        self._start()

    def _change(self) -> None:
        self._is_changing = True
        self._start()

    def _start(self) -> asyncio.Future[None] | None:
        """Start the task that reads the store, unless it runs. Return it."""
        if not self._is_working:
            self._is_working = True  # the task may start at once
            self._work = self._services.start_task(self._read_until_complete())
        return self._work

    async def _read_until_complete(self) -> None:
        """Read the store until nothing is missing."""
        try:
            with errors_logged(logger, "The history of the group %r could not be read.", self.name):
                while await self._step():
                    pass
        finally:
            self._is_working = False

    async def _step(self) -> bool:
        """Take the most urgent step. Return whether there was one."""
        if self._order is None:
            await self._begin()
        elif self._is_changing:
            await self._find_epoch()
        elif self._order.position.offset < max(self._wanted, self._order.highest):
            await self._read_missing(self._order)
        else:
            return False
        return True

    async def _settled(self, position: Position) -> Position:
        """Wait until no other epoch has followed that of `position` for `MERGE` seconds.

        After an outage several writers begin one, and members are told of the last only.
        """
        for _ in range(math.ceil(OWED_FOR / MERGE)):
            await asyncio.sleep(MERGE)
            previous, position = position, await self.store.position()
            if position.epoch == previous.epoch:
                break
        return position

    async def _begin(self) -> None:
        """Find the position of a group that has its first member here."""
        if self._joined is not None:
            await asyncio.wait({self._joined}, timeout=BROKER_TIMEOUT)
        position = await self.store.position()
        while rest := self._services.health.rest_of(MERGE):  # several epochs may begin now
            losses = self._losses
            await asyncio.sleep(rest)
            position = await self.store.position()
            self._losses -= losses
        self._order = GroupOrder(position)
        self._is_changing = self._is_uncertain
        self._introduce_joining()
        early, self._early = self._early, []
        for event in early:
            if event.position is not None:
                self.receive(event, event.position)

    async def _read_missing(self, order: GroupOrder[Numbered]) -> None:
        """Wait for stragglers, then deliver what the store has after the last message."""
        await asyncio.sleep(STRAGGLERS)
        if self._is_changing or order.position.offset >= max(self._wanted, order.highest):
            return
        highest, self._wanted = order.highest, 0
        page = await self.store.answered(partial(self.store.since, order.position))
        if page.position.epoch != order.position.epoch:
            self._is_changing = True
        elif page.position.offset < highest:
            self._note_rollback()
        elif page.is_gap:
            self._continue_at(page.position)
        else:
            self._take_page(page)

    def _take_page(self, page: Page) -> None:
        for offset, text in page.messages:
            event = Event.rendered(self.name, None, text)._replace(rendered_elsewhere=True)
            self._take(event, offset)
        if page.has_more:
            self._wanted = max(self._wanted, page.position.offset)

    async def _find_epoch(self) -> None:
        """Find the epoch of a group that has another one, or none, or soon will have."""
        losses = self._losses
        position = await self._settled(await self.store.position())
        if self._is_owed_after(position):
            position = await self._wait_for_writer()
        if losses != self._losses:
            return
        self._is_changing = False
        self._losses = 0
        if position.epoch != self._known.position.epoch:
            self._continue_at(position)
        else:
            self._want(position.offset)
        self._introduce_joining()

    async def _wait_for_writer(self) -> Position:
        """Wait for the epoch that a writer owes. Begin it if the writer does not: it has ended."""
        for _ in range(math.ceil(OWED_FOR / MERGE)):
            await asyncio.sleep(MERGE)
            if not self._is_owed_after(found := await self.store.position()):
                return await self._settled(found)
        position = await self.store.new_epoch()
        del self._services.doubts[self.name]  # a counter: there may be none
        return await self._settled(position)

    def _continue_at(self, position: Position) -> None:
        """Continue after `position`, and tell all members, who then know that they have a gap."""
        ready = self._known.reset(position)
        seen = self._last_seen
        self._wanted = seen.offset if seen.epoch == position.epoch else 0
        self._replay.refuse_all()
        self._introduce(tuple(self.members))
        self._deliver(ready)

    # Clients that were away.

    def resume(self, member: Member, position: Position) -> str | None:
        """Send what is at hand. Return the result, or `None` if the store is read for it."""
        if member not in self.members:
            return LATER if member in self.joining else GAP
        known = self._known.position
        if self._is_uncertain or position.epoch != known.epoch:  # whose $joined is on the way
            return LATER
        if position.offset > known.offset:  # the client comes from a process that knew more
            self.catch_up()
            self._replay.ask(member, position)
            return None
        recent = self._known.recent_after(position.offset)
        if recent is not None and self.messages.resend(member, [each for _, each in recent]):
            return OK
        self._replay.ask(member, position)
        return None

    def _refuse(self, member: Member, offset: int) -> None:
        """Tell `member` that what followed `offset` is gone. It goes on where it was told last."""
        if offset >= self.members[member].offset:
            self._introduce((member,))
        send_frame(member, resumed_frame({self.messages.tag_for(member): GAP}))
