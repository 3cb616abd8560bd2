"""What a node says to other processes: in order, one packet at a time, each within a second.

Without a line to the layer what is said is counted and dropped; its number stays in the stream, so
those who would have heard it will know.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context

from ..concurrency.awaitables import DONE, Sent
from ..concurrency.serial_queue import SerialQueue, cancel_tasks
from ..protocol.messages import Event
from .counts import counts
from .layer import PATIENCE, LayerConnection, LayerUnavailable
from .packets import CommandPacket, EventsPacket, Packet, StreamHeads, pack
from .streams import RIPE, SentStreams

__all__ = ["EVERYONE", "HEARTBEAT", "PacketSender", "node_group"]

logger = logging.getLogger("rest_channels")

EVERYONE = "nodes:"
"""The group of all hubs. No group of a user has a colon in its name."""

HEARTBEAT = 1.0
"""Seconds between two signs of life: heads, canaries."""

QUEUE_SIZE = 10_000
"""Things that may wait to be said; what is said beyond that is dropped and counted."""

BACKPRESSURE_SIZE = 100
"""Things waiting from which on awaiting what one says is waiting for them."""

BATCH_SIZE = 64
"""Events of one group that travel in one packet, if they wait in a row."""

BATCH_BYTES = 256 * 1024

COMMANDS_KEPT = 1_000
"""Commands for everybody (whom to close, say) that are kept until there is a line again."""

HEADS_PER_PACKET = 500
"""Streams that are told in one packet."""


def node_group(node: str) -> str:
    """The group that only `node` is in."""
    return f"node:{node}"


class PacketSender:
    """The way out of one loop. In: the node's name; what gives the line, or `None`."""

    def __init__(
        self, node: str, get_line: Callable[[], Awaitable[LayerConnection | None]]
    ) -> None:
        self.node = node
        self.numbers = SentStreams()
        self._get_line = get_line
        self._lane: SerialQueue[tuple[str, Event | Packet]]
        self._lane = Context().run(SerialQueue, self._say, asyncio.Lock(), None)
        self._teller: asyncio.Task[None] | None = None
        self._reported = -math.inf
        self._ending = False
        self._owed: deque[CommandPacket] = deque(maxlen=COMMANDS_KEPT)
        self._put = 0
        self._done = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    def put(self, group: str, what: Event | Packet) -> Sent:
        """Queue something for `group`; to await the result is backpressure."""
        if len(self._lane.items) >= QUEUE_SIZE:
            self.numbers.take(group, 1, time.monotonic())
            self._lost(group, 1, "too much waits to be said")
            return DONE
        self._put += 1
        self._lane.put((group, what))
        return DONE if len(self._lane.items) < BACKPRESSURE_SIZE else Sent(self._room)

    @property
    def unsent(self) -> bool:
        """Whether anything waits, or is on its way."""
        return self._done < self._put

    async def flush(self) -> None:
        """Wait until all that is queued now is out, or lost."""
        if self.unsent:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append((self._put, waiter))
            await waiter

    async def stop(self) -> None:
        """Say what waits, tell how far the streams are, and end; within twice `PATIENCE`."""
        self._ending = True
        if self._teller is not None:
            await cancel_tasks({self._teller}, PATIENCE)
            self._tell(time.monotonic() + RIPE)
        await self._lane.drain(PATIENCE)
        self._advance(len(self._lane.items))
        await self._lane.stop(PATIENCE)

    def restore(self) -> None:
        """There is a line again: say what is owed, and tell what was lost."""
        self.numbers.restore(time.monotonic())
        for _ in range(len(self._owed)):
            self.put(EVERYONE, self._owed.popleft())

    async def _room(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.flush()

    async def _say(self, item: tuple[str, Event | Packet]) -> None:
        group, what = item
        events = (what, *self._following(group, what.size)) if isinstance(what, Event) else ()
        count = len(events) or 1
        try:
            if isinstance(what, Event | CommandPacket):
                await self._send(group, self._numbered(group, what, events), count)
            else:
                await self._send(group, what, 0)
        finally:
            self._advance(count)

    def _numbered(
        self, group: str, what: Event | CommandPacket, events: tuple[Event, ...]
    ) -> EventsPacket | CommandPacket:
        began, age, number = self.numbers.take(group, len(events) or 1, time.monotonic())
        if not self._ending and (self._teller is None or self._teller.done()):
            self._teller = asyncio.get_running_loop().create_task(self._keep_telling())
        if isinstance(what, CommandPacket):
            return what._replace(group=group, began=began, age=age, number=number)
        return EventsPacket(group, began, age, number, events)

    def _advance(self, count: int) -> None:
        self._done += count
        while self._waiters and self._waiters[0][0] <= self._done:
            waiter = self._waiters.popleft()[1]
            if not waiter.done():
                waiter.set_result(None)

    def _following(self, group: str, size: int) -> list[Event]:
        """The events of `group` that wait next: they travel with the first, of `size` bytes."""
        batch: list[Event] = []
        waiting = self._lane.items
        while waiting and len(batch) < BATCH_SIZE - 1:
            to, what = waiting[0]
            if to != group or not isinstance(what, Event):
                break
            size += what.size
            if size > BATCH_BYTES:
                break
            batch.append(what)
            del waiting[0]
        return batch

    async def _send(self, group: str, packet: Packet, count: int) -> None:
        line = await self._get_line()
        try:
            if line is None:
                raise LayerUnavailable("there is no line")
            await line.send(group, pack(self.node, packet))
        except LayerUnavailable as broken:
            self._lost(group, count, str(broken))
            if group == EVERYONE and isinstance(packet, CommandPacket):
                self._owed.append(packet)
        except TypeError:
            if isinstance(packet, EventsPacket) and count > 1:
                await self._send_each(packet)
            else:
                self._lost(group, count, "it cannot travel")
                logger.exception("What is said to %r cannot travel to other processes.", group)

    async def _send_each(self, say: EventsPacket) -> None:
        """One of its events cannot travel: the others go alone."""
        for place, event in enumerate(say.events):
            alone = say._replace(number=say.number + place, events=(event,))
            await self._send(say.group, alone, 1)

    def _lost(self, group: str, count: int, why: str) -> None:
        if not count:
            return
        self.numbers.lost(group)
        counts.add("undelivered", count)
        if time.monotonic() - self._reported > 10 * HEARTBEAT:
            self._reported = time.monotonic()
            logger.warning("Other processes do not hear what is said here: %s.", why)

    # Heads: told each second for as long as there are any.

    async def _keep_telling(self) -> None:
        while self.numbers.has_news(time.monotonic()):
            await asyncio.sleep(HEARTBEAT)
            self._tell(time.monotonic())

    def _tell(self, now: float) -> None:
        streams = list(self.numbers.heads(now).streams.items())
        for first in range(0, len(streams), HEADS_PER_PACKET):
            self.put(EVERYONE, StreamHeads(dict(streams[first : first + HEADS_PER_PACKET])))
