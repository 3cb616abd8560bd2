"""The connections of one event loop to one Redis, and the calls of the script on them.

A connection is used until its first failure. Its server is asked for its run id once: a server that
starts again ends its connections. redis-py repeats nothing by itself, because a call that got no
answer may have run.
"""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha1
from typing import Any, NamedTuple

from channels_redis.utils import create_pool
from django.core.exceptions import ImproperlyConfigured
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from ...cluster.layer import BROKER_TIMEOUT
from ...concurrency.timers import await_in_time
from ..records import StoreUnavailable
from .base import new_epoch_name
from .redis_script import SCRIPT

__all__ = ["MAX_CONNECTIONS", "RedisHost", "ScriptCall", "warn_of_eviction"]

logger = logging.getLogger("rest_channels")

MAX_CONNECTIONS = 8
"""Connections of one event loop to one Redis. Further calls wait for one."""

SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class ScriptCall(NamedTuple):
    """One call of the script."""

    keys: tuple[str, str]
    operation: str
    keep: int
    """Milliseconds to keep the hash."""
    arguments: tuple[str | int, ...] = ()


class _Connection(NamedTuple):
    raw: AbstractConnection
    run_id: str


class RedisHost:
    """One Redis.

    Args:
        options: An item of the layer's option `hosts`, as `decode_hosts` of channels_redis returns
            it.

    Raises:
        ImproperlyConfigured: If redis-py does not know one of the options.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        # `call` has a deadline of its own, and repeats what may be repeated.
        own = {"retry": Retry(NoBackoff(), 0), "retry_on_timeout": False, "socket_timeout": None}
        try:
            self._pool = create_pool({**options, **own})
            self._new_connection()  # it only checks the options
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ImproperlyConfigured(
                "The history of groups cannot use an entry of 'hosts' in CHANNEL_LAYERS['default']"
                f"['CONFIG'], which redis-py refuses: {error!r}. Write a URL, (host, port), or a "
                "dict with 'address', or with arguments of a connection."
            ) from error
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._idle: list[_Connection] = []

    async def call(self, calls: Sequence[ScriptCall]) -> list[Any]:
        """Run the script for each of `calls`, in order, and return what it returns.

        Raises:
            StoreUnavailable: If Redis fails or does not answer in time. Some or all of the calls
                may have run, or may run later.
        """
        try:
            return await await_in_time(self._call(calls), BROKER_TIMEOUT)
        except TimeoutError as error:
            text = f"Redis did not answer within {BROKER_TIMEOUT:g} s"
            raise StoreUnavailable(text) from error
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close the connections that no call uses, and those to Sentinels."""
        while self._idle:
            await self._idle.pop().raw.disconnect(nowait=True)
        if isinstance(self._pool, SentinelConnectionPool):
            for client in self._pool.sentinel_manager.sentinels:
                await client.connection_pool.disconnect()

    async def _call(self, calls: Sequence[ScriptCall]) -> list[Any]:
        async with self._free:
            if self._idle:
                try:
                    return await self._run(self._idle.pop(), calls)
                except (RedisConnectionError, NoScriptError, OSError):
                    # Redis was started again meanwhile, or has lost its scripts. A call that has
                    # run may run once more: none does anything twice.
                    await self.close()
            return await self._run(await self._open(), calls)

    async def _run(self, connection: _Connection, calls: Sequence[ScriptCall]) -> list[Any]:
        run_id = connection.run_id
        commands = [
            (
                *("EVALSHA", SHA, 2, *call.keys),
                *(call.operation, run_id, new_epoch_name(), call.keep, *call.arguments),
            )
            for call in calls
        ]
        results = await _exchange(connection.raw, commands)
        self._idle.append(connection)
        return results

    def _new_connection(self) -> AbstractConnection:
        """Return a connection that is not open yet, and that the pool does not count."""
        connection: AbstractConnection
        connection = self._pool.connection_class(**self._pool.connection_kwargs)
        return connection

    async def _open(self) -> _Connection:
        raw = self._new_connection()
        try:
            await raw.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await raw.disconnect(nowait=True)
            raise
        commands = [("INFO", "server"), ("INFO", "memory"), ("SCRIPT", "LOAD", SCRIPT)]
        server, memory, _ = await _exchange(raw, commands)
        if (run_id := _field("run_id", server)) is None:
            await raw.disconnect(nowait=True)
            raise RedisError("INFO has no run_id, so a return to an old snapshot would be missed")
        policy = _field("maxmemory_policy", memory) or "noeviction"
        if policy != "noeviction" and _field("maxmemory", memory) != "0":
            warn_of_eviction(policy)
        return _Connection(raw, run_id)


async def _exchange(
    raw: AbstractConnection, commands: Sequence[tuple[str | int, ...]]
) -> list[Any]:
    """Send all commands, then read all results. Close the connection after any error."""
    try:
        packed = b"".join(map(_packed, commands))
        await raw.send_packed_command(packed, check_health=False)
        return [await raw.read_response(disable_decoding=True) for _ in commands]
    except BaseException:
        await raw.disconnect(nowait=True)
        raise


def _packed(command: tuple[str | int, ...]) -> bytes:
    """Return what redis-py's `pack_command` does, in a quarter of its time."""
    parts = [str(part).encode(errors="surrogatepass") for part in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts)


def _field(name: str, info: bytes) -> str | None:
    match = re.search(rf"^{name}:(\S+)", info.decode(), re.MULTILINE)
    return match[1] if match else None


@cache
def warn_of_eviction(policy: str) -> None:
    """Log once that Redis may delete the history of groups."""
    logger.warning(
        "Redis has maxmemory-policy %s: when its memory is full, it deletes keys, and with them "
        "histories of groups. Their clients are told of a gap then. Use noeviction.",
        policy,
    )
