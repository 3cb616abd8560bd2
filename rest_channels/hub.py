"""Who is in which group, and the way of a message to all of them.

There is one hub per event loop. A message is rendered before it comes here and is handed to every
member as it is: no task, no copy and no JSON per connection.
"""

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from .lanes import EAGER, start
from .messages import Event
from .outbox import Outbox

__all__ = ["Hub", "Member", "check_group", "publish"]

_GROUP = re.compile(r"[\w.-]{1,99}", re.ASCII)


NESTING = 16
"""A message that is published while another is delivered, while another … goes out at once this
deep, and beyond that at the loop's next turn."""


class Member(Protocol):
    """What a hub knows of a connection."""

    outbox: Outbox

    aside: bool
    """Whether even what is rendered has to be delivered, not just sent."""

    def deliver(self, event: Event) -> None:
        """Take `event` without waiting and without raising."""

    def join(self, group: str, asker: Any = None) -> None:
        """Become a member of `group`."""

    def leave(self, group: str, asker: Any = None) -> None:
        """Stop being one."""


class Turn:
    """How far one task came with a message for many."""

    __slots__ = ("outbox", "over")

    outbox: Outbox

    def __init__(self) -> None:
        self.over = False


async def _send_to_each(event: Event, members: Iterator[Member], turn: Turn) -> None:
    text, size = event.text, event.size
    for member in members:
        outbox = turn.outbox = member.outbox
        if outbox.busy or member.aside:
            member.deliver(event)
        else:
            await outbox.write({"type": "websocket.send", "text": text}, size)
            if turn.over:
                return


class Hub:
    """The groups of one event loop. Its methods belong to that loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._depth = 0
        self.groups: dict[str, dict[Member, None]] = {}
        self.members: dict[str, Member] = {}

    @classmethod
    def here(cls) -> "Hub":
        """The hub of the running loop."""
        loop = asyncio.get_running_loop()
        hub = _hubs.get(loop)
        if hub is None:
            with _lock:
                for ended in [other for other in _hubs if other.is_closed()]:
                    del _hubs[ended]
                hub = _hubs[loop] = cls(loop)
        return hub

    def register(self, address: str, member: Member) -> None:
        """Make `member` reachable under its own address."""
        self.members[address] = member

    def unregister(self, address: str) -> None:
        """Forget the address."""
        self.members.pop(address, None)

    def join(self, group: str, member: Member) -> None:
        """Make `member` hear what is said to `group`. Raises `TypeError` for a bad name."""
        members = self.groups.get(group)
        if members is None:
            members = self.groups[check_group(group)] = {}
        members[member] = None

    def leave(self, group: str, member: Member) -> None:
        """End the membership, if there is one."""
        members = self.groups.get(group)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self.groups[group]

    def publish(self, event: Event) -> None:
        """Hand `event` to every member its group has now, in the order they joined."""
        members = self.groups.get(event.group)
        if members is None:
            return
        if self._depth >= NESTING:
            self.loop.call_soon(self.publish, event)
            return
        self._depth += 1
        try:
            if EAGER and event.text is not None and event.close is None and not event.accept:
                self._spread(event, iter(tuple(members)))
            else:
                for member in tuple(members):
                    member.deliver(event)
        finally:
            self._depth -= 1

    def _spread(self, event: Event, members: Iterator[Member]) -> None:
        """Send what is rendered to all, in one task as long as no client makes it wait.

        A task that has to wait belongs to the client it waits for, and another one goes on with
        the rest.
        """
        while True:
            turn = Turn()
            task = start(_send_to_each(event, members, turn), self.loop)
            if task.done():
                return
            turn.over = True
            turn.outbox.own(task)

    # What others ask for, of whoever may be here.

    def tell(self, address: str, event: Event) -> None:
        """Hand `event` to the one connection at `address`."""
        if (member := self.members.get(address)) is not None:
            member.deliver(event)

    def enlist(self, address: str, group: str, asker: Any) -> None:
        """Let the connection at `address` join `group`."""
        if (member := self.members.get(address)) is not None:
            member.join(group, asker)

    def dismiss(self, address: str, group: str, asker: Any) -> None:
        """Let the connection at `address` leave `group`."""
        if (member := self.members.get(address)) is not None:
            member.leave(group, asker)


def publish(event: Event) -> None:
    """Say `event` to its group, from any thread; on a serving loop's own thread, at once."""
    everywhere(Hub.publish, event)


def everywhere(method: Callable[..., None], *args: Any) -> None:
    """Call `method(hub, *args)` for every hub of this process, each on its own loop."""
    try:
        here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    with _lock:
        hubs = list(_hubs.values())
    for hub in hubs:
        if hub.loop is here:
            method(hub, *args)
        else:
            with contextlib.suppress(RuntimeError):  # that loop is closed, and nobody is there
                hub.loop.call_soon_threadsafe(method, hub, *args)


def check_group(name: str) -> str:
    """`name`, if a channel layer would take it as a group's; `TypeError` otherwise."""
    if not isinstance(name, str) or not _GROUP.fullmatch(name):
        raise TypeError(
            f"{name!r} is no group name: it takes 1 to 99 ASCII letters, digits, '-', '_' or '.'."
        )
    return name


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}
_lock = threading.Lock()
