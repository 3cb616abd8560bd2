"""The groups that one line is a member of, brought in line with those that are wanted."""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context

from ..concurrency.serial_queue import cancel_tasks, start_task
from .layer import PATIENCE, LayerConnection, LayerUnavailable, group_expiry

__all__ = ["LayerMemberships"]

AT_ONCE = 32
"""How many the broker is asked for at a time."""

RENEWAL = 300.0
"""Seconds within which every membership is asked for again, or a third of its life if less."""


class LayerMemberships:
    """What `line` is a member of. In: `wanted`, which tells whether a group is wanted now."""

    def __init__(self, line: LayerConnection, wanted: Callable[[str], bool]) -> None:
        self.line = line
        self.wanted = wanted
        self.joined: dict[str, None] = {}
        self._changing: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._renewals: deque[str] = deque()
        self._period = min(RENEWAL, group_expiry(line.layer) / 3)
        self._renewed = time.monotonic()

    def change(self, group: str) -> asyncio.Task[None] | None:
        """Join or leave `group`, as is wanted; what to wait for, if that takes any time."""
        if group in self._changing:
            return self._changing[group]
        if self.wanted(group) == (group in self.joined):
            return None
        task = start_task(self._change(group), asyncio.get_running_loop(), Context())
        if task.done():
            return None
        self._changing[group] = task
        return task

    async def _change(self, group: str) -> None:
        try:
            async with self._slots:
                while (wanted := self.wanted(group)) != (group in self.joined):
                    await (self.line.add if wanted else self.line.discard)(group)
                    if wanted:
                        self.joined[group] = None
                    else:
                        del self.joined[group]
        except LayerUnavailable:
            return  # the next line begins with all that is wanted
        finally:
            self._changing.pop(group, None)

    async def change_all(self, groups: Iterable[str]) -> None:
        """Do so for many `groups`, a few at a time."""
        tasks = [task for group in groups if (task := self.change(group)) is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def renew(self) -> None:
        """Ask again for those whose turn has come. Raises `LayerUnavailable`."""
        now = time.monotonic()
        share = (now - self._renewed) / self._period
        count = math.floor(share * len(self.joined))
        if not count:
            return
        self._renewed = now
        for _ in range(min(count, len(self.joined))):
            if not self._renewals:
                self._renewals.extend(self.joined)
            if (group := self._renewals.popleft()) in self.joined:
                await self.line.add(group)

    async def end(self) -> None:
        """Leave all groups, if the line still works, and stop asking; within `PATIENCE`."""
        if not self.line.failed.is_set():
            self.wanted = lambda group: False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self.change_all([*self._changing, *self.joined])
        await cancel_tasks(set(self._changing.values()), PATIENCE)
