"""Channels' lane: what any code of the project says by the layer's own verbs.

A message sent with `channel_layer.group_send` arrives without its group's name, so every group
that somebody here listens to has a channel and a reader of its own. The layer is the instance that
all code of the process shares, because names of channels are only good with the instance that made
them.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context
from functools import partial
from typing import Any, Protocol

from channels.exceptions import ChannelFull

from ..concurrency.awaitables import DONE, Sent
from ..concurrency.serial_queue import SerialQueue, cancel_until_done
from ..protocol.messages import Event
from .counts import counts
from .layer import PATIENCE, group_expiry, shared_layer

__all__ = ["Listener", "Listeners", "MessageReceiver"]

logger = logging.getLogger("rest_channels")

RETRY = 0.5
"""Seconds between two attempts to read where the layer fails."""

AT_ONCE = 32
"""How many groups are joined at a time; a client of Redis has 100 connections."""

DOWN = 1.0
"""Seconds for which a layer that failed is not asked again."""

QUEUE = 10_000
"""Messages that may wait for the layer."""

MISTAKES = (TypeError, ValueError, OverflowError, RuntimeError, AssertionError, ChannelFull)
"""What a layer raises for its caller's sake; everything else means that it failed."""

Message = dict[str, Any]
Work = Callable[[], Coroutine[Any, Any, Any]]


class MessageReceiver(Protocol):
    """Who listens: a connection."""

    def deliver(self, event: Event) -> None:
        """Take `event` without waiting and without raising."""


