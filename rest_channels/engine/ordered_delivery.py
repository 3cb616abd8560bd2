"""Delivers the messages of one group with a history in one order, to members that know where it is.

The store gives each message an offset. A hub delivers a message when all before it were delivered.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Coroutine
from typing import Any, NamedTuple

from ..history.ordering import GroupOrder
from ..history.records import Position
from ..history.stores.base import HistoryStore
from ..protocol.messages import Event
from ..protocol.recovery_frames import joined_frame
from .fanout import Member
from .group_store import StoreHealth
from .kept_messages import DeliverEvent, KeptMessages, MembersOf, Numbered, send_frame

__all__ = ["NOWHERE", "HubServices", "OrderedDelivery"]

NOWHERE = Position("", 0)
"""The position of a group of which the store was not read yet."""


class HubServices(NamedTuple):
    """What a group needs of its hub."""

    start_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    """Starts work that ends with the hub."""
    members_of: MembersOf
    """Returns the members of a group in this hub."""
    deliver: DeliverEvent
    """Delivers an event to members."""
    store: Callable[[], HistoryStore]
    """Returns the store of the running loop."""
    health: StoreHealth
    """Whether the store was down just now."""
    doubts: Counter[str]
    """How many writers do not know whether the store has their messages to a group."""


class OrderedDelivery:
    """The members of a group in this hub, and the messages that they get.

    Attributes:
        members: Those who know their position, with the last that they were told. They get messages
            with offsets.
        joining: Those who will be told their position. They get no messages until then.
    """

    def __init__(self, name: str, messages: KeptMessages, services: HubServices) -> None:
        self.name = name
        self.messages = messages
        self.members: dict[Member, Position] = {}
        self.joining: dict[Member, None] = {}
        self._joined_at: dict[Member, float] = {}
        self._services = services
        self._order: GroupOrder[Numbered] | None = None  # until the store was read
        self._losses = 0  # messages that were sent without an offset, since the epoch began
        self._ready: deque[Numbered] = deque()
        self._is_delivering = False

    @property
    def position(self) -> Position:
        """Of the message that was delivered last."""
        return NOWHERE if self._order is None else self._order.position

    def leave(self, member: Member) -> None:
        """Note that `member` has left."""
        self.members.pop(member, None)
        self.joining.pop(member, None)
        self._joined_at.pop(member, None)

    def deliver_unnumbered(self, event: Event, put_at: float) -> None:
        """Send a message that the store did not take, as far as its writer knows.

        A member that joined after it was published may have got it from another hub, with its
        offset: the store may have it all the same.
        """
        late = {member for member, at in self._joined_at.items() if at > put_at}
        self.messages.deliver_unnumbered(event, self.members, late)

    @property
    def _is_in_doubt(self) -> bool:
        return self._services.doubts[self.name] > 0

    @property
    def _is_uncertain(self) -> bool:
        """Whether a message of the store may be one that is sent without an offset, too."""
        return self._losses > 0 or self._is_in_doubt

    def _is_owed_after(self, position: Position) -> bool:
        """Whether a writer owes another epoch than that of `position`, where the store is."""
        is_same = position.epoch == self._known.position.epoch
        return self._is_in_doubt or (is_same and self._losses > 0)

    def introduce_again(self, member: Member) -> None:
        """Tell `member` its position once more, if it knows one."""
        if member in self.members:
            self._introduce((member,))

    def _introduce(self, members: Collection[Member]) -> None:
        """Tell `members` the position of the group. From now on they get messages with offsets."""
        position = self._known.position
        self.members.update(dict.fromkeys(members, position))
        for member in members:
            send_frame(member, joined_frame(self.messages.tag_for(member), position))

    @property
    def _known(self) -> GroupOrder[Numbered]:
        assert self._order is not None  # noqa: S101 - the callers have looked
        return self._order

    def _introduce_joining(self) -> None:
        joining, self.joining = self.joining, {}
        self._introduce(joining)

    def _is_reused(self, event: Event, offset: int) -> bool:
        """Return whether another message had this offset: the store went back in time."""
        known = self._known.recent_at(offset)
        return known is not None and known.event.text != event.text

    def _take(self, event: Event, offset: int) -> None:
        if self._is_uncertain:
            return
        message = Numbered(offset, event, self.messages.prepare(event, offset))
        self._deliver(self._known.receive(offset, message))

    def _deliver(self, ready: list[tuple[int, Numbered]]) -> None:
        """Deliver messages. A handler that gets one may publish another: it is the next then."""
        self._ready.extend(each for _, each in ready)
        if self._is_delivering:
            return
        self._is_delivering = True
        try:
            while self._ready:
                self.messages.deliver(self._ready.popleft(), self.members, self.joining)
        finally:
            self._is_delivering = False
