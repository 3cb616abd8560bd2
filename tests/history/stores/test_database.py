"""The store in the database: transactions, locks, and a database that does not answer."""

import asyncio
import random
import threading
import time
from contextlib import contextmanager

import pytest
import pytest_asyncio
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, transaction
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from rest_channels.concurrency.threads import thread_pool
from rest_channels.history.models import HistoryGroup, HistoryMessage
from rest_channels.history.records import KeptMessage, StoreUnavailable
from rest_channels.history.stores import database_rows
from rest_channels.history.stores.base import EPOCH_AGE, Append
from rest_channels.history.stores.database import MAX_CALLS, DatabaseStore, append_in_transaction

from .conftest import IN_DATABASE, History

KEPT = History()
ADA = "aaaaaaaaaa-1"


@pytest.fixture(params=[IN_DATABASE, "postgresql"])
def alias(request):
    if request.param == "database":
        return "default"
    return request.getfixturevalue("history_on_postgresql")


@pytest_asyncio.fixture
async def store(alias):
    store = DatabaseStore()
    yield store
    await store.close()


def texts(alias, group="board"):
    """The messages as (offset, text), in the order of their offsets."""
    rows = HistoryMessage.objects.using(alias).filter(group__name=group).order_by("offset")
    return list(rows.values_list("offset", "text"))


def append(text, alias, group="board"):
    return append_in_transaction(group, text, KEPT, alias)


def in_threads(work, count):
    """Call `work(number)` in threads, which close their connections, and wait for all."""

    def run(number):
        try:
            work(number)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


class LeavesTransaction(Exception):
    pass


@contextmanager
def rolled_back(alias):
    try:
        with transaction.atomic(alias):
            yield
            raise LeavesTransaction
    except LeavesTransaction:
        pass


@contextmanager
def locked(alias):
    """Hold the lock of the group in a transaction of another thread."""
    holds, release = threading.Event(), threading.Event()

    def hold(number):
        with transaction.atomic(alias):
            append("held", alias)
            holds.set()
            assert release.wait(20)

    thread = threading.Thread(target=in_threads, args=(hold, 1))
    thread.start()
    assert holds.wait(5)
    try:
        yield
    finally:
        release.set()
        thread.join()


def test_an_append_is_kept_with_the_transaction_of_its_caller(alias) -> None:
    with transaction.atomic(alias):
        positions = [append("a", alias), append("b", alias)]
    assert [position.offset for position in positions] == [1, 2]
    assert texts(alias) == [(1, "a"), (2, "b")]


def test_a_rollback_takes_an_append_back_and_leaves_no_hole(alias) -> None:
    append("a", alias)
    with rolled_back(alias):
        assert append("lost", alias).offset == 2
    assert append("b", alias).offset == 2
    assert texts(alias) == [(1, "a"), (2, "b")]


def test_a_rollback_to_a_savepoint_takes_an_append_back(alias) -> None:
    with transaction.atomic(alias):
        append("a", alias)
        with rolled_back(alias):
            append("lost", alias)
        append("b", alias)
    assert texts(alias) == [(1, "a"), (2, "b")]


def test_a_rollback_of_the_first_append_takes_the_group_back(alias) -> None:
    with rolled_back(alias):
        epoch = append("lost", alias).epoch
    assert append("a", alias).epoch != epoch
    assert texts(alias) == [(1, "a")]


def test_without_a_transaction_an_append_commits_at_once(alias) -> None:
    append("a", alias)
    assert not connections[alias].in_atomic_block
    with rolled_back(alias):
        pass
    assert texts(alias) == [(1, "a")]


def test_an_append_takes_at_most_five_statements_in_a_transaction(alias) -> None:
    append("a", alias)
    with transaction.atomic(alias), CaptureQueriesContext(connections[alias]) as queries:
        append("b", alias)
    assert len(queries) == 5


