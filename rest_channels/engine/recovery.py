"""The groups of a hub that have a history: their members, their messages, and clients that return.

Each member is told its position when it joins. A client that was away says what it has, and gets
the rest. Once a second the last offsets are compared with the store's, which finds messages that
never arrived.
"""

import asyncio
import itertools
import logging
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

from ..concurrency.tasks import cancel_tasks
from ..history.policy import History
from ..history.records import Position, StoreUnavailable
from ..history.stores import close_store, current_store
from ..history.stores.base import HistoryStore
from ..protocol.messages import Event
from ..protocol.recovery_frames import GAP, resumed_frame, tag_of
from .fanout import Member
from .group_store import StoreHealth
from .kept_group import KeptGroup
from .kept_messages import (
    DeliverEvent,
    KeptMessages,
    MembersOf,
    MessagesAreFrames,
    Receiver,
    send_frame,
)
from .ordered_delivery import NOWHERE, HubServices

__all__ = ["Recovery"]

logger = logging.getLogger("rest_channels")

COMPARE_EVERY = 1.0
"""Seconds between two comparisons with the store, which find messages that never arrived."""

COMPARE_AT_ONCE = 500
"""Groups that are compared at once. In a hub with more, groups without messages take turns."""

LATELY = 10.0
"""Seconds after a message for which its group is compared each time."""


