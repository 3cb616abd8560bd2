"""The channel layer as a link uses it: an instance of its own, used until its first failure.

A layer that lost its broker may recover, hang or stay silent, and each layer does so differently.
Therefore no instance is repaired. The first failure ends a `LayerConnection`, and its owner opens
another.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from functools import cache
from typing import Any, NamedTuple

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer
from django.conf import settings
from django.core.signals import setting_changed

from ..concurrency.tasks import cancel_until_done
from ..concurrency.timers import await_in_time

__all__ = [
    "BROKER_TIMEOUT",
    "LayerConnection",
    "LayerUnavailable",
    "configuration_error",
    "crosses_processes",
    "group_expiry",
    "new_channel",
    "redis_layer",
    "shared_layer",
]

logger = logging.getLogger("rest_channels")

CAPACITY = 10_000
"""Messages that may wait for one process, unless the settings name a number. The layer's default
is 100, but here all groups of a process share one channel."""

BROKER_TIMEOUT = 1.0
"""Seconds that any operation waits for the broker."""

JOIN_TYPE = "rest_channels.join"
"""The type of the messages with which a connection finds out that it has joined a group."""

JOIN_INTERVAL = 0.05
"""Seconds between two of these."""


@cache
def crosses_processes() -> bool:
    """Return whether a channel layer is configured that reaches other processes."""
    return not isinstance(shared_layer(), InMemoryChannelLayer | None)


def _clear_caches(*, setting: str, **kwargs: Any) -> None:
    if setting == "CHANNEL_LAYERS":
        crosses_processes.cache_clear()
        configuration_error.cache_clear()


setting_changed.connect(_clear_caches)

os.register_at_fork(after_in_child=channel_layers.backends.clear)
# A copied layer has the names of its parent's channels: the child would read its messages.


def shared_layer() -> Any:
    """Return the layer that all code of the process shares, or `None` if there is none."""
    return None if configuration_error() else get_channel_layer()


@cache
def configuration_error() -> str:
    """Return why `CHANNEL_LAYERS` cannot be used, or an empty string."""
    try:
        layer = get_channel_layer()
        if layer is None and (others := getattr(settings, "CHANNEL_LAYERS", None)):
            raise ValueError(f"it is missing, there is only {', '.join(map(repr, others))}")
    except Exception as error:  # noqa: BLE001 - a layer may raise anything about its settings
        message = f"CHANNEL_LAYERS['default'] cannot be used: {error}"
        logger.error(message)
        return message
    return ""


def group_expiry(layer: Any) -> float:
    """Return the seconds after which `layer` ends a membership that is not renewed."""
    return float(getattr(layer, "group_expiry", 86_400))


class RedisLayer(NamedTuple):
    """How a layer of channels_redis reaches its brokers."""

    hosts: Any
    """The option `hosts`; `None` if it is missing."""
    prefix: str
    is_encrypted: bool


def redis_layer() -> RedisLayer | None:
    """Return the options of the shared layer, or `None` if it is not one of channels_redis."""
    layer = shared_layer()
    if not any(base.__module__.startswith("channels_redis.") for base in type(layer).__mro__):
        return None
    options = vars(layer)
    options = options.get("_kwargs", options)  # the pub/sub layer keeps them for its loops
    is_encrypted = layer._serializer.crypter is not None
    return RedisLayer(options.get("hosts"), options.get("prefix", "asgi"), is_encrypted)


async def new_channel(layer: Any) -> str:
    """Return a new channel of `layer`, which keeps nothing of one that it could not create.

    The pub/sub layer notes a channel before it subscribes to it. A reader tries again and again in
    an outage, and afterwards the layer would subscribe to all that it has noted.
    """
    if type(layer).__module__ != "channels_redis.pubsub":
        return await layer.new_channel()  # type: ignore[no-any-return]
    prefix = f"specific.{secrets.token_hex(8)}."
    try:
        return await layer.new_channel(prefix)  # type: ignore[no-any-return]
    except BaseException:
        noted = next((name for name in reversed(layer.channels) if prefix in name), None)
        layer.channels.pop(noted, None)
        raise


class LayerUnavailable(Exception):
    """The layer failed or did not answer in time."""


class LayerConnection:
    """One instance of the layer, from its creation to its first failure.

    After a failure `failed` is set, and the owner has to close the connection. The names of its
    groups in the layer are private to the library.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_close_before = vars(self._loop).get("close")
        self.layer = _new_layer()
        self._loop_close_after = vars(self._loop).get("close")
        self.failed = asyncio.Event()
        self.channel = ""
        self._reader: asyncio.Task[None] | None = None
        self._subscribes = type(self.layer).__module__ == "channels_redis.pubsub"
        self._joining: dict[str, asyncio.Future[None]] = {}

    async def send(self, group: str, message: dict[str, Any]) -> None:
        """Send `message` to `group`. Raise `LayerUnavailable`, `TypeError` for a bad message."""
        await self._call(self.layer.group_send(_layer_group_name(group), message), message)

    async def listen(self, on_message: Callable[[dict[str, Any]], None]) -> None:
        """Call `on_message` with each message for the joined groups. Raise `LayerUnavailable`."""
        self.channel = await self._call(self.layer.new_channel())
        self._reader = self._loop.create_task(self._read(on_message), context=Context())

    async def add(self, group: str) -> None:
        """Join `group`, or renew the membership. Raise `LayerUnavailable`."""
        await self._call(self.layer.group_add(_layer_group_name(group), self.channel))

    async def join(self, group: str) -> None:
        """Join `group`: messages that are sent to it from now on arrive. Raise `LayerUnavailable`.

        The pub/sub layer does not wait until Redis has read that it subscribes. A busy Redis may
        read a message of another process first, which would be lost without anybody noticing.
        """
        await self.add(group)
        if self._subscribes:
            key = secrets.token_hex(8)
            self._joining[key] = self._loop.create_future()
            try:
                await self._call(self._receive_own(group, key))
            finally:
                del self._joining[key]

    async def _receive_own(self, group: str, key: str) -> None:
        """Send a message to `group`, again and again, until it arrives here."""
        arrived, message = self._joining[key], {"type": JOIN_TYPE, "key": key}
        while not arrived.done():
            await self.layer.group_send(_layer_group_name(group), message)
            await asyncio.wait({arrived}, timeout=JOIN_INTERVAL)

    async def discard(self, group: str) -> None:
        """Leave `group`. Raise `LayerUnavailable`."""
        await self._call(self.layer.group_discard(_layer_group_name(group), self.channel))

    async def _read(self, on_message: Callable[[dict[str, Any]], None]) -> None:
        while not self.failed.is_set():
            try:
                message = await self.layer.receive(self.channel)
                if not self._is_join(message):
                    on_message(message)
            except (TypeError, ValueError) as error:  # a foreign program wrote to the channel
                logger.warning("The channel layer delivered an unreadable message: %r", error)
            except Exception as error:  # noqa: BLE001 - every layer raises errors of its broker
                self.fail(error)

    def _is_join(self, message: Any) -> bool:
        """Return whether `message` belongs to a `join`, of this process or of another."""
        if not isinstance(message, dict) or message.get("type") != JOIN_TYPE:
            return False
        arrived = self._joining.get(str(message.get("key")))
        if arrived is not None and not arrived.done():
            arrived.set_result(None)
        return True

    async def _call(self, operation: Awaitable[Any], message: Any = None) -> Any:
        try:
            return await await_in_time(operation, BROKER_TIMEOUT)
        except Exception as error:
            self._check_serializable(message)
            self.fail(error)
            reason = str(error) or f"{type(error).__name__} after {BROKER_TIMEOUT:g} s"
            raise LayerUnavailable(reason) from error

    def _check_serializable(self, message: Any) -> None:
        """Raise `TypeError` if the error came from `message` and not from the layer."""
        serialize = getattr(self.layer, "serialize", None)
        if message is not None and serialize is not None:
            try:
                serialize(message)
            except Exception as error:
                raise TypeError(str(error)) from error

    def fail(self, reason: object) -> None:
        """Mark this connection as failed."""
        if not self.failed.is_set():
            logger.info("A connection to the channel layer failed: %r", reason)
        self.failed.set()

    async def close(self) -> None:
        """End the reader and the layer's broker connections, within `BROKER_TIMEOUT` each."""
        # Layers have no common method for this. `flush` of the pub/sub layer closes it and forgets
        # its channels, which it would otherwise try to unsubscribe. `flush` of every other layer
        # deletes messages of other processes.
        if self._subscribes:
            await _close_quietly(self.layer.flush)
        if self._reader is not None:
            await cancel_until_done(self._reader, BROKER_TIMEOUT)
        if hasattr(type(self.layer), "close_pools"):
            await _close_quietly(self.layer.close_pools)
        self._restore_loop_close()

    def _restore_loop_close(self) -> None:
        """Undo the layer's wrapping of its loop's `close` method, once the layer is closed.

        Otherwise every layer connection would stay referenced by one more wrapper.
        """
        attributes = vars(self._loop)
        if attributes.get("close") is self._loop_close_after is not self._loop_close_before:
            del attributes["close"]
            if self._loop_close_before is not None:
                attributes["close"] = self._loop_close_before


def _new_layer() -> Any:
    """Return a new layer with enough capacity for all messages of a process.

    The layers of channels_redis wrap the running loop's `close` when first used: it happens here.
    """
    layer = channel_layers.make_backend(DEFAULT_CHANNEL_LAYER)
    if type(layer).__module__.startswith("channels_redis."):
        if (connection := getattr(layer, "connection", None)) is not None:
            connection(0)
        if "capacity" not in channel_layers.configs[DEFAULT_CHANNEL_LAYER].get("CONFIG", {}):
            layer.capacity = CAPACITY
    return layer


async def _close_quietly(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with contextlib.suppress(Exception):  # a broken layer may fail to close
        async with asyncio.timeout(BROKER_TIMEOUT):
            await close()


def _layer_group_name(group: str) -> str:
    """Return the private name of `group`, which is short enough for every layer."""
    return "rest_channels." + hashlib.blake2b(group.encode(), digest_size=16).hexdigest()
