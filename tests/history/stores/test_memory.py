"""The store in memory: its bounds, and threads that share it."""

import asyncio
import threading

import pytest

from rest_channels.history.stores import memory
from rest_channels.history.stores.base import EPOCH_AGE, Append
from rest_channels.history.stores.memory import MemoryStore

from .conftest import History

KEPT = History()
ADA = "aaaaaaaaaa-1"


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves: `clock[0]`."""
    now = [1_000.0]
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def store(clock):
    return MemoryStore()


async def test_expired_messages_of_other_groups_are_freed_by_the_next_append(store, clock) -> None:
    for number in range(100):
        await store.append(f"old-{number}", "a", History(age=number + 1), ADA, number + 1)
    clock[0] += 50
    await store.append("board", "b", KEPT, ADA, 1_000)
    assert sum(len(group.messages) for group in store._groups.values()) == 51
    assert len(store._groups) == 101


async def test_a_shorter_age_frees_messages_after_those_with_a_longer_one(store, clock) -> None:
    await store.append("board", "a", History(age=100), ADA, 1)
    await store.append("board", "b", History(age=1), ADA, 2)
    clock[0] += 50
    await store.append("other", "c", KEPT, ADA, 3)
    assert len(store._groups["board"].messages) == 2  # no hole between two messages
    clock[0] += 50
    await store.append("other", "d", KEPT, ADA, 4)
    assert not store._groups["board"].messages


async def test_groups_that_were_not_used_for_long_are_forgotten(store, clock) -> None:
    before = await store.position("board", KEPT)
    clock[0] += EPOCH_AGE - 1
    assert await store.positions(["board"]) == [before]  # a use
    clock[0] += EPOCH_AGE - 1
    await store.append("other", "a", KEPT, ADA, 1)
    assert await store.positions(["board"]) == [before]
    clock[0] += EPOCH_AGE + 1
    await store.append("other", "b", KEPT, ADA, 2)
    assert await store.positions(["board"]) == [None]


async def test_groups_with_messages_are_not_forgotten(store, clock) -> None:
    position = await store.append("board", "a", History(age=3 * EPOCH_AGE), ADA, 1)
    for _ in range(2):
        clock[0] += EPOCH_AGE + 1
        await store.append("other", "b", KEPT, ADA, int(clock[0]))
    assert await store.positions(["board"]) == [position]


async def test_there_is_a_limit_of_groups(store, monkeypatch) -> None:
    monkeypatch.setattr(memory, "MAX_GROUPS", 3)
    for number in range(5):
        await store.append(f"board-{number}", "a", KEPT, ADA, number + 1)
    await store.position("board-2", KEPT)
    await store.append("board-5", "a", KEPT, ADA, 6)
    assert sorted(store._groups) == ["board-2", "board-4", "board-5"]


async def test_writers_that_have_ended_are_forgotten(store, clock) -> None:
    for number in range(50):
        await store.append("board", "a", KEPT, f"ended-{number}", 1)
        clock[0] += 10
    assert len(store._groups["board"].writers) <= 7
    again = await store.append("board", "b", KEPT, "ended-49", 0)
    assert again.offset == 0  # the last one is remembered


def test_threads_with_event_loops_of_their_own_share_it() -> None:
    store, epochs = MemoryStore(), set()

    async def work(writer):
        for number in range(1, 201):
            items = [Append("board", "a", KEPT, writer, number)]
            epochs.add((await store.append_many(items))[0].epoch)

    threads = [
        threading.Thread(target=asyncio.run, args=(work(f"writer-{number}"),))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    position = asyncio.run(store.position("board", KEPT))
    assert (position.offset, epochs) == (1_600, {position.epoch})


async def test_no_method_waits(store) -> None:
    steps = store.append("board", "a", KEPT, ADA, 1).__await__()
    with pytest.raises(StopIteration):
        next(steps)
