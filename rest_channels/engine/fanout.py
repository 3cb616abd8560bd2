"""One message on its way to many connections: nobody waits for anybody, and nobody is copied."""

import asyncio
from collections.abc import Hashable, Iterator, Sequence
from itertools import repeat
from typing import Protocol

from ..concurrency.awaitables import Sent
from ..concurrency.serial_queue import EAGER, start_task
from ..protocol.messages import Event, Gap
from .outbox import Outbox

__all__ = ["AddressedFrame", "Member", "MemberGroups", "deliver", "fan_out", "fan_out_each"]


class MemberGroups(Protocol):
    """What a connection has joined."""

    def join(self, group: str, subscriber: Hashable = None) -> Sent:
        """Become a member of `group`."""

    def leave(self, group: str, subscriber: Hashable = None) -> None:
        """Stop being one."""

    def join_layer_group(self, group: str) -> Sent:
        """Become a member of `group` in both lanes."""

    def leave_layer_group(self, group: str) -> None:
        """Stop being one."""


class Member(Protocol):
    """What a hub knows of a connection."""

    address: str
    outbox: Outbox

    needs_queue: bool
    """Whether even what is rendered has to be delivered, not just sent."""

    @property
    def groups(self) -> MemberGroups:
        """What it has joined."""

    def deliver(self, event: Event | Gap) -> None:
        """Take `event` without waiting and without raising."""

    def close(self, code: int = ..., reason: str = ...) -> Sent:
        """End it."""


AddressedFrame = tuple[Member, str, int]
"""Who is sent which text, and its size in bytes."""


class Progress:
    """How far one task came with a message for many."""

    __slots__ = ("outbox", "over")

    outbox: Outbox

    def __init__(self) -> None:
        self.over = False


async def _send_to_each(event: Event, frames: Iterator[AddressedFrame], progress: Progress) -> None:
    """Send to one after another: what `Outbox.write` does, written out.

    A call of it for each member would cost a third more.
    """
    for member, text, size in frames:
        outbox = progress.outbox = member.outbox
        if outbox.busy or member.needs_queue:
            same = text is event.text
            member.deliver(event if same else event._replace(text=text, size=size))
            continue
        message = {"type": "websocket.send", "text": text}
        outbox.busy = True
        outbox.size += size
        try:
            await outbox.transmit(message)
        except asyncio.CancelledError:
            outbox.interrupted(message, size)
            raise
        except Exception as error:  # noqa: BLE001 - servers have many ways to say that nobody is there
            outbox.fail(error)
        else:
            outbox.size -= size
        outbox.busy = False
        if outbox.items or outbox.waiters:
            outbox.begin()
        if progress.over:
            return


def fan_out(event: Event, members: Sequence[Member], loop: asyncio.AbstractEventLoop) -> None:
    """Send what is rendered to all."""
    frames = zip(members, repeat(event.text or ""), repeat(event.size), strict=False)
    fan_out_each(event, frames, loop)


def fan_out_each(
    event: Event, frames: Iterator[AddressedFrame], loop: asyncio.AbstractEventLoop
) -> None:
    """Send each a text of his own, in one task as long as no client makes it wait.

    A task that has to wait belongs to the client it waits for, and another one goes on with the
    rest. In: `event`, of which all else is said to those who cannot be sent to at once.
    """
    if not EAGER:  # no task would run before the next turn of the loop
        for member, text, size in frames:
            member.deliver(event._replace(text=text, size=size))
        return
    while True:
        progress = Progress()
        task = start_task(_send_to_each(event, frames, progress), loop)
        if task.done():
            return
        progress.over = True
        progress.outbox.own_task(task)


def deliver(event: Event, members: Sequence[Member]) -> None:
    """Let all take `event`, however they do."""
    for member in members:
        member.deliver(event)