def test_a_batch_to_a_group_takes_no_more_statements_than_one_message(alias) -> None:
    items = [Append("board", f"{number}", KEPT, ADA, number) for number in range(1, 51)]
    database_rows.append("board", items[:1], alias)
    with CaptureQueriesContext(connections[alias]) as queries:
        database_rows.append("board", items[1:], alias)
    statements = [each["sql"].split()[0] for each in queries]
    assert statements.count("INSERT") == 1
    assert len(statements) <= 7  # BEGIN and COMMIT among them


def test_offsets_are_in_the_order_of_commits_without_holes(alias) -> None:
    """Five threads append, and roll some back. Meanwhile a sixth one never sees a hole."""
    committed, seen, writing = [], [], threading.Barrier(6)

    def write(number):
        rng = random.Random(number)
        for i in range(10):
            is_lost = rng.random() < 0.3
            with rolled_back(alias) if is_lost else transaction.atomic(alias):
                position = append(f"{number}.{i}", alias)
                time.sleep(rng.random() / 1_000)
            if not is_lost:
                committed.append(position.offset)

    def read():
        while not seen or len(seen[-1]) < len(committed) or writing.n_waiting < 5:
            seen.append([offset for offset, _ in texts(alias)])

    def work(number):
        if number == 5:
            read()
        else:
            write(number)
        writing.wait(60)

    in_threads(work, 6)
    assert sorted(committed) == seen[-1] == list(range(1, len(committed) + 1))
    assert all(offsets == list(range(1, len(offsets) + 1)) for offsets in seen)


def test_a_second_transaction_waits_for_the_first_one(postgresql, history_on_postgresql) -> None:
    order = []

    def work(number):
        time.sleep(0.1 * number)
        with transaction.atomic(postgresql):
            append(f"{number}", postgresql)
            time.sleep(0.3 * (not number))
            order.append(number)

    in_threads(work, 2)
    assert order == [0, 1]
    assert texts(postgresql) == [(1, "0"), (2, "1")]


def test_transactions_of_other_groups_do_not_wait(postgresql, history_on_postgresql) -> None:
    append("first", postgresql, "other")
    with locked(postgresql):
        assert append("second", postgresql, "other").offset == 2


def test_many_threads_may_begin_the_same_group(alias) -> None:
    epochs = []
    in_threads(lambda number: epochs.append(append(f"{number}", alias).epoch), 8)
    assert (len(epochs), len(set(epochs)), len(texts(alias))) == (8, 1, 8)


async def test_a_locked_group_costs_a_second_and_its_append_is_not_repeated(store, alias) -> None:
    await store.append("board", "a", KEPT, ADA, 1)
    lock = locked(alias)
    await sync_to_async(lock.__enter__)()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="did not answer within 1 s"):
        await store.append("board", "b", KEPT, ADA, 2)
    assert time.monotonic() - began < 1.5
    await sync_to_async(lock.__exit__)(None, None, None)
    position = await store.append("board", "b", KEPT, ADA, 2)
    assert position.offset == 3
    kept = await store.last("board", 9)
    assert [message.text for message in kept] == ["a", "held", "b"]


async def test_readers_do_not_wait_for_a_transaction_that_appends(store, alias) -> None:
    first = await store.append("board", "a", KEPT, ADA, 1)
    lock = locked(alias)
    await sync_to_async(lock.__enter__)()
    try:
        assert await store.positions(["board"]) == [first]
        assert await store.position("board", KEPT) == first
        assert (await store.since("board", first._replace(offset=0))).position == first
        assert await store.last("board", 9) == [KeptMessage(1, "a")]
    finally:
        await sync_to_async(lock.__exit__)(None, None, None)


async def test_calls_that_get_no_answer_take_few_threads(store, alias, settle) -> None:
    lock = locked(alias)
    await sync_to_async(lock.__enter__)()
    before = len(thread_pool)
    appends = (store.append("board", "a", KEPT, f"writer-{i}", 1) for i in range(3 * MAX_CALLS))
    errors = await asyncio.gather(*appends, return_exceptions=True)
    assert {type(error) for error in errors} == {StoreUnavailable}
    assert len(thread_pool) - before <= MAX_CALLS
    await sync_to_async(lock.__exit__)(None, None, None)
    await settle(lambda: not store._tasks)
    assert (await store.position("board", KEPT)).offset == 1 + MAX_CALLS  # others never began


