"""The groups that one connection is in."""

import asyncio
from collections.abc import Hashable
from typing import Any

from ..cluster.layer import PATIENCE
from ..concurrency.awaitables import DONE, Sent
from ..concurrency.loop_bridge import LoopBridge
from .fanout import Member
from .hub import Hub, check_group
from .subscriptions import GroupSubscriptions

__all__ = ["GroupMemberships"]

LISTENER = "channels"
"""Who asks for a group in whose Channels' lane the connection listens."""


class GroupMemberships(GroupSubscriptions):
    """What `member` has joined, and for whom. In: `limit`, how much it may join.

    Its four verbs may be called from threads, which wait until other processes reach the group.
    """

    __slots__ = ("_hub", "_loop_bridge", "_member", "_over", "_waiting")

    def __init__(self, member: Member, hub: Hub, home: LoopBridge, limit: int) -> None:
        super().__init__(limit)
        self._member = member
        self._hub = hub
        self._loop_bridge = home
        self._over = False
        self._waiting: list[asyncio.Future[Any]] | None = None

    def join(self, group: str, subscriber: Hashable = None) -> Sent:
        """Be told what `group` is told. Raises `TooManySubscriptions`, `TypeError`."""
        if not self._loop_bridge.on_loop():
            return self._loop_bridge.call(self.join, group, subscriber)
        if self._over:
            return DONE
        if group not in self._hub.groups:
            check_group(group)
        if not self.add(group, subscriber):
            return DONE
        return self._await(self._hub.join(group, self._member))

    def leave(self, group: str, subscriber: Hashable = None) -> None:
        """Stop being told, if nobody else of this connection asks for `group`."""
        if not self._loop_bridge.on_loop():
            self._loop_bridge.call(self.leave, group, subscriber)
        elif self.discard(group, subscriber):
            self._hub.leave(group, self._member)

    def join_layer_group(self, group: str) -> Sent:
        """`join`, and be told what is said by the channel layer's own verbs."""
        if not self._loop_bridge.on_loop():
            return self._loop_bridge.call(self.join_layer_group, group)
        if self._over:
            return DONE
        known = LISTENER in self.subscribers_of(group)
        sent = self.join(group, LISTENER)
        return sent if known else self._await(self._hub.listeners.add(group, self._member), sent)

    def leave_layer_group(self, group: str) -> None:
        """The opposite of `listen`."""
        if not self._loop_bridge.on_loop():
            self._loop_bridge.call(self.leave_layer_group, group)
        elif LISTENER in self.subscribers_of(group):
            self._hub.listeners.discard(group, self._member)
            self.leave(group, LISTENER)

    def leave_all(self) -> None:
        """Leave every group, and join none any more."""
        self._over = True
        for group in self:
            self._hub.listeners.discard(group, self._member)
        for group in self.clear():
            self._hub.leave(group, self._member)

    def expect(self, waiting: asyncio.Future[Any] | None) -> None:
        """Let `settle` wait for this as well."""
        self._await(waiting)

    def _await(self, waiting: asyncio.Future[Any] | None, sent: Sent = DONE) -> Sent:
        if waiting is None:
            return sent
        if self._waiting is None:
            self._waiting = []
        self._waiting.append(waiting)
        return Sent(self.wait_joined)

    @property
    def all_joined(self) -> bool:
        """Whether other processes reach every group that was joined."""
        return self._waiting is None

    async def wait_joined(self) -> None:
        """Wait until they do, or until it is clear that they cannot, at most `PATIENCE`."""
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=PATIENCE)
        self._waiting = None
