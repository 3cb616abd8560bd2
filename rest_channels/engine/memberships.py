"""The group memberships of one connection."""

import asyncio
from collections.abc import Hashable, Iterable
from typing import Any

from ..cluster.layer import BROKER_TIMEOUT
from ..concurrency.awaitables import DONE, Sent
from ..concurrency.loop_bridge import LoopBridge
from ..history.policy import history_of
from ..history.stores import check_store
from ..partitions import group_name
from .fanout import Member
from .hub import Hub, check_group
from .kept_messages import Receiver
from .subscriptions import GroupSubscriptions

__all__ = ["GroupMemberships"]

LAYER_SUBSCRIBER = "channels"
"""The subscriber of groups whose messages the connection also receives from the channel layer."""


KEEPING_SUBSCRIBERS = (None, "group", LAYER_SUBSCRIBER)
"""Subscribers to groups that code sends frames to. Observers name the receiver of theirs."""


class GroupMemberships(GroupSubscriptions):
    """The groups that `member` has joined, `limit` memberships at most.

    The join and leave methods may be called from threads. There they wait until messages of other
    processes arrive.
    """

    __slots__ = (
        "_ended",
        "_hub",
        "_loop_bridge",
        "_member",
        "_pending",
        "all_joined",
        "partition",
    )

    def __init__(
        self, member: Member, hub: Hub, loop_bridge: LoopBridge, limit: int, partition: str = ""
    ) -> None:
        super().__init__(limit)
        self.partition = partition
        self._member = member
        self._hub = hub
        self._loop_bridge = loop_bridge
        self._ended = False
        self._pending: tuple[asyncio.Future[Any], ...] = ()  # an empty list takes 56 bytes
        self.all_joined = True  # whether other processes' messages arrive for every joined group

    def join(
        self, group: str, subscriber: Hashable = None, receiver: Receiver | None = None
    ) -> Sent:
        """Receive the messages to `group`. Raise `TooManySubscriptions`, `TypeError` (bad name).

        Args:
            group: The name of the group.
            subscriber: The part of the connection that subscribes.
            receiver: Gets the messages of a group with a history, instead of the connection.
        """
        if self._ended:
            return DONE
        if not self._loop_bridge.on_loop():
            return self._loop_bridge.call(self.join, group, subscriber, receiver)
        if group not in self._hub.groups:
            check_group(group)
        is_first = self.add(group, subscriber)
        if not is_first and receiver is None:
            return DONE
        joined = self._hub.join(name := self._name(group), self._member)
        is_kept = receiver is not None or subscriber in KEEPING_SUBSCRIBERS
        if is_kept and (history := history_of(group)) is not None:
            check_store()
            joined = self._hub.recovery.join(name, self._member, history, joined, receiver)
        return self.add_pending(joined)

    def leave(self, group: str, subscriber: Hashable = None) -> None:
        """End one subscription. The last one to `group` ends the membership."""
        if self._ended:
            return
        if not self._loop_bridge.on_loop():
            self._loop_bridge.call(self.leave, group, subscriber)
        elif self.discard(group, subscriber):
            self._hub.leave(self._name(group), self._member)

    def join_layer_group(self, group: str) -> Sent:
        """Join `group`, and receive the messages that are sent with the layer's own methods too."""
        if self._ended:
            return DONE
        if not self._loop_bridge.on_loop():
            return self._loop_bridge.call(self.join_layer_group, group)
        joined_before = LAYER_SUBSCRIBER in self.subscribers_of(group)
        sent = self.join(group, LAYER_SUBSCRIBER)
        if joined_before:
            return sent
        return self.add_pending(self._hub.listeners.add(self._name(group), self._member), sent)

    def leave_layer_group(self, group: str) -> None:
        """Undo `join_layer_group`."""
        if self._ended:
            return
        if not self._loop_bridge.on_loop():
            self._loop_bridge.call(self.leave_layer_group, group)
        elif LAYER_SUBSCRIBER in self.subscribers_of(group):
            self._hub.listeners.discard(self._name(group), self._member)
            self.leave(group, LAYER_SUBSCRIBER)

    def leave_all(self) -> None:
        """Leave every group. Later joins do nothing."""
        self._ended = True
        if not len(self):
            return
        for group in self:
            self._hub.listeners.discard(self._name(group), self._member)
        for group in self.clear():
            self._hub.leave(self._name(group), self._member)

    def drop_references(self) -> None:
        """Let go of the connection, which has left every group and joins no more."""
        del self._member

    def _name(self, group: str) -> str:
        """Return the name under which the hub, and the layer, know a group of the partition."""
        return group_name(group, self.partition) if self.partition else group

    def introduce_again(self) -> None:
        """Tell the client its position in each group with a history: it was sent nothing lately."""
        self._hub.recovery.introduce_again(self._member, self.hub_names())

    def hub_names(self) -> list[str]:
        """Return the names of its groups that the hub knows."""
        return [self._name(group) for group in self]

    def own_names(self, names: Iterable[str]) -> list[str]:
        """Return the names that this connection knows for groups that the hub names."""
        known = {self._name(group): group for group in self}
        return [known.get(name, name) for name in names]

    def add_pending(self, pending: asyncio.Future[Any] | None, sent: Sent = DONE) -> Sent:
        """Let `wait_joined` wait for `pending`. Return `sent` if there is nothing to wait for."""
        if pending is None:
            return sent
        self._pending += (pending,)
        self.all_joined = False
        return Sent(self.wait_joined)

    async def wait_joined(self) -> None:
        """Wait for the joins that have begun, until the broker fails, or for `BROKER_TIMEOUT`."""
        if self._pending:
            begun = set(self._pending)
            await asyncio.wait(begun, timeout=BROKER_TIMEOUT)
            # Another part of the connection may have joined a group meanwhile.
            self._pending = tuple(join for join in self._pending if join not in begun)
        self.all_joined = not self._pending
