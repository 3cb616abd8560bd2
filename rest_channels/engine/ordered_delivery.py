"""Delivers the messages of one group with a history in one order, to members that know where it is.

The store gives each message an offset. A hub delivers a message when all before it were delivered.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from typing import Any, NamedTuple

from ..history.ordering import GroupOrder
from ..history.records import Position
from ..history.stores.base import HistoryStore
from ..protocol.messages import Event, encoded_size
from ..protocol.recovery_frames import joined_frame, tag_of, with_position
from .fanout import Member
from .replay import send_frame

__all__ = ["Framed", "HubServices", "OrderedDelivery", "StoreHealth"]


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


class HubServices(NamedTuple):
    """What a group needs of its hub."""

    start_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    """Starts work that ends with the hub."""
    members_of: Callable[[str], Collection[Member]]
    """Returns the members of a group in this hub."""
    deliver: Callable[[Event, tuple[Member, ...]], None]
    """Delivers an event to members."""
    store: Callable[[], HistoryStore]
    """Returns the store of the running loop."""
    health: StoreHealth
    """Whether the store was down just now."""


class Framed(NamedTuple):
    """A message, as it was published and with its position."""

    event: Event
    framed: Event


class OrderedDelivery:
    """The members of a group in this hub, and the messages that they get.

    Attributes:
        members: Those who know their position, with the last that they were told. They get messages
            with offsets.
        joining: Those who will be told their position. They get no messages until then.
    """

    def __init__(self, name: str, services: HubServices) -> None:
        self.name = name
        self.tag = tag_of(name)
        self.members: dict[Member, Position] = {}
        self.joining: dict[Member, None] = {}
        self._services = services
        self._order: GroupOrder[Framed] | None = None  # until the store was read
        self._losses = 0  # messages that were sent without an offset, since the epoch began
        self._ready: deque[Framed] = deque()
        self._is_delivering = False

    def leave(self, member: Member) -> None:
        """Note that `member` has left."""
        self.members.pop(member, None)
        self.joining.pop(member, None)

    def _introduce(self, members: Collection[Member]) -> None:
        """Tell `members` the position of the group. From now on they get messages with offsets."""
        position = self._known.position
        text = joined_frame(self.tag, position)
        self.members.update(dict.fromkeys(members, position))
        for member in members:
            send_frame(member, text)

    @property
    def _known(self) -> GroupOrder[Framed]:
        assert self._order is not None  # noqa: S101 - the callers have looked
        return self._order

    def _introduce_joining(self) -> None:
        joining, self.joining = self.joining, {}
        self._introduce(joining)

    def _take(self, event: Event, offset: int) -> None:
        if self._losses:  # it may be one of those that were sent without an offset
            return
        text = with_position(event.text or "", self.tag, offset)
        framed = event._replace(text=text, data=None, size=encoded_size(text))
        self._deliver(self._known.receive(offset, Framed(event, framed)))

    def _deliver(self, ready: list[tuple[int, Framed]]) -> None:
        """Deliver messages. A handler that gets one may publish another: it is the next then."""
        self._ready.extend(each for _, each in ready)
        if self._is_delivering:
            return
        self._is_delivering = True
        try:
            while self._ready:
                self._deliver_one(*self._ready.popleft())
        finally:
            self._is_delivering = False

    def _deliver_one(self, event: Event, framed: Event) -> None:
        members = self.members
        if members:
            self._services.deliver(framed, tuple(members))
        everyone = self._services.members_of(self.name)
        if len(everyone) > len(members):  # some override how messages are sent
            others = [each for each in everyone if each not in members and each not in self.joining]
            self._services.deliver(event, tuple(others))