async def test_an_error_of_the_database_is_a_store_that_is_unavailable(store, monkeypatch) -> None:
    def fail(*args):
        connections["default"].cursor().execute("SELECT nothing")

    monkeypatch.setattr(database_rows, "position", fail)
    with pytest.raises(StoreUnavailable, match="Error"):
        await store.position("board", KEPT)


def test_what_has_expired_is_deleted_in_groups_that_nothing_is_appended_to(alias) -> None:
    append_in_transaction("old", "a", History(age=0.01), alias)
    append_in_transaction("board", "b", KEPT, alias)
    time.sleep(0.05)
    database_rows.sweep()
    assert (texts(alias, "old"), texts(alias)) == ([], [(1, "b")])
    assert HistoryGroup.objects.using(alias).count() == 2  # the epochs are kept for longer


def test_groups_that_were_not_used_for_long_are_deleted_unless_they_have_messages(alias) -> None:
    for group, age in (("old", 0.01), ("kept", 100 * EPOCH_AGE), ("new", 0.01)):
        append_in_transaction(group, "a", History(age=age), alias)
    time.sleep(0.05)
    groups = HistoryGroup.objects.using(alias)
    groups.exclude(name="new").update(used_at=database_rows._ago(2 * EPOCH_AGE))
    database_rows.sweep()
    assert sorted(groups.values_list("name", flat=True)) == ["kept", "new"]


def test_what_is_locked_is_not_waited_for(postgresql, history_on_postgresql) -> None:
    append_in_transaction("board", "a", KEPT, postgresql)
    messages = HistoryMessage.objects.using(postgresql)
    messages.update(expires_at=database_rows._ago(1))
    with transaction.atomic(postgresql):
        list(messages.select_for_update())
        in_threads(lambda number: database_rows.sweep(), 1)
    assert texts(postgresql) == [(1, "a")]


async def test_the_store_deletes_what_has_expired_once_a_minute(store, monkeypatch, settle) -> None:
    swept = []
    monkeypatch.setattr(database_rows, "sweep", lambda: swept.append(1))
    await store.append("board", "a", KEPT, ADA, 1)
    store._sweep_at = 0
    await store.append("board", "b", KEPT, ADA, 2)
    await store.append("board", "c", KEPT, ADA, 3)
    await settle(lambda: swept)
    assert swept == [1]


async def test_a_use_is_written_down_now_and_then(store, alias) -> None:
    await store.append("board", "a", KEPT, ADA, 1)
    groups = HistoryGroup.objects.using(alias)
    long_ago = database_rows._ago(EPOCH_AGE / 2)
    await sync_to_async(groups.update)(used_at=long_ago)
    before = await sync_to_async(lambda: groups.get().used_at)()
    await store.positions(["board"])
    after = await sync_to_async(lambda: groups.get().used_at)()
    await store.positions(["board"])
    assert (after - before).total_seconds() > EPOCH_AGE / 3
    assert await sync_to_async(lambda: groups.get().used_at)() == after


@pytest.mark.django_db
@pytest.mark.parametrize("thread_sensitive", [False, True])
def test_def_code_in_the_transaction_of_a_test_reads_what_it_has_appended(
    thread_sensitive, settings
) -> None:
    settings.REST_CHANNELS = {"THREAD_SENSITIVE": thread_sensitive}
    position = append_in_transaction("board", "a", KEPT)
    assert async_to_sync(DatabaseStore().position)("board", KEPT) == position
    assert async_to_sync(DatabaseStore().append)("board", "b", KEPT, ADA, 1).offset == 2
    assert texts("default") == [(1, "a"), (2, "b")]


class AppendsInTestCase(TestCase):
    """The transaction of Django's `TestCase`, which an `async def` test shares."""

    async def test_async_code_reads_what_def_code_has_appended(self) -> None:
        position = await sync_to_async(append_in_transaction)("board", "a", KEPT)
        store = DatabaseStore()
        assert await store.position("board", KEPT) == position
        assert (await store.append("board", "b", KEPT, ADA, 1)).offset == 2
        await store.close()
