"""How the messages of a group with a history become frames of its members."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from ..history.records import Page, Position
from ..protocol.messages import Event, Gap, encoded_size
from ..protocol.recovery_frames import LATER, MORE, OK, resumed_frame, tag_of, with_position
from ..settings import api_settings
from .fanout import Member

__all__ = [
    "PAGE_BYTES",
    "DeliverEvent",
    "KeptMessages",
    "Members",
    "MembersOf",
    "MessagesAreFrames",
    "Numbered",
    "PageReaders",
    "Receiver",
    "send_frame",
]

PAGE_BYTES = 256 * 1024
"""Bytes that one client is sent at once. It asks for the next page."""

TURN = 50
"""Clients that are served before other work of the loop runs."""

MembersOf = Callable[[str], Collection[Member]]
DeliverEvent = Callable[[Event, tuple[Member, ...]], None]
Members = Mapping[Member, Position]
"""The present members of a group, with the position that each was told last."""


class Numbered(NamedTuple):
    """A message with its offset."""

    offset: int
    event: Event
    """As it was published."""
    prepared: Event
    """As members get it."""


class PageReaders(NamedTuple):
    """The clients that are sent a page of what they missed."""

    offsets: Mapping[Member, int]
    """What each of them has."""
    members: Collection[Member]
    """The members of the group now: others have left."""
    is_current: Callable[[], bool]
    """Whether the epoch of the page is that of the group. Offsets do not name their epoch."""
    refuse: Callable[[Member, int], None]
    """Tells a client that what followed an offset cannot be sent."""


class KeptMessages(Protocol):
    """How the messages of one group with a history become frames of its members."""

    def tag_for(self, member: Member) -> str:
        """Return the tag of the group in the frames of `member`."""

    def prepare(self, event: Event, offset: int) -> Event:
        """Return the message with this offset as members get it."""

    def deliver(self, message: Numbered, members: Members, joining: Collection[Member]) -> None:
        """Send a message to `members`, and not to those that are `joining`."""

    def deliver_unnumbered(self, event: Event, members: Members, late: Collection[Member]) -> None:
        """Send a message that has no offset, and not to members that came too `late` for it."""

    def resend(self, member: Member, messages: Sequence[Numbered]) -> bool:
        """Send messages that are at hand. Return whether this was done: else a page is read."""

    async def send_page(self, page: Page, readers: PageReaders) -> None:
        """Send each reader what it has missed of `page`, and the answer to its question."""


class Receiver(Protocol):
    """A member of a group beside the connection that has joined it: one of its subscriptions."""

    @property
    def tag(self) -> str:
        """The tag of the group in the frames of this member."""

    @property
    def messages(self) -> KeptMessages:
        """How the messages of its group become frames. The same for all members of the group."""

    def deliver(self, event: Event | Gap) -> None:
        """Send a frame to the client, in order with the messages of the group."""


class MessagesAreFrames:
    """Members are connections, and the text of a message is the frame.

    Args:
        name: The group, as the layer knows it.
        members_of: Returns the members of a group in this hub.
        deliver: Delivers an event to members.
    """

    def __init__(self, name: str, members_of: MembersOf, deliver: DeliverEvent) -> None:
        self._name = name
        self._tag = tag_of(name)
        self._members_of = members_of
        self._deliver = deliver

    def tag_for(self, member: Member) -> str:
        return self._tag

    def prepare(self, event: Event, offset: int) -> Event:
        text = with_position(event.text or "", self._tag, offset)
        return event._replace(text=text, data=None, size=encoded_size(text))

    def deliver(self, message: Numbered, members: Members, joining: Collection[Member]) -> None:
        if members:
            self._deliver(message.prepared, tuple(members))
        everyone = self._members_of(self._name)
        if len(everyone) > len(members):  # some override how messages are sent
            others = [each for each in everyone if each not in members and each not in joining]
            self._deliver(message.event, tuple(others))

    def deliver_unnumbered(self, event: Event, members: Members, late: Collection[Member]) -> None:
        everyone = self._members_of(self._name)
        self._deliver(event, tuple(each for each in everyone if each not in late))

    def resend(self, member: Member, messages: Sequence[Numbered]) -> bool:
        for message in messages:
            member.deliver(message.prepared)
        return True

    async def send_page(self, page: Page, readers: PageReaders) -> None:
        events = [(offset, self._event(offset, text)) for offset, text in page.messages]
        for number, (member, after) in enumerate(readers.offsets.items(), 1):
            if member in readers.members:
                is_current = readers.is_current()
                result = self._send(member, after, events, page) if is_current else LATER
                send_frame(member, resumed_frame({self._tag: result}))
            if not number % TURN:
                await asyncio.sleep(0)

    def _event(self, offset: int, text: str) -> Event:
        return self.prepare(Event(self._name, None, text), offset)

    def _send(
        self, member: Member, after: int, events: Sequence[tuple[int, Event]], page: Page
    ) -> str:
        """Send `member` the events after `after`, as many as a page has. Return the result."""
        limit, sent = min(PAGE_BYTES, api_settings.OUTBOX_BYTES // 2), 0
        begin = after + 1 - events[0][0] if events else 0
        for offset, event in events[begin:]:
            if sent and sent + event.size > limit:
                break
            member.deliver(event)
            sent += event.size
            after = offset
        return OK if after >= page.position.offset else MORE


def send_frame(member: Member, text: str) -> None:
    """Send `text` to the client of `member`, in order with the messages of its groups."""
    member.deliver(Event("", None, text, None, encoded_size(text)))
