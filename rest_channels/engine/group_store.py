"""The store of one group with a history, as a hub reads it."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..history.policy import History
from ..history.records import Page, Position, StoreUnavailable
from ..history.stores.base import HistoryStore
from .kept_messages import PAGE_BYTES

__all__ = ["GroupStore", "StoreHealth"]

RETRY_DELAY = 0.1
"""Seconds between two attempts to read."""

T = TypeVar("T")


class StoreHealth:
    """When the store has come back last, as far as the groups of a hub know."""

    def __init__(self) -> None:
        self._is_down = False
        self._back_at = -math.inf

    def note_failure(self) -> None:
        """Note that a call of the store has failed."""
        self._is_down = True

    def note_answer(self) -> None:
        """Note that the store has answered."""
        if self._is_down:
            self._is_down = False
            self._back_at = asyncio.get_running_loop().time()

    def rest_of(self, seconds: float) -> float:
        """Return how many of the first `seconds` after the store's return are to come, or 0."""
        return max(self._back_at + seconds - asyncio.get_running_loop().time(), 0)


class GroupStore:
    """Reads one group.

    An append may have run although its writer has no answer. If none comes, the writer sends the
    message without an offset. So a page, which may have that message, too, waits for the answer.

    Args:
        name: The group, as the layer knows it.
        history: How much of the group is kept.
        store: Returns the store of the running loop.
        health: Told whether the store answers.
    """

    def __init__(
        self, name: str, history: History, store: Callable[[], HistoryStore], health: StoreHealth
    ) -> None:
        self._name = name
        self._history = history
        self._store = store
        self._health = health
        self._appends: dict[str, asyncio.Future[None]] = {}  # by writer, which has one at a time

    def note_append(self, writer: str, is_running: bool) -> None:
        """Note that a writer of this process begins to append, or that this was answered.

        Without an answer, the group must be told before that it is in doubt.
        """
        if is_running:
            self._appends[writer] = asyncio.get_running_loop().create_future()
        elif (append := self._appends.pop(writer, None)) is not None:
            append.set_result(None)

    async def since(self, position: Position) -> Page:
        """Return the messages after `position`, or raise `StoreUnavailable`.

        Afterwards it is known which of them were appended by this process, or it is in doubt.
        """
        page = await self._store().since(self._name, position, PAGE_BYTES)
        if self._appends:
            await asyncio.wait(set(self._appends.values()))
        return page

    async def position(self) -> Position:
        """Return the position of the group as soon as the store answers."""
        return await self.answered(lambda: self._store().position(self._name, self._history))

    async def new_epoch(self) -> Position:
        """Begin another epoch as soon as the store answers."""
        return await self.answered(lambda: self._store().new_epoch(self._name, self._history))

    async def answered(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what `call` returns. Repeat it until the store answers."""
        while True:
            try:
                found = await call()
            except StoreUnavailable:
                self._health.note_failure()
                await asyncio.sleep(RETRY_DELAY)
            else:
                self._health.note_answer()
                return found
