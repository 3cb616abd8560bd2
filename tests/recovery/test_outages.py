"""What members of a process get while the store is down, and after it: one new position."""

import asyncio
from functools import partial

import pytest

from rest_channels.engine import history_writer, kept_group, recovery
from rest_channels.history import History
from rest_channels.history.records import StoreUnavailable
from rest_channels.history.stores import current_store
from rest_channels.history.stores.memory import MemoryStore
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

pytestmark = pytest.mark.asyncio


KEPT = History(size=100)


class Board(SocketView):
    histories = {"outage": KEPT}

    def connect(self, request):
        self.join("outage")

    async def receive(self, request):
        await self.broadcast("outage", request.data)


class Quiet(SocketView):
    """Joins no group."""


@pytest.fixture
def store_back(monkeypatch):
    """An event. Until it is set, messages are kept, but no writer gets an answer of the store."""
    back = asyncio.Event()
    append, new_epoch = MemoryStore.append_many, MemoryStore.new_epoch

    async def append_without_answer(self, items):
        back.has_appended.set()
        back.append_late = partial(append, self, items)
        await append(self, items)
        raise StoreUnavailable("The connection was lost")

    async def new_epoch_when_back(self, *args):
        if back.is_set():
            return await new_epoch(self, *args)
        raise StoreUnavailable("There is no connection")

    monkeypatch.setattr(MemoryStore, "append_many", append_without_answer)
    monkeypatch.setattr(MemoryStore, "new_epoch", new_epoch_when_back)
    monkeypatch.setattr(history_writer, "RETRY_FOR", 0)
    monkeypatch.setattr(kept_group, "MERGE", 0.05)
    monkeypatch.setattr(recovery, "COMPARE_EVERY", 0.01)
    back.has_appended = asyncio.Event()
    back.begin_epoch_elsewhere = lambda: new_epoch(current_store(), "outage", KEPT)
    return back


async def test_a_message_that_was_kept_without_an_answer_is_not_delivered_again(store_back):
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        await client.receive_json()
        await client.send_json({"x": 1})
        assert await client.receive_json() == {"x": 1}
        await client.expect_nothing(0.2)  # the hub has compared with the store by now
        store_back.set()
        assert "$joined" in await client.receive_json()


async def test_a_message_that_is_read_before_its_append_fails_is_not_delivered_again(
    store_back, monkeypatch
):
    """The process compares itself with the store meanwhile, and finds the message there."""
    append, is_given_up = MemoryStore.append_many, asyncio.Event()

    async def append_in_vain(self, items):
        try:
            await append(self, items)
        finally:
            await is_given_up.wait()

    monkeypatch.setattr(MemoryStore, "append_many", append_in_vain)
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        await client.receive_json()
        await client.send_json({"x": 1})
        await client.expect_nothing(0.2)
        is_given_up.set()
        assert await client.receive_json() == {"x": 1}
        store_back.set()
        assert "$joined" in await client.receive_json()


async def test_a_message_is_not_delivered_again_in_the_epoch_of_another_process(store_back):
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        await client.receive_json()
        await client.send_json({"x": 1})
        assert await client.receive_json() == {"x": 1}
        await store_back.begin_epoch_elsewhere()
        await store_back.append_late()
        await client.expect_nothing(0.3)  # the process still owes an epoch
        store_back.set()
        assert "$joined" in await client.receive_json()
        await client.expect_nothing(0.2)


async def test_a_client_that_joined_after_a_message_was_sent_does_not_get_it_unkept(store_back):
    """It may have got the message from another process, with an offset: the store has kept it."""
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as sender:
        await sender.receive_json()
        await sender.send_json({"x": 1})
        await store_back.has_appended.wait()
        async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
            assert "$joined" in await client.receive_json()
            assert await sender.receive_json() == {"x": 1}
            await client.expect_nothing(0.1)
            await client.send_json({"x": 2})
            assert await client.receive_json() == {"x": 2}


async def test_a_client_that_leaves_its_group_empty_and_returns_gets_no_message_again(store_back):
    async with SocketCommunicator(Quiet.as_asgi()):  # so the process goes on
        async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
            [(tag, position)] = (await client.receive_json())["$joined"].items()
            await client.send_json({"x": 1})
            assert await client.receive_json() == {"x": 1}
        async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
            await client.receive_json()
            await client.send_json({"$resume": {tag: position}})
            assert await client.receive_json() == {"$resumed": {tag: "later"}}
            store_back.set()
            assert "$joined" in await client.receive_json()


async def test_a_process_begins_the_epoch_itself_if_its_writer_has_ended(store_back, monkeypatch):
    monkeypatch.setattr(kept_group, "OWED_FOR", 0.2)
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        ended = await joined_epoch(client)
        await client.send_json({"x": 1})
        assert await client.receive_json() == {"x": 1}
    store_back.set()  # and nobody sends another message
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        assert await joined_epoch(client) == ended
        assert await joined_epoch(client) != ended


async def joined_epoch(client):
    [(epoch, _offset)] = (await client.receive_json())["$joined"].values()
    return epoch


class Store:
    """The store in memory, which can be down."""

    is_down = False

    def __init__(self, monkeypatch) -> None:
        for name in ("append_many", "position", "positions", "since", "new_epoch"):
            monkeypatch.setattr(MemoryStore, name, self._guarded(getattr(MemoryStore, name)))

    def _guarded(self, method):
        async def call(store, *args):
            if self.is_down:
                raise StoreUnavailable("There is no connection")
            return await method(store, *args)

        return call

    async def come_back(self) -> None:
        """Come back, and let processes begin the epochs that they owe, one after another."""
        self.is_down = False
        for _ in range(3):
            await asyncio.sleep(0.05)
            await current_store().new_epoch("outage", KEPT)


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr(history_writer, "RETRY_FOR", 0)
    monkeypatch.setattr(recovery, "COMPARE_EVERY", 0.01)
    monkeypatch.setattr(kept_group, "MERGE", 0.2)
    return Store(monkeypatch)


async def test_epochs_that_follow_each_other_after_an_outage_are_told_once(store):
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        await client.receive_json()
        store.is_down = True
        await client.send_json({"x": 1})
        assert await client.receive_json() == {"x": 1}
        await asyncio.sleep(0.5)  # the hub waits for the store
        await store.come_back()
        assert "$joined" in await client.receive_json()
        await client.expect_nothing(0.5)


async def test_a_client_that_comes_during_an_outage_is_told_of_the_last_epoch_only(store):
    store.is_down = True
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        await store.come_back()
        assert "$joined" in await client.receive_json()
        await client.expect_nothing(0.5)


async def test_a_client_that_comes_just_after_an_outage_is_told_of_the_last_epoch_only(store):
    async with SocketCommunicator(Board.as_asgi(), recovery=True):
        store.is_down = True
        await asyncio.sleep(0.1)
    coming_back = asyncio.create_task(store.come_back())
    await asyncio.sleep(0.01)
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        assert "$joined" in await client.receive_json()
        await client.expect_nothing(0.5)
    await coming_back
