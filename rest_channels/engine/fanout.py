"""Send one message to many connections, so that no client waits for another."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any, Protocol

from ..concurrency.awaitables import Sent
from ..concurrency.serial_queue import EAGER_TASKS, SerialQueue, start_task
from ..protocol.messages import Event, Gap
from .outbox import FRAME_ERRORS, Outbox

__all__ = ["AddressedFrame", "Member", "deliver", "fan_out", "fan_out_each"]


class Member(Protocol):
    """The part of a connection that a hub uses."""

    address: str
    outbox: Outbox
    groups: Any
    """Its `GroupMemberships`. That class imports the hub, so it cannot be named here."""
    scope: Any
    """Its `ConnectionScope`."""
    identity_check: asyncio.Future[None] | None
    """What its next event waits for: the session, user or token is being read again."""
    on_identity_changed: tuple[Callable[[], Any], ...]
    """Called when its session, user or token may be another."""
    call_queue: SerialQueue[Any]
    needs_queue: bool
    """Whether rendered messages have to go through its handler too."""

    @property
    def partition(self) -> str:
        """The partition of the connection; `""` without partitions."""

    def deliver(self, event: Event | Gap) -> None:
        """Accept `event` without waiting and without raising."""

    def close(self, code: int = ..., reason: str = ...) -> Sent:
        """Close the connection."""

    async def wait_for_handlers(self) -> None:
        """Wait until the handlers that run now have ended, except detached ones."""

    async def wait_for_detached(self) -> None:
        """Wait for a while until the detached actions that run now have ended."""


AddressedFrame = tuple[Member, str, int]
"""A member, the text to send to it, and the size of the text in bytes."""


class Progress:
    """The state of one sending task: its outbox, and whether another task sends the rest."""

    __slots__ = ("outbox", "replaced")

    outbox: Outbox

    def __init__(self) -> None:
        self.replaced = False


async def _send_to_each(event: Event, frames: Iterator[AddressedFrame], progress: Progress) -> None:
    """Send to one member after another, with the steps of `Outbox.send` inlined.

    Calling it for each member would cost a third more.
    """
    for member, text, size in frames:
        outbox = progress.outbox = member.outbox
        if outbox.busy or member.needs_queue:
            is_shared = text is event.text
            member.deliver(event if is_shared else event._replace(text=text, size=size))
            continue
        message = {"type": "websocket.send", "text": text}
        outbox.busy = True
        outbox.size += size
        try:
            await outbox.transmit(message)
        except asyncio.CancelledError:
            outbox.requeue(message, size)
            raise
        except FRAME_ERRORS as error:
            await outbox.refuse(error)
        except Exception as error:  # noqa: BLE001 - each server reports a lost client differently
            outbox.fail(error)
        else:
            outbox.size -= size
        outbox.busy = False
        if outbox.items or outbox.waiters:
            outbox.start_writer()
        if progress.replaced:
            return


def fan_out(event: Event, members: Sequence[Member], loop: asyncio.AbstractEventLoop) -> None:
    """Send the rendered `event` to all `members`."""
    frames = zip(members, repeat(event.text or ""), repeat(event.size), strict=False)
    fan_out_each(event, frames, loop)


def fan_out_each(
    event: Event, frames: Iterator[AddressedFrame], loop: asyncio.AbstractEventLoop
) -> None:
    """Send each of `frames`, in one task until a client makes it wait.

    A waiting task then belongs to the connection of that client, and another task sends the rest.
    If a frame cannot be sent at once, `event`, with the text of the frame, goes to `deliver`.
    """
    if not EAGER_TASKS:  # a task would only start in the loop's next iteration
        for member, text, size in frames:
            member.deliver(event._replace(text=text, size=size))
        return
    while True:
        progress = Progress()
        task = start_task(_send_to_each(event, frames, progress), loop)
        if task.done():
            return
        progress.replaced = True
        progress.outbox.own_task(task)


def deliver(event: Event, members: Sequence[Member]) -> None:
    """Deliver `event` to each of `members`."""
    for member in members:
        member.deliver(event)