class Listener:
    """One channel of `layer` and its reader: `hear` is called with each message.

    It is a member of `group`, if there is one; `slots` bounds who joins at a time. `ready` is done
    when it is a member, or has failed once.
    """

    def __init__(
        self,
        layer: Any,
        hear: Callable[[Message], None],
        slots: asyncio.Semaphore,
        group: str = "",
    ) -> None:
        self.layer = layer
        self.slots = slots
        self.receive = hear
        self.group = group
        self.channel = ""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._added = -math.inf
        self._over = False
        self._reader: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Read from now on."""
        if self._reader is None:
            loop = asyncio.get_running_loop()
            self._reader = loop.create_task(self._read(), context=Context())

    async def open(self) -> None:
        """Get the channel, if there is none yet, and join the group."""
        async with self.slots, asyncio.timeout(PATIENCE):
            self.channel = self.channel or await self.layer.new_channel()
            await self.renew()

    async def renew(self) -> None:
        """Join the group before the layer forgets it."""
        if self.group and time.monotonic() - self._added > group_expiry(self.layer) / 3:
            await self.layer.group_add(self.group, self.channel)
            self._added = time.monotonic()

    async def _read(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self.open()
                self._announce()
                while True:
                    self.receive(await self.layer.receive(self.channel))
            except Exception as error:  # noqa: BLE001 - layers fail in their brokers' many ways
                logger.info("Cannot read from the channel layer: %r", error)
            finally:
                self._announce()
            if self._over:  # a layer may turn its cancellation into an error of its own,
                return
            self._added = -math.inf
            if time.monotonic() - began < RETRY:  # else it was a client's timeout, and no more
                await asyncio.sleep(RETRY)

    def _announce(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)

    async def stop(self) -> None:
        """Leave the group, and stop reading."""
        self._over = True
        with contextlib.suppress(Exception):  # what is broken need not be left
            async with asyncio.timeout(PATIENCE):
                if self.group and self.channel:
                    await self.layer.group_discard(self.group, self.channel)
        if self._reader is None and self.channel:
            self.start()  # a layer that subscribes for `new_channel` only ends that with a reader
            await asyncio.sleep(0)
        if self._reader is not None:
            await cancel_until_done(self._reader, PATIENCE)  # or pass it over


class Listeners:
    """Who of one loop listens to which groups; and what is said there by the layer's verbs."""

    def __init__(self) -> None:
        self._groups: dict[str, tuple[Listener, dict[MessageReceiver, None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._loop = asyncio.get_running_loop()
        self._lane: SerialQueue[tuple[Work, Callable[[], None]]]
        self._lane = Context().run(SerialQueue, self._perform, asyncio.Lock(), None)
        self._down_until = 0.0

    def of(self, group: str) -> Iterable[MessageReceiver]:
        """Who listens to `group`."""
        found = self._groups.get(group)
        return found[1] if found else ()

    def add(self, group: str, hearer: MessageReceiver) -> asyncio.Future[None] | None:
        """Let `hearer` hear what is said to `group`; what to wait for until it does."""
        layer = shared_layer()
        if layer is None:
            return None
        if group not in self._groups:
            hear = partial(self.receive, group)
            self._groups[group] = Listener(layer, hear, self._slots, group), {}
            self._groups[group][0].start()
        listener, hearers = self._groups[group]
        hearers[hearer] = None
        return None if listener.ready.done() else listener.ready

    def discard(self, group: str, hearer: MessageReceiver) -> None:
        """End that, if it is so."""
        found = self._groups.get(group)
        if found is not None:
            found[1].pop(hearer, None)
            if not found[1]:
                del self._groups[group]
                self._end(found[0])

    def receive(self, group: str, message: Message) -> None:
        """Tell all who listen to `group`."""
        for hearer in tuple(self.of(group)):
            hearer.deliver(Event(group, message))

    def _end(self, listener: Listener) -> None:
        task = self._loop.create_task(listener.stop(), context=Context())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def restore(self) -> None:
        """The broker was lost and is back: it may have forgotten us, and we do not wait for it."""
        for group, (listener, hearers) in list(self._groups.items()):
            fresh = Listener(listener.layer, listener.receive, self._slots, group)
            self._groups[group] = fresh, hearers
            fresh.start()
            self._end(listener)

    async def renew(self) -> None:
        """Keep the memberships alive."""
        for listener, _hearers in list(self._groups.values()):
            with contextlib.suppress(Exception):  # its reader is the one to find out
                await listener.renew()

    async def channel(self, hear: Callable[[Message], None]) -> Listener | None:
        """A channel with no group; it has no name where the layer does not answer.

        `None` where there is no layer. Its owner starts it when somebody may speak to it, and
        stops it in any case.
        """
        layer = shared_layer()
        if layer is None:
            return None
        listener = Listener(layer, hear, self._slots)
        if time.monotonic() >= self._down_until:
            try:
                await listener.open()
            except Exception as error:  # noqa: BLE001 - layers fail in their brokers' many ways
                self._down_until = time.monotonic() + DOWN
                logger.warning("A connection begins without the channel layer: %r", error)
        return listener

    # Saying.

    def group_send(self, group: str, message: Message) -> Sent:
        """Say `message` to `group` as Channels does; without the layer, to who listens here."""
        layer = shared_layer()
        if layer is None:
            return DONE

        async def work() -> None:
            if group in self._groups:  # who has just come hears it too
                await asyncio.wait({self._groups[group][0].ready})
            await layer.group_send(group, message)

        return self._put(work, lambda: self.receive(group, message))

    def do(self, work: Work) -> Sent:
        """Do something else with the layer, in order; it is counted when it fails."""
        return self._put(work, lambda: None)

    def _put(self, work: Work, otherwise: Callable[[], None]) -> Sent:
        if len(self._lane.items) >= QUEUE:
            counts.add("undelivered")
            otherwise()
            return DONE
        self._lane.put((work, otherwise))
        return Sent(partial(self._lane.drain, PATIENCE)) if self._lane.busy else DONE

    async def _perform(self, item: tuple[Work, Callable[[], None]]) -> None:
        work, otherwise = item
        if time.monotonic() < self._down_until:
            counts.add("undelivered")
            otherwise()
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await work()
        except Exception as error:  # noqa: BLE001 - layers fail in their brokers' many ways
            if not isinstance(error, MISTAKES):
                self._down_until = time.monotonic() + DOWN
            counts.add("undelivered")
            logger.warning("The channel layer did not take a message: %r", error)
            otherwise()

    async def stop(self) -> None:
        """End every reader; say what waits to be said."""
        await self._lane.drain(PATIENCE)
        await self._lane.stop(PATIENCE)
        for listener, _hearers in self._groups.values():
            self._end(listener)
        self._groups.clear()
        if self._ending:
            await asyncio.wait(self._ending, timeout=3 * PATIENCE)
