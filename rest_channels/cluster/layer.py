"""The channel layer as the hub uses it: an instance of its own, trusted until it fails once.

A layer that lost its broker may recover, hang or go deaf, each in its own way. So no instance is
nursed: the first failure ends the `LayerConnection`; its owner opens another.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from functools import cache
from typing import Any

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer
from django.core.signals import setting_changed

from ..concurrency.serial_queue import cancel_until_done

__all__ = [
    "PATIENCE",
    "LayerConnection",
    "LayerUnavailable",
    "configuration_error",
    "crosses_processes",
    "group_expiry",
    "shared_layer",
]

logger = logging.getLogger("rest_channels")

CAPACITY = 10_000
"""Messages that may wait for one process, where the settings name no number. The layer's default
is 100; but here all groups of a process share one channel."""

PATIENCE = 1.0
"""Seconds that anybody waits for the broker."""

TICK = 0.1
"""A timer that comes late counts for no more than this."""


@cache
def crosses_processes() -> bool:
    """Whether there is a layer that others than this process can hear."""
    return not isinstance(shared_layer(), InMemoryChannelLayer | None)


def _forget_setting(*, setting: str, **kwargs: Any) -> None:
    if setting == "CHANNEL_LAYERS":
        crosses_processes.cache_clear()
        configuration_error.cache_clear()


setting_changed.connect(_forget_setting)


def shared_layer() -> Any:
    """The instance that all code of this process shares.

    `None` where none is configured, and where it cannot be made: the log, and the check E002, say
    why.
    """
    return None if configuration_error() else get_channel_layer()


@cache
def configuration_error() -> str:
    """Why `CHANNEL_LAYERS` is of no use; empty where nothing is wrong with it."""
    try:
        get_channel_layer()
    except Exception as error:  # noqa: BLE001 - a layer may object to its settings as it likes
        why = f"CHANNEL_LAYERS['default'] cannot be used: {error}"
        logger.error(why)
        return why
    return ""


def group_expiry(layer: Any) -> float:
    """Seconds after which `layer` ends a membership that nobody renewed."""
    return float(getattr(layer, "group_expiry", 86_400))


class LayerUnavailable(Exception):
    """The layer failed, or did not answer in time."""


class LayerConnection:
    """One instance of the layer. Every failure is final: `failed` is set, and it has to be closed.

    Groups are those of the library's own lane: their names in the layer are private.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._close_before = vars(self._loop).get("close")
        self.layer = _new_layer()
        self._close_after = vars(self._loop).get("close")
        self.failed = asyncio.Event()
        self.channel = ""
        self._reader: asyncio.Task[None] | None = None

    async def send(self, group: str, message: dict[str, Any]) -> None:
        """Send `message` to `group`. Raises `LayerUnavailable`, `TypeError`."""
        await self._attempt(self.layer.group_send(_name(group), message), message)

    async def listen(self, hear: Callable[[dict[str, Any]], None]) -> None:
        """Let `hear` be called with what comes to the groups joined. Raises `LayerUnavailable`."""
        self.channel = await self._attempt(self.layer.new_channel())
        self._reader = self._loop.create_task(self._read(hear), context=Context())

    async def add(self, group: str) -> None:
        """Join `group`, or renew the membership. Raises `LayerUnavailable`."""
        await self._attempt(self.layer.group_add(_name(group), self.channel))

    async def discard(self, group: str) -> None:
        """Leave `group`. Raises `LayerUnavailable`."""
        await self._attempt(self.layer.group_discard(_name(group), self.channel))

    async def _read(self, hear: Callable[[dict[str, Any]], None]) -> None:
        while not self.failed.is_set():
            try:
                hear(await self.layer.receive(self.channel))
            except (TypeError, ValueError) as error:  # somebody put there what nobody can read
                logger.warning("The channel layer brought what cannot be read: %r", error)
            except Exception as error:  # noqa: BLE001 - layers fail in their brokers' many ways
                self.fail(error)

    async def _attempt(self, work: Awaitable[Any], message: Any = None) -> Any:
        try:
            return await self._patiently(work)
        except Exception as error:
            self._check(message)
            self.fail(error)
            why = str(error) or f"{type(error).__name__} after {PATIENCE:g} s"
            raise LayerUnavailable(why) from error

    async def _patiently(self, work: Awaitable[Any]) -> Any:
        """Await `work` for `PATIENCE`, not counting what this loop stood still meanwhile.

        Else a busy process would take itself for cut off.
        """
        ticks = int(PATIENCE / TICK)
        timer: asyncio.TimerHandle

        def tick() -> None:
            nonlocal ticks, timer
            ticks -= 1
            if ticks > 0:
                timer = self._loop.call_later(TICK, tick)
            else:
                limit.reschedule(self._loop.time())

        timer = self._loop.call_later(TICK, tick)
        try:
            async with asyncio.timeout(None) as limit:
                return await work
        finally:
            timer.cancel()

    def _check(self, message: Any) -> None:
        """It is not the layer that failed if `message` is nothing it can serialize."""
        serialize = getattr(self.layer, "serialize", None)
        if message is not None and serialize is not None:
            try:
                serialize(message)
            except Exception as error:
                raise TypeError(str(error)) from error

    def fail(self, why: object) -> None:
        """Give it up."""
        if not self.failed.is_set():
            logger.info("A line to the channel layer failed: %r", why)
        self.failed.set()

    async def close(self) -> None:
        """End its reader and its connections, within `PATIENCE`."""
        # Layers have no common word for this. The pub/sub layer's `flush` closes, and forgets its
        # channels, which it else would try to unsubscribe; any other's deletes what others wrote.
        if type(self.layer).__module__ == "channels_redis.pubsub":
            await _quietly(self.layer.flush)
        if self._reader is not None:
            await cancel_until_done(self._reader, PATIENCE)
        if hasattr(type(self.layer), "close_pools"):
            await _quietly(self.layer.close_pools)
        self._unwrap()

    def _unwrap(self) -> None:
        """Undo what the layer did to its loop's `close`, to be closed with it: it is closed now.

        Without this every line would leave a layer of its own around that method, for ever.
        """
        attributes = vars(self._loop)
        if attributes.get("close") is self._close_after is not self._close_before:
            del attributes["close"]
            if self._close_before is not None:
                attributes["close"] = self._close_before


def _new_layer() -> Any:
    """An instance of the layer, with room for all that a process may be told.

    What the layers of channels_redis do to the running loop, they do at once.
    """
    layer = channel_layers.make_backend(DEFAULT_CHANNEL_LAYER)
    if type(layer).__module__.startswith("channels_redis."):
        if (connection := getattr(layer, "connection", None)) is not None:
            connection(0)
        if "capacity" not in channel_layers.configs[DEFAULT_CHANNEL_LAYER].get("CONFIG", {}):
            layer.capacity = CAPACITY
    return layer


async def _quietly(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with contextlib.suppress(Exception):  # what is broken may fail to close
        async with asyncio.timeout(PATIENCE):
            await close()


def _name(group: str) -> str:
    """The private name of `group`: any text, and as short as layers want it."""
    return "rest_channels." + hashlib.blake2b(group.encode(), digest_size=16).hexdigest()
