"""The groups that one layer connection is a member of, kept equal to the groups that are wanted."""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context

from ..concurrency.tasks import cancel_tasks, start_task
from .layer import BROKER_TIMEOUT, LayerConnection, LayerUnavailable, group_expiry

__all__ = ["LayerMemberships"]

CONCURRENT_CHANGES = 32
"""Memberships that are changed at the same time."""

RENEWAL_PERIOD = 300.0
"""Seconds within which every membership is renewed, or a third of its lifetime if less."""


class LayerMemberships:
    """The memberships of `connection`. `is_wanted(group)` says whether one should exist now."""

    def __init__(self, connection: LayerConnection, is_wanted: Callable[[str], bool]) -> None:
        self.connection = connection
        self.is_wanted = is_wanted
        self.joined: dict[str, None] = {}
        self._changes: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(CONCURRENT_CHANGES)
        self._renewals: deque[str] = deque()
        self._period = min(RENEWAL_PERIOD, group_expiry(connection.layer) / 3)
        self._renewed_at = time.monotonic()

    def change(self, group: str) -> asyncio.Task[None] | None:
        """Join or leave `group`, as is wanted. Return the task to wait for, if it takes time."""
        if group in self._changes:
            return self._changes[group]
        if self.is_wanted(group) == (group in self.joined):
            return None
        task = start_task(self._change(group), asyncio.get_running_loop(), Context())
        if task.done():
            return None
        self._changes[group] = task
        return task

    async def _change(self, group: str) -> None:
        try:
            async with self._slots:
                while (wanted := self.is_wanted(group)) != (group in self.joined):
                    await (self.connection.join if wanted else self.connection.discard)(group)
                    if wanted:
                        self.joined[group] = None
                    else:
                        del self.joined[group]
        except LayerUnavailable:
            return  # the next layer connection begins with all wanted groups
        finally:
            self._changes.pop(group, None)

    async def change_all(self, groups: Iterable[str]) -> None:
        """Join or leave each of `groups`, `CONCURRENT_CHANGES` at a time, and wait for all."""
        tasks = [task for group in groups if (task := self.change(group)) is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def renew(self) -> None:
        """Renew the memberships that are due. Raise `LayerUnavailable`."""
        now = time.monotonic()
        share = (now - self._renewed_at) / self._period
        count = math.floor(share * len(self.joined))
        if not count:
            return
        self._renewed_at = now
        for _ in range(min(count, len(self.joined))):
            if not self._renewals:
                self._renewals.extend(self.joined)
            if (group := self._renewals.popleft()) in self.joined:
                await self.connection.add(group)

    async def end(self) -> None:
        """Leave all groups if the connection still works, and end all tasks."""
        if not self.connection.failed.is_set():
            self.is_wanted = lambda group: False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BROKER_TIMEOUT):
                    await self.change_all([*self._changes, *self.joined])
        await cancel_tasks(set(self._changes.values()), BROKER_TIMEOUT)
