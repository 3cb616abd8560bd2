"""Sends clients of one group what they have missed, with one read of the store for all who wait."""

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Coroutine, Iterable
from functools import partial
from typing import Any

from ..client_logs import log_for_client
from ..history.records import Page, Position, StoreUnavailable
from ..protocol.recovery_frames import LATER, resumed_frame
from .fanout import Member
from .group_store import GroupStore
from .kept_messages import KeptMessages, PageReaders, send_frame

__all__ = ["Replay"]

logger = logging.getLogger("rest_channels")

READ_EVERY = 0.02
"""Seconds between two reads of a group: clients that come back together wait for the same one."""


class Replay:
    """The clients of one group that wait for what they missed.

    Args:
        name: The group, as the layer knows it.
        store: Reads the group.
        messages: How messages become frames.
        members: The members that are members, and know their position.
        refuse: Tells a client that what followed an offset is gone.
        start_task: Starts work that ends with the hub.
    """

    def __init__(
        self,
        name: str,
        store: GroupStore,
        messages: KeptMessages,
        members: Collection[Member],
        refuse: Callable[[Member, int], None],
        start_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._name = name
        self._store = store
        self._messages = messages
        self._members = members
        self._refuse = refuse
        self._start_task = start_task
        self._waiting: dict[Member, int] = {}
        self._gone = -1  # the highest offset whose next message is known to be gone
        self._epoch = ""
        self._read_at = -math.inf
        self._is_serving = False
        self._task: asyncio.Task[None] | None = None

    def ask(self, member: Member, position: Position) -> None:
        """Send `member` what came after `position`, whose epoch is that of the group."""
        if position.epoch != self._epoch:
            self.refuse_all()
            self._epoch, self._gone = position.epoch, -1
        if position.offset <= self._gone:
            self._refuse(member, position.offset)
            return
        self._waiting[member] = position.offset
        if not self._is_serving:
            self._is_serving = True
            self._task = self._start_task(self._serve())

    def refuse_all(self) -> None:
        """Let all clients ask again: the epoch ends."""
        self._epoch = ""
        waiting, self._waiting = self._waiting, {}
        self._let_ask_again(waiting)

    def _let_ask_again(self, members: Iterable[Member]) -> None:
        for member in members:
            if member in self._members:
                send_frame(member, resumed_frame({self._messages.tag_for(member): LATER}))

    def stop(self) -> None:
        """Serve nobody any more: the group has no members."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    async def _serve(self) -> None:
        is_gap = False
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await asyncio.sleep(self._read_at + READ_EVERY - loop.time())
                if self._waiting:
                    is_gap = await self._read(self._first(is_gap))
        except Exception as error:  # noqa: BLE001 - its clients ask again
            text = "The history of the group %r could not be replayed."
            log_for_client(logger, logging.ERROR, text, self._name, error=error)
            self.refuse_all()
        finally:
            self._is_serving = False

    def _first(self, after_gap: bool) -> int:
        """Return the offset to read from: the lowest, or after a gap one in the middle.

        So clients that have each missed something else take few reads, even if all is gone.
        """
        offsets = sorted(set(self._waiting.values()))
        return offsets[len(offsets) // 2 if after_gap else 0]

    async def _read(self, first: int) -> bool:
        """Read what came after `first`, and send it. Return whether it is gone."""
        self._read_at = asyncio.get_running_loop().time()
        epoch, asking = self._epoch, self._waiting.copy()
        try:
            page = await self._store.since(Position(epoch, first))
        except StoreUnavailable:
            self.refuse_all()
            return False
        if epoch != self._epoch or page.position.epoch != epoch:
            self.refuse_all()
            return False
        top = page.position.offset
        if first > top:  # the group has not reached it; those who ask now may know more
            self._refuse_all_of(each for each, offset in asking.items() if offset > top)
        elif page.is_gap:
            self._gone = max(self._gone, first)
            gone = [each for each, offset in self._waiting.items() if offset <= self._gone]
            self._refuse_all_of(gone)
        else:
            await self._send_page(first, page)
        return page.is_gap and first <= top

    def _refuse_all_of(self, members: Iterable[Member]) -> None:
        for member in members:
            offset = self._waiting.pop(member, None)
            if offset is not None and member in self._members:
                self._refuse(member, offset)

    async def _send_page(self, first: int, page: Page) -> None:
        """Send `page` to all who wait for messages of it. The others wait for another page."""
        end = page.messages[-1].offset if page.has_more else page.position.offset + 1
        served = {each: after for each, after in self._waiting.items() if first <= after < end}
        self._waiting = {each: n for each, n in self._waiting.items() if each not in served}
        epoch = self._epoch
        is_current = partial(self._is_in, epoch)
        readers = PageReaders(served, self._members, is_current, self._refuse)
        try:
            await self._messages.send_page(page, readers)
        except Exception:
            self._let_ask_again(served)
            raise

    def _is_in(self, epoch: str) -> bool:
        return epoch == self._epoch