class Recovery:
    """The groups of a hub that have a history.

    Args:
        start_task: Starts work that ends with the hub.
        members_of: Returns the members of a group in this hub.
        deliver: Delivers an event to members.
        store: Returns the store of the running loop.
    """

    def __init__(
        self,
        start_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        members_of: MembersOf,
        deliver: DeliverEvent,
        store: Callable[[], HistoryStore] = current_store,
    ) -> None:
        self.groups: dict[str, KeptGroup] = {}
        self._by_tag: dict[str, KeptGroup] = {}
        self._receivers: dict[Member, dict[str, tuple[KeptGroup, Receiver]]] = {}  # by tag
        self._services = HubServices(
            start_task, members_of, deliver, store, StoreHealth(), Counter()
        )
        self._comparing: asyncio.Task[None] | None = None

    # Members.

    def join(
        self,
        name: str,
        member: Member,
        history: History,
        joined: asyncio.Future[Any] | None,
        receiver: Receiver | None = None,
    ) -> asyncio.Future[Any] | None:
        """Tell `member`, which has joined the group `name`, its position, and what follows.

        Args:
            joined: Done when messages of other processes arrive; `None` if they do.
            receiver: Gets the messages instead of `member`.

        Returns:
            A future that is done when the position was sent, or `None` if it is sent.
        """
        if receiver is None and member.overrides_sending:
            return joined
        group = self.groups.get(name)
        if group is None:
            messages = self._messages(name) if receiver is None else receiver.messages
            group = self.groups[name] = KeptGroup(name, history, messages, self._services)
            self._by_tag[tag_of(name)] = group
        if receiver is not None:
            self._receivers.setdefault(member, {})[receiver.tag] = group, receiver
        if self._comparing is None or self._comparing.done():
            self._comparing = self._services.start_task(self._compare_often())
        return group.join(member if receiver is None else cast(Member, receiver), joined)

    def _messages(self, name: str) -> KeptMessages:
        return MessagesAreFrames(name, self._services.members_of, self._services.deliver)

    def leave(self, name: str, member: Member, receiver: Receiver | None = None) -> None:
        """Note that `member`, or its `receiver`, has left the group `name`."""
        if receiver is not None:
            self._forget(member, receiver)
        if (group := self.groups.get(name)) is None:
            return
        group.leave(member if receiver is None else cast(Member, receiver))
        if not group.members and not group.joining:
            del self.groups[name], self._by_tag[tag_of(name)]
            group.stop()

    def _forget(self, member: Member, receiver: Receiver) -> None:
        receivers = self._receivers.get(member, {})
        if (known := receivers.get(receiver.tag)) is not None and known[1] is receiver:
            del receivers[receiver.tag]
            if not receivers:
                del self._receivers[member]

    def introduce_again(self, member: Member, names: Iterable[str]) -> None:
        """Tell `member`, which was sent nothing for a while, its positions in the groups `names`.

        Its client asks for what it has missed then.
        """
        for name in names:
            if (group := self.groups.get(name)) is not None:
                group.introduce_again(member)
        for group, receiver in self._receivers.get(member, {}).values():
            group.introduce_again(cast(Member, receiver))

    async def stop(self) -> None:
        """End all work."""
        for group in self.groups.values():
            group.stop()
        self.groups.clear()
        self._by_tag.clear()
        self._receivers.clear()
        if self._comparing is not None:
            await cancel_tasks({self._comparing}, 1.0)
        await close_store()

    # Messages.

    def receive(self, event: Event) -> None:
        """Deliver `event`, which has a position, in order. Drop it if it was delivered before."""
        if (group := self.groups.get(event.group)) is not None and event.position is not None:
            group.receive(event, event.position)

    def deliver_unnumbered(self, event: Event, put_at: float) -> bool:
        """Send a message that the store did not take here only, and without an offset.

        Args:
            put_at: When it was published, by the clock of the loop.

        Returns:
            Whether this was done. Otherwise no member of the group knows a position.
        """
        self._services.health.note_failure()
        if (group := self.groups.get(event.group)) is None:
            return False
        group.note_loss()
        group.deliver_unnumbered(event, put_at)
        return True

    def note_append(self, name: str, writer: str, is_running: bool) -> None:
        """Note that a writer of this process appends to the group `name`, or has an answer.

        It does not count for members that come later: they get no message without an offset then.
        """
        if (group := self.groups.get(name)) is not None:
            group.store.note_append(writer, is_running)

    def note_doubt(self, name: str, is_doubtful: bool) -> None:
        """Note whether it is unknown which messages to the group `name` the store has.

        It counts also for members that come later: they may have had the messages before.
        """
        doubts = self._services.doubts
        doubts[name] += 1 if is_doubtful else -1
        if doubts[name] <= 0:
            del doubts[name]
        if (group := self.groups.get(name)) is not None:
            group.note_doubt()

    def catch_up(self, name: str) -> None:
        """Read what is missing: messages of other processes may have been lost."""
        if (group := self.groups.get(name)) is not None:
            group.catch_up()

    # Comparing with the store.

    async def _compare_often(self) -> None:
        turns = itertools.count()
        while self.groups:
            await asyncio.sleep(COMPARE_EVERY)
            names = self._due(next(turns))
            for start in range(0, len(names), COMPARE_AT_ONCE):
                try:
                    await self._compare(names[start : start + COMPARE_AT_ONCE])
                except StoreUnavailable:
                    self._services.health.note_failure()
                    break
                except Exception:
                    logger.exception("Groups with a history could not be compared with the store.")
                    break

    def _due(self, turn: int) -> list[str]:
        """Return the groups that had messages lately, and those of others whose turn it is."""
        heard_since = asyncio.get_running_loop().time() - LATELY
        turns = math.ceil(len(self.groups) / COMPARE_AT_ONCE)
        return [
            name
            for number, (name, group) in enumerate(self.groups.items(), turn)
            if group.heard_at > heard_since or not number % turns
        ]

    async def _compare(self, names: list[str]) -> None:
        before = {name: self.groups[name].position for name in names if name in self.groups}
        positions = await self._services.store().positions(names)
        self._services.health.note_answer()
        for name, position in zip(names, positions, strict=True):
            if (group := self.groups.get(name)) is not None:
                group.compare(position, before.get(name, NOWHERE))

    # Clients that were away.

    def resume(self, member: Member, asked: dict[str, tuple[str, int]]) -> None:
        """Send `member` what it has missed of each tag in `asked`: tag → (epoch, offset)."""
        results = {}
        for tag, position in asked.items():
            own = self._receivers.get(member, {})
            group, receiver = own.get(tag, (self._by_tag.get(tag), member))
            asking = cast(Member, receiver)
            result = GAP if group is None else group.resume(asking, Position(*position))
            if result is not None:
                results[tag] = result
        if results:
            send_frame(member, resumed_frame(results))
