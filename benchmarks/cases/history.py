"""What it costs to keep messages in Redis, compared with PUBLISH through redis-py.

One process and one broker. Messages have 200 bytes, and a group keeps 100. The store in memory is
measured with the same calls.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from redis.asyncio import Redis

from rest_channels.history.records import Position
from rest_channels.history.stores.base import Append, HistoryStore
from rest_channels.history.stores.memory import MemoryStore
from rest_channels.history.stores.redis import RedisStore

from ..cluster.broker import Broker, running
from ..cpu import Workbench, line
from ..measuring import Line, Plan, Requirement, at_least, at_most, interleave, line_of
from ..peers import Peer

TEXT = "x" * 200
#: Messages that are appended at once, as the library does under load.
BATCH = 100
#: Messages that a reader has missed.
MISSED = 20
GROUPS = 100
PUBLISH = "PUBLISH"


class Kept(NamedTuple):
    """How much of a group is kept."""

    size: int = 100
    age: float = 300.0


@dataclass(frozen=True)
class Writer:
    """What is measured: calls that send one message, and many."""

    name: str
    send_one: Callable[[], Awaitable[Any]]
    send_many: Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Reader:
    """A store with a group to read from."""

    name: str
    store: HistoryStore
    position: Position


async def run(peers: Sequence[Peer], plan: Plan) -> list[Line]:
    """Measure messages per second, milliseconds and bytes."""
    with stores() as (broker, in_redis):
        redis = Redis.from_url(broker.url)
        writers = [writer_of("ours", in_redis), publisher(redis)]
        writers.append(writer_of("memory", MemoryStore()))
        lines = [
            rate_line(await interleave(writers, plan.count(9, 3), many_per_second)),
            time_line(await interleave(writers, plan.count(9, 3), milliseconds_of_one)),
            read_line(await interleave([await reader(in_redis)], plan.count(9, 3), read_time)),
            line_of(
                "history, memory of the broker per kept message of 200 bytes",
                "bytes",
                {"ours": [await kept_size(redis, in_redis)]},
                (at_most(300, "bytes"),),
            ),
        ]
        await in_redis.close()
        await redis.aclose()
    return [*lines, fan_out(plan)]


def fan_out(plan: Plan) -> Line:
    """Measure a message to 1,000 members of one process, with and without a history in memory."""

    def test(line: Line) -> bool | None:
        kept = line.values.get("kept")  # not in a quick run
        return None if kept is None else line.values["ours"] / kept >= 0.8

    requirement = Requirement("≥ 0.8 of without a history", test)
    bench = Workbench("fan-out", ("ours", "kept"), {"members": 1_000})
    return line("history, fan-out, 1,000 members, per delivery", bench, plan, (requirement,))


@contextmanager
def stores() -> Iterator[tuple[Broker, RedisStore]]:
    """Run a broker, with a store on it, during a `with` block."""
    with running() as broker:
        yield broker, RedisStore([broker.url], "benchmark")


def writer_of(name: str, store: HistoryStore) -> Writer:
    """Return a writer to one group of `store`."""
    numbers = count(1)

    def append() -> Append:
        return Append("board", TEXT, Kept(), "aaaaaaaaaa-1", next(numbers))

    async def one() -> None:
        await store.append(*append())

    async def many() -> None:
        await store.append_many([append() for _ in range(BATCH)])

    return Writer(name, one, many)


def publisher(redis: Redis) -> Writer:
    """Return a writer that keeps nothing."""

    async def one() -> None:
        await redis.publish("board", TEXT)

    async def many() -> None:
        pipeline = redis.pipeline(transaction=False)
        for _ in range(BATCH):
            pipeline.publish("board", TEXT)
        await pipeline.execute()

    return Writer(PUBLISH, one, many)


async def many_per_second(writer: Writer) -> float:
    """Return messages per second."""
    began, batches = perf_counter(), 0
    while perf_counter() - began < 0.5:
        await writer.send_many()
        batches += 1
    return BATCH * batches / (perf_counter() - began)


async def milliseconds_of_one(writer: Writer) -> float:
    """Return the median of 500 messages, one after another."""
    return 1e3 * await median_time(500, writer.send_one)


async def median_time(repeats: int, call: Callable[[], Awaitable[Any]]) -> float:
    """Return the median of the seconds of a call."""
    times = []
    for _ in range(repeats):
        began = perf_counter()
        await call()
        times.append(perf_counter() - began)
    return median(times)


async def reader(store: HistoryStore) -> Reader:
    """Return a reader that has missed some messages of a full group."""
    last = await store.position("board", Kept())
    return Reader("ours", store, last._replace(offset=last.offset - MISSED))


async def read_time(reader: Reader) -> float:
    """Return milliseconds until the missed messages were read."""

    async def read() -> None:
        page = await reader.store.since("board", reader.position)
        assert len(page.messages) == MISSED

    return 1e3 * await median_time(200, read)


async def kept_size(redis: Redis, store: HistoryStore) -> float:
    """Return the bytes that the broker uses for a message, with its share of all keys."""
    names = [f"kept-{number}" for number in range(GROUPS)]
    appends = [Append(name, TEXT, Kept(), "aaaaaaaaaa-1", n) for name in names for n in range(100)]
    before = (await redis.info("memory"))["used_memory"]
    for start in range(0, len(appends), BATCH):
        await store.append_many(appends[start : start + BATCH])
    used: int = (await redis.info("memory"))["used_memory"] - before
    return used / len(appends)


def rate_line(samples: dict[str, list[float]]) -> Line:
    """Return messages per second, sent in batches."""
    case = f"history, messages appended by one process, {BATCH} at once"
    return line_of(case, "/s", samples, (at_least(20_000, "/s"),), more_is_better=True)


def time_line(samples: dict[str, list[float]]) -> Line:
    """Return the milliseconds of one message, which waits for its offset."""

    def test(line: Line) -> bool:
        return line.values["ours"] - line.values[PUBLISH] <= 0.1

    requirement = Requirement(f"≤ 0.1 ms more than {PUBLISH}", test)
    return line_of("history, one message appended", "ms", samples, (requirement,))


def read_line(samples: dict[str, list[float]]) -> Line:
    """Return the milliseconds of reading what a client has missed."""
    case = f"history, {MISSED} missed messages read"
    return line_of(case, "ms", samples, (at_most(1, "ms"),))
