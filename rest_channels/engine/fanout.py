"""Send one message to many connections, so that no client waits for another."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any, Protocol

from ..concurrency.awaitables import Sent
from ..concurrency.serial_queue import SerialQueue
from ..concurrency.tasks import EAGER_TASKS, start_task
from ..protocol.asgi_messages import FRAME_ERRORS, Message, frame_message
from ..protocol.messages import Event, Gap
from .outbox import Outbox

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
    def overrides_sending(self) -> bool:
        """Whether its class sends messages itself, so that they have no offsets."""

    @property
    def has_other_handlers(self) -> bool:
        """Whether handlers of messages, or detached actions, run beside the running call."""

    @property
    def partition(self) -> str:
        """The partition of the connection; `""` without partitions."""

    def deliver(self, event: Event | Gap) -> None:
        """Accept `event` without waiting and without raising."""

    def begin_check(self, check: asyncio.Future[None]) -> None:
        """Let its next event, and messages to it, wait for `check`."""

    def end_check(self, check: asyncio.Future[None]) -> None:
        """Wait for `check` no more."""

    def close(self, code: int = ..., reason: str = ...) -> Sent:
        """Close the connection."""

    async def wait_for_handlers(self) -> None:
        """Wait until the handlers that run now have ended, except detached ones."""

    async def wait_for_detached(self) -> None:
        """Wait for a while until the detached actions that run now have ended."""


AddressedFrame = tuple[Member, Message, int]
"""A member, the ASGI message with its text frame, and the size of the text in bytes."""


class Progress:
    """What one task is sending, and whether it waits, so that another task sends the rest."""

    __slots__ = ("outbox", "replaced", "size")

    outbox: Outbox
    size: int  # in bytes

    def __init__(self) -> None:
        self.replaced = False


async def _send_to_each(event: Event, frames: Iterator[AddressedFrame], progress: Progress) -> None:
    """Send to one member after another, with the steps of `Outbox.send` inlined.

    Calling it for each member would cost a third more. A message is counted in the outbox only if
    its client makes this task wait.
    """
    for member, message, size in frames:
        outbox = progress.outbox = member.outbox
        if outbox.busy or member.needs_queue:
            _deliver_frame(event, member, message["text"], size)
            continue
        outbox.busy = True
        progress.size = size
        try:
            await outbox.transmit(message)
        except asyncio.CancelledError as error:
            if progress.replaced:
                outbox.requeue(message, size)
                raise
            outbox.fail(error)  # raised by the server: this task has not waited
        except Exception as error:  # noqa: BLE001 - each server reports a lost client differently
            await _end_client(progress, error)
        else:
            if progress.replaced:
                outbox.size -= size
        outbox.busy = False
        if outbox.items or outbox.waiters:
            outbox.start_writer()
        if progress.replaced:
            return


async def _end_client(progress: Progress, error: Exception) -> None:
    """Close a client that a frame cannot be sent to, or note that it has gone."""
    progress.size = 0  # the closed outbox counts nothing
    if isinstance(error, FRAME_ERRORS):
        await progress.outbox.refuse(error)
    else:
        progress.outbox.fail(error)


def _deliver_frame(event: Event, member: Member, text: str, size: int) -> None:
    """Let `member` queue `event`, with its own text if it is not that of all members."""
    member.deliver(event if text is event.text else event._replace(text=text, size=size))


def fan_out(event: Event, members: Sequence[Member], loop: asyncio.AbstractEventLoop) -> None:
    """Send the rendered `event` to all `members`."""
    # What a server or a middleware does with a message concerns one client: each gets a copy.
    messages = map(dict.copy, repeat(frame_message(event.text, None)))
    fan_out_each(event, zip(members, messages, repeat(event.size), strict=False), loop)


def fan_out_each(
    event: Event, frames: Iterator[AddressedFrame], loop: asyncio.AbstractEventLoop
) -> None:
    """Send each of `frames`, in one task until a client makes it wait.

    A waiting task then belongs to the connection of that client, and another task sends the rest.
    If a frame cannot be sent at once, `event`, with the text of the frame, goes to `deliver`.
    """
    if not EAGER_TASKS:  # a task would only start in the loop's next iteration
        for member, message, size in frames:
            _deliver_frame(event, member, message["text"], size)
        return
    while True:
        progress = Progress()
        task = start_task(_send_to_each(event, frames, progress), loop)
        if task.done():
            return
        progress.replaced = True
        progress.outbox.own_task(task)
        progress.outbox.size += progress.size


def deliver(event: Event, members: Sequence[Member]) -> None:
    """Deliver `event` to each of `members`."""
    for member in members:
        member.deliver(event)
