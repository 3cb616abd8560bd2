"""Receives and sends messages of the channel layer's own methods, as plain Channels code does.

A message sent with `channel_layer.group_send` arrives without the name of its group. Therefore
every group with listeners here has a channel and a reader of its own. They use the layer instance
that all code of the process shares: a channel name only works with the instance that created it.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from channels.exceptions import ChannelFull

from ..client_logs import log_for_client
from ..concurrency.awaitables import DONE, Sent
from ..concurrency.serial_queue import SerialQueue
from ..concurrency.tasks import cancel_until_done
from ..protocol.messages import Event
from .counts import counts
from .layer import BROKER_TIMEOUT, group_expiry, new_channel, shared_layer

__all__ = ["Listener", "Listeners", "MessageReceiver"]

logger = logging.getLogger("rest_channels")

RETRY_DELAY = 0.5
"""Seconds between two attempts to read from a layer that fails."""

CONCURRENT_JOINS = 32
"""Groups that are joined at the same time: a Redis client has 100 connections."""

FAILURE_PAUSE = 1.0
"""Seconds without a further attempt to send after the layer has failed."""

QUEUE_SIZE = 10_000
"""Messages that may wait for the layer."""

NAMED_AT_ONCE = (
    ("channels.layers", "InMemoryChannelLayer.new_channel"),
    ("channels_redis.core", "RedisChannelLayer.new_channel"),
)
"""Methods that only make up a name. That of a layer that subscribes may wait at any time."""

CALLER_ERRORS = (TypeError, ValueError, OverflowError, RuntimeError, AssertionError, ChannelFull)
"""What a layer raises because of its caller. Any other error means that the layer failed."""

Message = dict[str, Any]
Work = Callable[[], Coroutine[Any, Any, Any]]


class MessageReceiver(Protocol):
    """A connection that listens to groups of the layer."""

    def deliver(self, event: Event) -> None:
        """Accept `event` without waiting and without raising."""


@dataclass(eq=False, repr=False)
class Listener:
    """One channel of `layer`, a member of `group` if given, and its reader.

    The reader calls `on_message` with each message. `slots` limits how many join at a time.
    """

    layer: Any
    on_message: Callable[[Message], None]
    slots: asyncio.Semaphore
    group: str = ""
    channel: str = ""
    _renewed_at: float = -math.inf
    _stopped: bool = False
    _reader: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it is a member of the group, or has failed once."""

    def start(self) -> None:
        """Start the reader, unless it runs."""
        if self._reader is None:
            loop = asyncio.get_running_loop()
            self._reader = loop.create_task(self._read(), context=Context())

    async def open(self) -> None:
        """Create the channel, if there is none yet, and join the group."""
        async with self.slots, asyncio.timeout(BROKER_TIMEOUT):
            self.channel = self.channel or await new_channel(self.layer)
            await self.renew()

    def open_and_start(self) -> str:
        """Create the channel if the layer does so at once, start the reader, and return the name.

        The name is empty if the layer did not answer in `open`.
        """
        if not self.channel and names_at_once(self.layer):
            try:
                self.layer.new_channel().send(None)
            except StopIteration as created:
                self.channel = created.value
        if self.channel and not self._stopped:
            self.start()
        return self.channel

    async def renew(self) -> None:
        """Renew the membership if a third of its lifetime is over."""
        if self.group and time.monotonic() - self._renewed_at > group_expiry(self.layer) / 3:
            await self.layer.group_add(self.group, self.channel)
            self._renewed_at = time.monotonic()

    async def _read(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self.open()
                self._set_ready()
                while True:
                    self.on_message(await self.layer.receive(self.channel))
            except Exception as error:  # noqa: BLE001 - every layer raises errors of its broker
                log_for_client(logger, logging.INFO, "Cannot read from the layer: %r", error)
            finally:
                self._set_ready()
            if self._stopped:  # a layer may have turned the cancellation into another error
                return
            self._renewed_at = -math.inf
            if time.monotonic() - began < RETRY_DELAY:  # not the read timeout of a broker's client
                await asyncio.sleep(RETRY_DELAY)

    def _set_ready(self) -> None:
        if not self.ready.done():
            self.ready.set_result(None)

    async def stop(self) -> None:
        """Leave the group and end the reader."""
        self._stopped = True
        with contextlib.suppress(Exception):  # a broken layer does not have to be left
            async with asyncio.timeout(BROKER_TIMEOUT):
                if self.group and self.channel:
                    await self.layer.group_discard(self.group, self.channel)
        if self._reader is None and self.channel:
            self.start()  # some layers subscribe in `new_channel` and unsubscribe in their reader
            await asyncio.sleep(0)
        if self._reader is not None:
            await cancel_until_done(self._reader, BROKER_TIMEOUT)
        self.on_message = _ignore_message  # its owner has ended, and may own this


def names_at_once(layer: Any) -> bool:
    """Return whether `layer` creates a channel without waiting, so whenever its name is used."""
    method = getattr(layer.new_channel, "__func__", None)
    names = getattr(method, "__module__", None), getattr(method, "__qualname__", None)
    return names in NAMED_AT_ONCE


def _ignore_message(message: Message) -> None:
    """Take a message that arrives too late."""


class Listeners:
    """The listening connections of one event loop, by group, and the messages sent to the layer."""

    def __init__(self) -> None:
        self._groups: dict[str, tuple[Listener, dict[MessageReceiver, None]]] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(CONCURRENT_JOINS)
        self._loop = asyncio.get_running_loop()
        self._queue: SerialQueue[tuple[Work, Callable[[], None]]]
        self._queue = Context().run(SerialQueue, self._perform, None)
        self._failing_until = 0.0

    def receivers_of(self, group: str) -> Iterable[MessageReceiver]:
        entry = self._groups.get(group)
        return entry[1] if entry else ()

    def add(self, group: str, receiver: MessageReceiver) -> asyncio.Future[None] | None:
        """Deliver messages to `group` to `receiver`. Return a future to wait for, or `None`."""
        if (layer := shared_layer()) is None:
            return None
        if group not in self._groups:
            listener = Listener(layer, partial(self.receive, group), self._slots, group)
            self._groups[group] = listener, {}
            listener.start()
        listener, receivers = self._groups[group]
        receivers[receiver] = None
        return None if listener.ready.done() else listener.ready

    def discard(self, group: str, receiver: MessageReceiver) -> None:
        if group in self._groups:
            listener, receivers = self._groups[group]
            receivers.pop(receiver, None)
            if not receivers:
                del self._groups[group]
                self._stop_listener(listener)

    def receive(self, group: str, message: Message) -> None:
        for receiver in tuple(self.receivers_of(group)):
            receiver.deliver(Event(group, message))

    def _stop_listener(self, listener: Listener) -> None:
        task = self._loop.create_task(listener.stop(), context=Context())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    def restore(self) -> None:
        """Replace all listeners: a broker that was lost may have forgotten them."""
        for group, (listener, receivers) in list(self._groups.items()):
            replacement = Listener(listener.layer, listener.on_message, self._slots, group)
            self._groups[group] = replacement, receivers
            replacement.start()
            self._stop_listener(listener)

    async def renew(self) -> None:
        """Renew all memberships that are due."""
        for listener, _receivers in list(self._groups.values()):
            with contextlib.suppress(Exception):  # the reader will notice
                await listener.renew()

    def opens_slowly(self) -> bool:
        """Return whether the layer has to be waited for until it has created a channel."""
        layer = shared_layer()
        return layer is not None and not names_at_once(layer)

    def new_channel(self, on_message: Callable[[Message], None]) -> Listener | None:
        """Return a listener without a group, if there is a layer. Its owner has to stop it.

        It has a channel as soon as the owner has called `open_and_start`, for its name. Layers such
        as that of Redis only make up a name, and few consumers use it.
        """
        layer = shared_layer()
        return None if layer is None else Listener(layer, on_message, self._slots)

    async def open_channel(self, on_message: Callable[[Message], None]) -> Listener | None:
        """Return what `new_channel` does, with its channel, if the layer answers in time."""
        listener = self.new_channel(on_message)
        if listener is not None and time.monotonic() >= self._failing_until:
            try:
                await listener.open()
            except Exception as error:  # noqa: BLE001 - every layer raises errors of its broker
                self._failing_until = time.monotonic() + FAILURE_PAUSE
                logger.warning("A connection begins without the channel layer: %r", error)
        return listener

    # Sending.

    def group_send(self, group: str, message: Message) -> Sent:
        """Send `message` to `group` as Channels does. If that fails, deliver it in this process."""
        if (layer := shared_layer()) is None:
            return DONE

        async def work() -> None:
            if group in self._groups:  # a connection that has just joined receives it too
                await asyncio.wait({self._groups[group][0].ready})
            await layer.group_send(group, message)

        return self._put(work, lambda: self.receive(group, message))

    def call_layer(self, work: Work) -> Sent:
        """Queue another call to the layer, in order. A failure is counted."""
        return self._put(work, lambda: None)

    def _put(self, work: Work, fallback: Callable[[], None]) -> Sent:
        if len(self._queue.items) >= QUEUE_SIZE:
            counts.add("undelivered")
            fallback()
            return DONE
        self._queue.put((work, fallback))
        return Sent(partial(self._queue.drain, BROKER_TIMEOUT)) if self._queue.busy else DONE

    async def _perform(self, item: tuple[Work, Callable[[], None]]) -> None:
        work, fallback = item
        if time.monotonic() < self._failing_until:
            counts.add("undelivered")
            fallback()
            return
        try:
            async with asyncio.timeout(BROKER_TIMEOUT):
                await work()
        except Exception as error:  # noqa: BLE001 - every layer raises errors of its broker
            if not isinstance(error, CALLER_ERRORS):
                self._failing_until = time.monotonic() + FAILURE_PAUSE
            counts.add("undelivered")
            text = "The channel layer did not accept a message: %.1000r"
            log_for_client(logger, logging.WARNING, text, error)
            fallback()

    async def stop(self) -> None:
        """Send what is queued, and stop all listeners."""
        await self._queue.drain(BROKER_TIMEOUT)
        await self._queue.stop(BROKER_TIMEOUT)
        for listener, _receivers in self._groups.values():
            self._stop_listener(listener)
        self._groups.clear()
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=3 * BROKER_TIMEOUT)
