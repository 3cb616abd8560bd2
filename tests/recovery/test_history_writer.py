"""The writer of messages of groups with a history, in virtual time."""

import asyncio
from typing import Any

import pytest

from rest_channels.engine.history_writer import BATCH, MAX_WAITING_BYTES, HistoryWriter
from rest_channels.history.records import Position, StoreUnavailable
from rest_channels.history.stores.memory import MemoryStore
from rest_channels.protocol.messages import Event
from tests.recovery.simulation import KEPT, run


class Failing(MemoryStore):
    """A store that fails as often as it is told to."""

    failures = 0

    async def append_many(self, items: Any) -> list[Position]:
        await self._fail()
        return await super().append_many(items)

    async def new_epoch(self, *args: Any) -> Position:
        await self._fail()
        return await super().new_epoch(*args)

    async def _fail(self) -> None:
        await asyncio.sleep(0.001)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("made up")


class Written:
    """A writer, and what it has handed on."""

    def __init__(self, store: MemoryStore) -> None:
        self.events: list[tuple[str | None, int | None]] = []
        self.unnumbered: list[tuple[str | None, float]] = []
        self.doubts: list[tuple[str, bool]] = []
        self.appends: list[tuple[str, str, bool]] = []
        self.writer = self.new_writer(self.hand_on, store)

    def new_writer(self, hand_on: Any, store: MemoryStore) -> HistoryWriter:
        notes = lambda *each: self.appends.append(each), lambda *each: self.doubts.append(each)
        unnumbered = self.hand_on_unnumbered
        return HistoryWriter("ada", hand_on, unnumbered, *notes, lambda: store)

    def hand_on(self, event: Event) -> None:
        self.events.append((event.text, event.position and event.position.offset))

    def hand_on_unnumbered(self, event: Event, put_at: float) -> None:
        self.hand_on(event)
        self.unnumbered.append((event.text, put_at))

    def put(self, text: str, group: str = "board") -> Any:
        return self.writer.put(Event.rendered(group, None, text), KEPT)


def test_messages_are_handed_on_in_order_with_their_offsets() -> None:
    async def test() -> None:
        written = Written(Failing())
        sent = [written.put(str(number)) for number in range(BATCH + 5)]
        await sent[-1]
        assert written.events == [(str(number), number + 1) for number in range(BATCH + 5)]

    run(test())


def test_what_is_published_while_a_message_is_handed_on_is_not_lost() -> None:
    async def test() -> None:
        written = Written(store := MemoryStore())

        def answer(event: Event) -> None:
            Written.hand_on(written, event)
            if len(written.events) < 300:
                written.put(f"{event.text}!")

        written.writer = written.new_writer(answer, store)
        await written.put("a")
        assert [offset for _, offset in written.events] == list(range(1, 301))

    run(test())


def test_a_failure_that_ends_in_time_loses_nothing() -> None:
    async def test() -> None:
        written = Written(store := Failing())
        store.failures = 5
        await written.put("a")
        assert (written.events, written.unnumbered) == ([("a", 1)], [])

    run(test())


def test_an_append_whose_answer_is_lost_is_asked_for_once_more() -> None:
    class Lost(MemoryStore):
        answers = 0

        async def append_many(self, items: Any) -> list[Position]:
            found = await super().append_many(items)
            self.answers += 1
            if self.answers == 1:
                await asyncio.sleep(2)  # the connection is dead, and others work
                raise StoreUnavailable("made up")
            return found

    async def test() -> None:
        written = Written(Lost())
        await written.put("kept")
        assert (written.events, written.unnumbered) == ([("kept", 1)], [])
        assert written.doubts == [("board", True), ("board", False)]

    run(test())


def test_a_group_is_in_doubt_before_an_append_without_an_answer_counts_as_over() -> None:
    async def test() -> None:
        written = Written(store := Failing())
        written.appends = written.doubts = noted = []
        store.failures = 1
        await written.put("a")
        append = ("board", "ada", True), ("board", True), ("board", "ada", False)
        assert noted == [*append, ("board", False)]

    run(test())


def test_a_longer_failure_sends_all_that_waits_and_begins_one_epoch() -> None:
    async def test() -> None:
        written = Written(store := Failing())
        await written.put("a")
        epoch = (await store.position("board", KEPT)).epoch
        store.failures = 20
        texts = [str(number) for number in range(2 * BATCH)]
        await [written.put(text) for text in texts][-1]
        assert written.events == [("a", 1), *((text, None) for text in texts)]
        written.put("down")
        assert written.events[-1] == ("down", None)
        await asyncio.sleep(2)
        assert (await store.position("board", KEPT)).epoch != epoch
        await written.put("back")
        assert written.events[-1] == ("back", 1)

    run(test())


def test_a_message_that_is_not_kept_says_when_it_was_put() -> None:
    async def test() -> None:
        written = Written(store := Failing())
        store.failures = 10**6
        await asyncio.sleep(5)
        written.put("tried")
        await asyncio.sleep(2)
        assert [put_at for _, put_at in written.unnumbered] == [5]
        written.put("down")
        assert written.unnumbered[-1] == ("down", 7)
        await written.writer.stop()

    run(test())


def test_messages_beyond_the_bound_are_sent_without_an_offset() -> None:
    async def test() -> None:
        written = Written(Failing())
        half = "x" * (MAX_WAITING_BYTES // 2)
        sent = [written.put(half)]
        await asyncio.sleep(0)  # on Python 3.11 a task begins in the loop's next iteration
        sent += [written.put(half), written.put("more")]
        assert written.events == [("more", None)]
        for each in sent:
            await each
        offsets = [offset for _, offset in written.events]
        assert offsets == [None, 1, 1]  # the second is of the epoch that was owed

    run(test())


def test_an_error_while_a_message_is_handed_on_is_logged_and_stops_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        written = Written(store := MemoryStore())

        def fail_once(event: Event) -> None:
            if event.text == "a":
                raise ValueError("made up")
            Written.hand_on(written, event)

        written.writer = written.new_writer(fail_once, store)
        await written.put("a")
        await written.put("b")
        assert written.events == [("b", 2)]

    run(test())
    assert "could not be sent" in caplog.text


def test_a_writer_that_stops_sends_what_waits() -> None:
    async def test() -> None:
        written = Written(store := Failing())
        store.failures = 10**6
        sent = written.put("a")
        await written.writer.stop()
        await sent
        assert written.events == [("a", None)]

    run(test())
