"""One node's way to the other processes, which outlives its lines to the channel layer.

A *canary*, a packet to itself each second, finds out whether the layer still knows us. When a line
fails another is opened, four attempts a second; all groups are joined again, and their members are
told that they may have missed something.
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

from ..concurrency.serial_queue import cancel_tasks, cancel_until_done, start_task
from ..protocol.messages import Event
from .counts import counts
from .layer import PATIENCE, LayerConnection, LayerUnavailable
from .layer_memberships import LayerMemberships
from .nodes import process_of
from .packet_sender import EVERYONE, HEARTBEAT, PacketSender, node_group
from .packets import (
    Acknowledgement,
    CommandPacket,
    Packet,
    SelfTest,
    StreamHeads,
    UnreadablePacket,
    pack,
    unpack,
)
from .streams import ReceivedStreams

__all__ = ["Link", "PacketReceiver"]

logger = logging.getLogger("rest_channels")

SILENCE = 0.3
"""Seconds that a canary has to come back; the second that does not ends the line."""

RETRY = 0.25
"""Seconds between two attempts to open a line."""


class PacketReceiver:
    """Receives the packets of other processes. By default it is in no group and does nothing."""

    def wants_group(self, group: str) -> bool:
        """Whether somebody here is a member of `group`."""
        return False

    def wanted_groups(self) -> list[str]:
        """All those groups."""
        return []

    def receive(self, event: Event) -> None:
        """Another process says `event`."""

    def run_command(self, command: str, args: tuple[Any, ...]) -> Awaitable[Any] | None:
        """Another process asks for `command`; what to wait for until it is done."""
        return None

    def messages_lost(self, groups: list[str]) -> None:
        """Something said to `groups` has not come, and will not."""

    def layer_restored(self) -> None:
        """The layer was lost and is back: anything may have been missed."""


class Link:
    """See the module's text. It belongs to the running loop, and `stop` ends all it began.

    In: `after`, what has to be said by others before it speaks, so that the order is kept.
    """

    def __init__(
        self, node: str, receiver: PacketReceiver, after: "Future[Any] | None" = None
    ) -> None:
        self.node = node
        self._after = after
        self.receiver = receiver
        self.sender = PacketSender(node, self._get_line)
        self.heard = ReceivedStreams()
        for control in (EVERYONE, node_group(node)):
            self.heard.join(control, time.monotonic())
        self._opened: LayerConnection | None = None
        self._line: LayerConnection | None = None  # once it works
        self._memberships: LayerMemberships | None = None
        self._over = False
        self._lost = False
        self._puzzled = False  # by a packet of another release
        self._sign_of_life = asyncio.Event()
        self._asked: dict[int, asyncio.Future[None]] = {}
        self._ids = itertools.count(1)
        self._obeying: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self.tried: asyncio.Future[None] = loop.create_future()
        """Done when the first attempt to open a line is over, however it went."""
        self._keeper = loop.create_task(self._keep(), context=Context())

    async def stop(self) -> None:
        """Say what waits to be said, then leave."""
        await self.sender.stop()
        self._over = True
        await cancel_until_done(self._keeper, PATIENCE)
        await cancel_tasks(self._obeying, PATIENCE)
        await self._close()

    async def _get_line(self) -> LayerConnection | None:
        if not self.tried.done():
            await asyncio.wait({self.tried}, timeout=PATIENCE)
        line = self._line
        return None if line is None or line.failed.is_set() else line

    # Groups.

    def join(self, group: str) -> asyncio.Future[Any] | None:
        """Hear what is said to `group`; what to wait for until it is so."""
        self.heard.join(group, time.monotonic())
        if self._memberships is not None:
            return self._memberships.change(group)
        return None if self.tried.done() else self.tried

    def leave(self, group: str) -> None:
        """Stop hearing it."""
        self.heard.leave(group)
        if self._memberships is not None:
            self._memberships.change(group)

    # The line.

    async def _keep(self) -> None:
        """Open lines, one after another."""
        if self._after is not None:
            await asyncio.wait({asyncio.wrap_future(self._after)}, timeout=PATIENCE)
        while not self._over:
            line, began = LayerConnection(), time.monotonic()
            self._opened = line
            try:
                await self._open(line)
                self._announce()
                while not self._over:
                    await self._watch(line)
            except LayerUnavailable as broken:
                self._mourn(line, broken)
                await self._close()
            finally:
                self._announce()
            if time.monotonic() - began < HEARTBEAT:
                await asyncio.sleep(RETRY)

    async def _open(self, line: LayerConnection) -> None:
        """Begin to use `line`. Raises `LayerUnavailable`."""
        await line.listen(self._hear)
        await line.add(node_group(self.node))
        if not await self._hears_itself(line):
            raise LayerUnavailable("a new line stays silent")
        self._line = line
        own = node_group(self.node)
        self._memberships = LayerMemberships(
            line, lambda one: one == own or self.receiver.wants_group(one)
        )
        self._memberships.joined[own] = None
        self.sender.restore()
        await self._memberships.change_all(self.receiver.wanted_groups())
        if self._lost and not line.failed.is_set():
            self._lost = False
            logger.warning("The channel layer is back: other processes are heard again.")
            self.receiver.layer_restored()

    def _announce(self) -> None:
        """Let those go on who wait for the first line."""
        if not self.tried.done():
            self.tried.set_result(None)

    async def _watch(self, line: LayerConnection) -> None:
        """Wait for one heartbeat, then check `line`. Raises `LayerUnavailable`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                await line.failed.wait()
            raise LayerUnavailable("it failed")
        if not (await self._hears_itself(line) or await self._hears_itself(line)):
            raise LayerUnavailable("nothing comes back from it")
        if self._memberships is not None:
            await self._memberships.renew()
        self.heard.forget_idle(time.monotonic())

    def _mourn(self, line: LayerConnection, why: LayerUnavailable) -> None:
        line.fail(why)
        if not self._lost:
            self._lost = True
            counts.add("outages")
            logger.warning("The channel layer is lost (%s): other processes are not heard.", why)

    async def _hears_itself(self, line: LayerConnection) -> bool:
        """Send a canary; whether it, or anything else, comes soon. Raises `LayerUnavailable`."""
        loop = asyncio.get_running_loop()
        self._sign_of_life.clear()
        await line.send(node_group(self.node), pack(self.node, SelfTest(next(self._ids))))
        sent = loop.time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENCE):
                await self._sign_of_life.wait()
            return True
        return loop.time() - sent > 2 * SILENCE  # it was this loop that stood still

    async def _close(self) -> None:
        """Give up the line, if there is one, and leave its groups, if it still works."""
        line, self._opened, self._line = self._opened, None, None
        memberships, self._memberships = self._memberships, None
        if memberships is not None:
            await memberships.end()
        if line is not None:
            await line.close()

    # Hearing.

    def _hear(self, message: dict[str, Any]) -> None:
        self._sign_of_life.set()
        try:
            source, packet = unpack(message)
        except UnreadablePacket as why:
            if not self._puzzled:
                self._puzzled = True
                logger.warning("Packets of another release are passed over: %s.", why)
            counts.add("unreadable")
            return
        try:
            self._take(source, packet)
        except Exception:
            logger.exception("What %s says could not be handled.", source)

    def _take(self, source: str, packet: Packet) -> None:
        if isinstance(packet, Acknowledgement):
            answer = self._asked.get(packet.id)
            if answer is not None and not answer.done():
                answer.set_result(None)
        elif isinstance(packet, SelfTest) or process_of(source) == process_of(self.node):
            return  # what this process says, it has told its own already
        elif isinstance(packet, StreamHeads):
            self._miss(self.heard.heads(source, packet, time.monotonic()))
        else:
            missing, again = self.heard.take(source, packet, time.monotonic())
            if missing:
                self._miss({packet.group: missing})
            if isinstance(packet, CommandPacket):
                if not again:
                    self._obey(source, packet)
            else:
                for event in packet.events[again:]:
                    self.receiver.receive(event)

    def _miss(self, missing: dict[str, int]) -> None:
        if missing:
            counts.add("missed", sum(missing.values()))
            logger.warning("Messages of other processes were lost: %r.", missing)
            self.receiver.messages_lost(list(missing))

    # Commands.

    async def ask(self, node: str, command: str, *args: Any) -> bool:
        """Let `node` obey, and wait until it has; whether it did within `PATIENCE`."""
        if await self._get_line() is None:
            return False
        number = next(self._ids)
        self._asked[number] = answer = asyncio.get_running_loop().create_future()
        try:
            self.sender.put(node_group(node), CommandPacket(command, args, number))
            async with asyncio.timeout(PATIENCE):
                await answer
        except TimeoutError:
            return False
        finally:
            del self._asked[number]
        return True

    def _obey(self, source: str, packet: CommandPacket) -> None:
        waiting = self.receiver.run_command(packet.command, packet.args)
        if packet.id is not None:
            task = start_task(
                self._acknowledge(source, packet.id, waiting), asyncio.get_running_loop()
            )
            self._obeying.add(task)
            task.add_done_callback(self._obeying.discard)

    async def _acknowledge(self, source: str, number: int, waiting: Any) -> None:
        if waiting is not None:
            await waiting
        self.sender.put(node_group(source), Acknowledgement(number))
