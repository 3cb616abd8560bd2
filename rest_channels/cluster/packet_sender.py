"""Sends the packets of one node: in order, one at a time, each within `BROKER_TIMEOUT`.

Without a layer connection messages are counted and dropped. Their numbers stay in the stream, so
that their receivers notice the loss later.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context

from ..client_logs import log_for_client
from ..concurrency.awaitables import DONE, Sent
from ..concurrency.serial_queue import SerialQueue
from ..concurrency.tasks import cancel_tasks
from ..protocol.messages import Event
from .counts import counts
from .layer import BROKER_TIMEOUT, LayerConnection, LayerUnavailable
from .packets import CommandPacket, EventsPacket, LastNumbers, Packet, pack
from .streams import REPORT_AFTER, SentStreams

__all__ = ["ALL_NODES_GROUP", "HEARTBEAT", "PacketSender", "node_group"]

logger = logging.getLogger("rest_channels")

ALL_NODES_GROUP = "nodes:"
"""The group of all nodes. No group of a user has a colon in its name."""

HEARTBEAT = 1.0
"""Seconds between two self-test messages, and between two reports of last numbers."""

QUEUE_SIZE = 10_000
"""Messages that may be queued. Later ones are dropped and counted."""

BACKPRESSURE_SIZE = 100
"""Queued messages from which on a caller that awaits `put` waits for room."""

BATCH_SIZE = 64
"""Consecutive events of one group that travel in one packet."""

BATCH_BYTES = 256 * 1024

COMMANDS_KEPT = 1_000
"""Commands for all hubs, such as closing connections, that are kept while the layer is lost."""

STREAMS_PER_PACKET = 500
"""Streams whose last numbers travel in one packet."""


def node_group(node: str) -> str:
    """Return the group that only `node` is in."""
    return f"node:{node}"


class PacketSender:
    """Sends the packets of `node` through the layer connection that `get_connection` returns."""

    def __init__(
        self, node: str, get_connection: Callable[[], Awaitable[LayerConnection | None]]
    ) -> None:
        self.node = node
        self.streams = SentStreams()
        self._get_connection = get_connection
        self._queue: SerialQueue[tuple[str, Event | Packet]]
        self._queue = Context().run(SerialQueue, self._send_item, None)
        self._report_task: asyncio.Task[None] | None = None
        self._warned_at = -math.inf
        self._stopping = False
        self._kept_commands: deque[CommandPacket] = deque(maxlen=COMMANDS_KEPT)
        self._put_count = 0
        self._finished_count = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()

    def put(self, group: str, content: Event | Packet) -> Sent:
        """Queue `content` for `group`. Awaiting the result is back-pressure."""
        if len(self._queue.items) >= QUEUE_SIZE:
            self._drop(group, content)
            return DONE
        self._put_count += 1
        self._queue.put((group, content))
        return DONE if len(self._queue.items) < BACKPRESSURE_SIZE else Sent(self._wait_for_room)

    @property
    def unsent(self) -> bool:
        """Whether anything is queued or being sent."""
        return self._finished_count < self._put_count

    async def flush(self) -> None:
        """Wait until everything that is queued now is sent or lost."""
        if self.unsent:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append((self._put_count, waiter))
            await waiter

    async def stop(self) -> None:
        """Send what is queued and the last numbers of the streams, then end."""
        self._stopping = True
        if self._report_task is not None:
            await cancel_tasks({self._report_task}, BROKER_TIMEOUT)
            self._queue_last_numbers(time.monotonic() + REPORT_AFTER)
        await self._queue.drain(BROKER_TIMEOUT)
        self._count_finished(len(self._queue.items))
        await self._queue.stop(BROKER_TIMEOUT)

    def _drop(self, group: str, content: Event | Packet) -> None:
        if isinstance(content, Event | CommandPacket):  # the others have no number
            self.streams.take_numbers(group, 1, time.monotonic())
            self._record_loss(group, 1, "too many messages are queued")
        elif isinstance(content, LastNumbers):
            self.streams.keep_due(content, time.monotonic())

    def restore(self) -> None:
        """Use a new layer connection: send the kept commands, and report lost messages."""
        self.streams.restore(time.monotonic())
        self._report_in_time()
        for _ in range(len(self._kept_commands)):
            self.put(ALL_NODES_GROUP, self._kept_commands.popleft())

    async def _wait_for_room(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BROKER_TIMEOUT):
                await self.flush()

    async def _send_item(self, item: tuple[str, Event | Packet]) -> None:
        group, content = item
        events: tuple[Event, ...] = ()
        if isinstance(content, Event):
            events = (content, *self._take_following(group, content.size))
        count = len(events) or 1
        try:
            if isinstance(content, Event | CommandPacket):
                await self._send(group, self._number(group, content, events), count)
            else:
                await self._send(group, content, 0)
        finally:
            self._count_finished(count)

    def _number(
        self, group: str, content: Event | CommandPacket, events: tuple[Event, ...]
    ) -> EventsPacket | CommandPacket:
        began, age, number = self.streams.take_numbers(group, len(events) or 1, time.monotonic())
        self._report_in_time()
        if isinstance(content, CommandPacket):
            return content._replace(group=group, began=began, age=age, number=number)
        return EventsPacket(group, began, age, number, events)

    def _count_finished(self, count: int) -> None:
        self._finished_count += count
        while self._waiters and self._waiters[0][0] <= self._finished_count:
            waiter = self._waiters.popleft()[1]
            if not waiter.done():
                waiter.set_result(None)

    def _take_following(self, group: str, size: int) -> list[Event]:
        """Take the next events of `group` from the queue, to travel with one of `size` bytes."""
        batch: list[Event] = []
        items = self._queue.items
        while items and len(batch) < BATCH_SIZE - 1:
            next_group, content = items[0]
            if next_group != group or not isinstance(content, Event):
                break
            size += content.size
            if size > BATCH_BYTES:
                break
            batch.append(content)
            del items[0]
        return batch

    async def _send(self, group: str, packet: Packet, count: int) -> None:
        connection = await self._get_connection()
        try:
            if connection is None:
                raise LayerUnavailable("there is no connection to the channel layer")
            await connection.send(group, pack(self.node, packet))
        except LayerUnavailable as error:
            self._record_loss(group, count, str(error))
            if group == ALL_NODES_GROUP and isinstance(packet, CommandPacket):
                self._kept_commands.append(packet)
            elif isinstance(packet, LastNumbers):
                for name in packet.streams:
                    self.streams.mark_undelivered(name)
        except TypeError as error:
            if isinstance(packet, EventsPacket) and count > 1:
                await self._send_each(packet)
            else:
                self._record_loss(group, count, "a message cannot be serialized")
                text = "A message to %r cannot travel to other processes."
                log_for_client(logger, logging.ERROR, text, group, error=error)

    async def _send_each(self, packet: EventsPacket) -> None:
        """Send each event on its own, because one of them cannot be serialized."""
        for index, event in enumerate(packet.events):
            single = packet._replace(number=packet.number + index, events=(event,))
            await self._send(packet.group, single, 1)

    def _record_loss(self, group: str, count: int, reason: str) -> None:
        if not count:
            return
        self.streams.mark_undelivered(group)
        counts.add("undelivered", count)
        if time.monotonic() - self._warned_at > 10 * HEARTBEAT:
            self._warned_at = time.monotonic()
            logger.warning("Messages do not reach other processes: %s.", reason)

    def _report_in_time(self) -> None:
        if not self._stopping and (self._report_task is None or self._report_task.done()):
            self._report_task = asyncio.get_running_loop().create_task(self._report_last_numbers())

    async def _report_last_numbers(self) -> None:
        while self.streams.has_last_numbers(time.monotonic()):
            await asyncio.sleep(HEARTBEAT)
            self._queue_last_numbers(time.monotonic())

    def _queue_last_numbers(self, now: float) -> None:
        streams = list(self.streams.last_numbers(now).streams.items())
        for start in range(0, len(streams), STREAMS_PER_PACKET):
            batch = dict(streams[start : start + STREAMS_PER_PACKET])
            self.put(ALL_NODES_GROUP, LastNumbers(batch))
