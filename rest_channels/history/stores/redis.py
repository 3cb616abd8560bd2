"""The store in the Redis of the channel layer. Each event loop has its own."""

from binascii import crc32
from collections.abc import Iterable, Sequence
from typing import Any

from channels_redis.utils import decode_hosts
from django.core.exceptions import ImproperlyConfigured

from ..records import KeptMessage, Page, Position
from .base import (
    EPOCH_AGE,
    PAGE_BYTES,
    WRITER_AGE,
    Append,
    HistoryStore,
    Retention,
)
from .redis_host import RedisHost, ScriptCall

__all__ = ["RedisStore"]


class RedisStore(HistoryStore):
    """Keeps each group in one of several Redis servers, in a hash and a stream.

    Args:
        hosts: The option `hosts` of the layers of channels_redis.
        prefix: Their option `prefix`.

    Raises:
        ImproperlyConfigured: If the hosts cannot be used.
    """

    def __init__(self, hosts: Any, prefix: str) -> None:
        try:
            self._hosts = [RedisHost(options) for options in decode_hosts(hosts)]
        except ValueError as error:
            raise ImproperlyConfigured(f"'hosts' of CHANNEL_LAYERS: {error}") from error
        self._prefix = prefix

    async def append_many(self, items: Sequence[Append]) -> list[Position]:
        found = await self._call((item.group, self._append(item)) for item in items)
        return [_position(each) for each in found]

    async def since(self, group: str, position: Position, limit: int = PAGE_BYTES) -> Page:
        arguments = position.epoch, position.offset, limit
        [found] = await self._call([(group, self._script_call(group, "since", *arguments))])
        _, _, is_gap, has_more, *texts = found
        numbered = enumerate(texts, position.offset + 1)
        messages = tuple(KeptMessage(offset, _text(text)) for offset, text in numbered)
        return Page(_position(found), messages, bool(has_more), bool(is_gap))

    async def position(self, group: str, history: Retention) -> Position:
        call = self._script_call(group, "position", history=history)
        [found] = await self._call([(group, call)])
        return _position(found)

    async def positions(self, groups: Sequence[str]) -> list[Position | None]:
        found = await self._call((group, self._script_call(group, "look")) for group in groups)
        return [None if each is None else _position(each) for each in found]

    async def new_epoch(
        self, group: str, history: Retention, writer: str = "", number: int = 0
    ) -> Position:
        call = self._script_call(group, "begin", writer, number, history=history)
        [found] = await self._call([(group, call)])
        return _position(found)

    async def last(self, group: str, limit: int) -> list[KeptMessage]:
        [found] = await self._call([(group, self._script_call(group, "last", limit))])
        pairs = zip(*[iter(found or ())] * 2, strict=True)
        return [KeptMessage(offset, _text(text)) for offset, text in pairs][::-1]

    async def close(self) -> None:
        for host in self._hosts:
            await host.close()

    def _append(self, item: Append) -> ScriptCall:
        age = max(int(1000 * item.history.age), 1)
        numbers = item.history.size, age, int(1000 * WRITER_AGE)
        arguments = item.writer, item.number, item.text, *numbers
        return self._script_call(item.group, "append", *arguments, history=item.history)

    def _script_call(
        self,
        group: str,
        operation: str,
        *arguments: str | int,
        history: Retention | None = None,
    ) -> ScriptCall:
        """Return a call for `group`, whose keys are in one slot of a Redis Cluster."""
        hash_key = f"{self._prefix}:history:{{{group}}}"
        keep = EPOCH_AGE if history is None else max(EPOCH_AGE, history.age)
        return ScriptCall((hash_key, f"{hash_key}:s"), operation, int(1000 * keep), arguments)

    async def _call(self, calls: Iterable[tuple[str, ScriptCall]]) -> list[Any]:
        """Run the calls, each for its group, and return their results."""
        all_calls = list(calls)
        by_host: dict[int, list[int]] = {}
        for index, (group, _) in enumerate(all_calls):
            by_host.setdefault(self._host_of(group), []).append(index)
        results: dict[int, Any] = {}
        for host, indexes in by_host.items():
            found = await self._hosts[host].call([all_calls[index][1] for index in indexes])
            results.update(zip(indexes, found, strict=True))
        return [results[index] for index in range(len(all_calls))]

    def _host_of(self, group: str) -> int:
        """Return the index of the host of `group`, as channels_redis spreads groups."""
        return (crc32(group.encode()) & 0xFFF) * len(self._hosts) // 4096


def _position(found: list[Any]) -> Position:
    return Position(found[0].decode(), found[1])


def _text(found: bytes) -> str:
    return found.decode(errors="surrogatepass")
