"""Connects one node to the other processes through the channel layer, across broker failures.

A link sends a self-test message to itself each second, to find out whether the layer still delivers
to it. When a layer connection fails, the link opens another, up to four times a second. It joins
all groups again and reports to their members that messages may be missing.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Awaitable
from concurrent.futures import Future
from contextvars import Context
from typing import Any

from ..client_logs import log_for_client
from ..concurrency.tasks import cancel_tasks, cancel_until_done, start_task
from ..protocol.messages import Event
from .counts import counts
from .layer import BROKER_TIMEOUT, LayerConnection, LayerUnavailable
from .layer_memberships import LayerMemberships
from .nodes import process_of
from .packet_sender import ALL_NODES_GROUP, HEARTBEAT, PacketSender, node_group
from .packets import (
    Acknowledgement,
    CommandPacket,
    EventsPacket,
    LastNumbers,
    Packet,
    SelfTest,
    UnreadablePacket,
    pack,
    unpack,
)
from .streams import ReceivedStreams

__all__ = ["Link", "PacketReceiver"]

logger = logging.getLogger("rest_channels")

SELF_TEST_TIMEOUT = 0.3
"""Seconds until a self-test message must be back. Two missing in a row end the connection. The
first of a process may take `BROKER_TIMEOUT`: while it starts it is slow, and messages wait."""

RETRY_DELAY = 0.25
"""Seconds between two attempts to open a layer connection."""


class PacketReceiver:
    """Receives the packets of other processes. By default it is in no group and does nothing."""

    def wants_group(self, group: str) -> bool:
        """Return whether `group` has members here."""
        return False

    def wanted_groups(self) -> list[str]:
        """Return all groups that have members here."""
        return []

    def receive(self, event: Event) -> None:
        """Handle `event`, which another process sent to a group."""

    def run_command(self, command: str, args: tuple[Any, ...]) -> Awaitable[Any] | None:
        """Run `command` for another process. Return an awaitable if it is not done yet."""
        return None

    def messages_lost(self, groups: list[str]) -> None:
        """Handle the loss of messages to `groups`: they will not arrive."""

    def layer_restored(self) -> None:
        """Handle the return of a lost layer: any message may be missing."""


class Link:
    """Connects `node` to other processes. It belongs to the running loop.

    It sends nothing before the future `after` is done, to keep the order of messages.
    """

    def __init__(
        self, node: str, receiver: PacketReceiver, after: "Future[Any] | None" = None
    ) -> None:
        self.node = node
        self.receiver = receiver
        self.sender = PacketSender(node, self._get_connection)
        self.received_streams = ReceivedStreams()
        for group in (ALL_NODES_GROUP, node_group(node)):
            self.received_streams.join(group, time.monotonic())
        self._after = after
        self._own_process = f"{process_of(node)}-"  # the prefix of the names of its nodes
        self._opened: LayerConnection | None = None
        self._connection: LayerConnection | None = None  # `_opened`, once it works
        self._memberships: LayerMemberships | None = None
        self._stopped = self._layer_lost = self._unreadable_logged = False
        self._message_received = asyncio.Event()
        self._acknowledgements: dict[int, asyncio.Future[None]] = {}
        self._ids = itertools.count(1)
        self._command_tasks: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self.first_attempt: asyncio.Future[None] = loop.create_future()
        """Done when the first layer connection is open, or could not be opened."""
        self._connect_task = loop.create_task(self._keep_connected(), context=Context())

    async def stop(self) -> None:
        """Send what is queued, then leave all groups and end all tasks."""
        await self.sender.stop()
        self._stopped = True
        await cancel_until_done(self._connect_task, BROKER_TIMEOUT)
        await cancel_tasks(self._command_tasks, BROKER_TIMEOUT)
        await self._close()

    async def _get_connection(self) -> LayerConnection | None:
        if not self.first_attempt.done():
            await asyncio.wait({self.first_attempt}, timeout=BROKER_TIMEOUT)
        connection = self._connection
        return None if connection is None or connection.failed.is_set() else connection

    # Groups.

    def join(self, group: str) -> asyncio.Future[Any] | None:
        """Receive the messages to `group`. Return a future to wait for until then, or `None`."""
        self.received_streams.join(group, time.monotonic())
        if self._memberships is not None:
            return self._memberships.change(group)
        return None if self.first_attempt.done() else self.first_attempt

    def leave(self, group: str) -> None:
        self.received_streams.leave(group)
        if self._memberships is not None:
            self._memberships.change(group)

    # The layer connection.

    async def _keep_connected(self) -> None:
        """Open one layer connection after another."""
        if self._after is not None:
            await asyncio.wait({asyncio.wrap_future(self._after)}, timeout=BROKER_TIMEOUT)
        while not self._stopped:
            connection, began = LayerConnection(), time.monotonic()
            self._opened = connection
            try:
                await self._open(connection)
                self._finish_first_attempt()
                while not self._stopped:
                    await self._wait_and_check(connection)
            except LayerUnavailable as error:
                self._record_failure(connection, error)
                await self._close()
            finally:
                self._finish_first_attempt()
            if time.monotonic() - began < HEARTBEAT:
                await asyncio.sleep(RETRY_DELAY)

    async def _open(self, connection: LayerConnection) -> None:
        """Begin to use `connection`. Raise `LayerUnavailable`."""
        await connection.listen(self._receive_message)
        await connection.add(own_group := node_group(self.node))
        if not await self._test(connection):
            raise LayerUnavailable("a new connection to it delivers nothing")
        self._connection = connection
        self._memberships = LayerMemberships(
            connection, lambda group: group == own_group or self.receiver.wants_group(group)
        )
        self._memberships.joined[own_group] = None
        self.sender.restore()
        await self._memberships.change_all(self.receiver.wanted_groups())
        if self._layer_lost and not connection.failed.is_set():
            self._layer_lost = False
            logger.warning("The channel layer is back: messages of other processes arrive again.")
            self.receiver.layer_restored()

    def _finish_first_attempt(self) -> None:
        if not self.first_attempt.done():
            self.first_attempt.set_result(None)

    async def _wait_and_check(self, connection: LayerConnection) -> None:
        """Wait for one heartbeat, then check `connection`. Raise `LayerUnavailable`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                await connection.failed.wait()
            raise LayerUnavailable("the connection to it failed")
        if not (await self._test(connection) or await self._test(connection)):
            raise LayerUnavailable("it does not deliver the self-test message")
        if self._memberships is not None:
            await self._memberships.renew()
        self.received_streams.forget_idle(time.monotonic())

    def _record_failure(self, connection: LayerConnection, error: LayerUnavailable) -> None:
        connection.fail(error)
        if not self._layer_lost:
            self._layer_lost = True
            counts.add("outages")
            logger.warning(
                "The channel layer is lost (%s): no messages from other processes.", error
            )

    async def _test(self, connection: LayerConnection) -> bool:
        """Send a self-test message. Return whether any message arrives in time."""
        loop = asyncio.get_running_loop()
        self._message_received.clear()
        await connection.send(node_group(self.node), pack(self.node, SelfTest(next(self._ids))))
        sent = loop.time()
        seconds = SELF_TEST_TIMEOUT if self.first_attempt.done() else BROKER_TIMEOUT
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._message_received.wait()
            return True
        return loop.time() - sent > 2 * seconds  # this loop was blocked, not the layer

    async def _close(self) -> None:
        """Leave the groups, if the layer connection still works, and close it, if there is one."""
        connection, self._opened, self._connection = self._opened, None, None
        memberships, self._memberships = self._memberships, None
        if memberships is not None:
            await memberships.end()
        if connection is not None:
            await connection.close()

    # Packets received.

    def _receive_message(self, message: dict[str, Any]) -> None:
        self._message_received.set()
        if isinstance(message, dict) and str(message.get("from")).startswith(self._own_process):
            return  # the members in this process have received it already
        try:
            source, packet = unpack(message)
        except UnreadablePacket as error:
            if not self._unreadable_logged:
                self._unreadable_logged = True
                logger.warning("Packets of another release are ignored: %s.", error)
            counts.add("unreadable")
            return
        try:
            self._handle_packet(source, packet)
        except Exception as error:  # noqa: BLE001 - the next packets are handled all the same
            text = "A packet of the node %s could not be handled."
            log_for_client(logger, logging.ERROR, text, source, error=error)

    def _handle_packet(self, source: str, packet: Packet) -> None:
        if isinstance(packet, Acknowledgement):
            acknowledgement = self._acknowledgements.get(packet.id)
            if acknowledgement is not None and not acknowledgement.done():
                acknowledgement.set_result(None)
        elif isinstance(packet, LastNumbers):
            missing = self.received_streams.receive_last_numbers(source, packet, time.monotonic())
            self._report_missing(missing)
        elif isinstance(packet, EventsPacket | CommandPacket):
            self._handle_numbered(source, packet)

    def _handle_numbered(self, source: str, packet: EventsPacket | CommandPacket) -> None:
        missing, repeated = self.received_streams.receive(source, packet, time.monotonic())
        self._report_missing({packet.group: missing} if missing else {})
        if isinstance(packet, EventsPacket):
            for event in packet.events[repeated:]:
                self.receiver.receive(event)
        elif not repeated:
            self._run_command(source, packet)

    def _report_missing(self, missing: dict[str, int]) -> None:
        if missing:
            counts.add("missed", sum(missing.values()))
            text = "Messages of other processes were lost: %.1000r."
            log_for_client(logger, logging.WARNING, text, missing)
            self.receiver.messages_lost(list(missing))

    # Commands.

    async def send_command(self, node: str, command: str, *args: Any) -> bool:
        """Let `node` run `command`. Return whether it was done within `BROKER_TIMEOUT`."""
        if await self._get_connection() is None:
            return False
        number = next(self._ids)
        self._acknowledgements[number] = done = asyncio.get_running_loop().create_future()
        try:
            self.sender.put(node_group(node), CommandPacket(command, args, number))
            async with asyncio.timeout(BROKER_TIMEOUT):
                await done
        except TimeoutError:
            return False
        finally:
            del self._acknowledgements[number]
        return True

    def _run_command(self, source: str, packet: CommandPacket) -> None:
        done = None
        try:
            done = self.receiver.run_command(packet.command, packet.args)
        finally:  # an error here is logged here; the other process need not wait
            if packet.id is not None:
                work = self._acknowledge(source, packet.id, done)
                task = start_task(work, asyncio.get_running_loop())
                self._command_tasks.add(task)
                task.add_done_callback(self._command_tasks.discard)

    async def _acknowledge(self, source: str, number: int, done: Awaitable[Any] | None) -> None:
        if done is not None:
            await done
        self.sender.put(node_group(source), Acknowledgement(number))
