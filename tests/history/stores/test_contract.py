"""What every store promises."""

import asyncio

import pytest

from rest_channels.history.records import KeptMessage, Position, StoreUnavailable
from rest_channels.history.stores.base import Append
from rest_channels.history.stores.memory import MemoryStore

from .conftest import History

KEPT = History()
ADA, GRACE = "aaaaaaaaaa-1", "bbbbbbbbbb-1"


async def fill(store, texts, history=KEPT, group="board", writer=ADA, first=1):
    """Append `texts`, and return their positions."""
    items = [Append(group, text, history, writer, first + i) for i, text in enumerate(texts)]
    return await store.append_many(items)


async def test_the_messages_of_a_group_are_numbered_from_one(store) -> None:
    first = await store.append("board", "a", KEPT, ADA, 1)
    second = await store.append("board", "b", KEPT, GRACE, 1)
    assert first == Position(second.epoch, 1)
    assert second.offset == 2
    assert len(first.epoch) >= 8


async def test_each_group_has_its_own_numbers_and_epoch(store) -> None:
    [first], [other] = await fill(store, "a"), await fill(store, "b", group="other")
    assert (first.offset, other.offset) == (1, 1)
    assert first.epoch != other.epoch


async def test_many_messages_are_appended_in_order_to_several_groups(store) -> None:
    items = [Append(f"board-{i % 2}", str(i), KEPT, ADA, i) for i in range(1, 7)]
    positions = await store.append_many(items)
    assert [position.offset for position in positions] == [1, 1, 2, 2, 3, 3]
    assert [message.text for message in await store.last("board-0", 9)] == ["2", "4", "6"]
    assert await store.append_many([]) == []


async def test_a_reader_gets_what_follows_its_position(store) -> None:
    positions = await fill(store, ["a", "ä", "c"])
    page = await store.since("board", positions[0])
    assert page.messages == (KeptMessage(2, "ä"), KeptMessage(3, "c"))
    assert page.position == positions[2]
    assert (page.has_more, page.is_gap) == (False, False)


async def test_a_reader_with_everything_gets_nothing(store) -> None:
    positions = await fill(store, "abc")
    page = await store.since("board", positions[2])
    assert (page.messages, page.has_more, page.is_gap) == ((), False, False)


async def test_a_reader_from_the_start_gets_everything(store) -> None:
    start = await store.position("board", KEPT)
    await fill(store, "abc")
    assert start.offset == 0
    page = await store.since("board", start)
    assert [message.text for message in page.messages] == ["a", "b", "c"]


@pytest.mark.parametrize("offset", [-(10**30), -1, 4, 10**30])
async def test_an_offset_that_was_never_used_is_a_gap(store, offset) -> None:
    positions = await fill(store, "abc")
    page = await store.since("board", Position(positions[0].epoch, offset))
    assert (page.is_gap, page.messages, page.has_more) == (True, (), False)
    assert page.position == positions[2]


async def test_another_epoch_is_a_gap(store) -> None:
    positions = await fill(store, "abc")
    page = await store.since("board", Position("of another", 3))
    assert (page.is_gap, page.messages, page.position) == (True, (), positions[2])


async def test_a_group_that_nothing_was_sent_to_is_a_gap_with_a_new_epoch(store) -> None:
    page = await store.since("board", Position("of long ago", 7))
    assert (page.is_gap, page.messages, page.position.offset) == (True, (), 0)
    assert await store.position("board", KEPT) == page.position


async def test_only_the_newest_messages_are_kept_and_the_others_are_a_gap(store) -> None:
    positions = await fill(store, "abcde", History(size=3))
    assert (await store.since("board", positions[0])).is_gap
    kept = await store.since("board", positions[1])
    assert [message.text for message in kept.messages] == ["c", "d", "e"]


async def test_a_smaller_size_trims_what_was_kept(store) -> None:
    positions = await fill(store, "abcde")
    await fill(store, "f", History(size=2), first=6)
    assert (await store.since("board", positions[2])).is_gap
    assert await store.last("board", 9) == [KeptMessage(5, "e"), KeptMessage(6, "f")]


async def test_old_messages_are_a_gap(store) -> None:
    positions = await fill(store, "ab", History(age=0.05))
    await asyncio.sleep(0.1)
    assert (await store.since("board", positions[0])).is_gap
    assert await store.last("board", 9) == []


async def test_a_reader_with_everything_has_no_gap_when_all_has_expired(store) -> None:
    positions = await fill(store, "ab", History(age=0.05))
    await asyncio.sleep(0.1)
    page = await store.since("board", positions[1])
    assert (page.is_gap, page.position) == (False, positions[1])
    assert (await store.append("board", "c", KEPT, ADA, 3)) == Position(page.position.epoch, 3)


async def test_each_message_expires_by_its_own_age(store) -> None:
    positions = await fill(store, "ab", History(age=0.2))
    await asyncio.sleep(0.15)
    positions += await fill(store, "cd", History(age=10), first=3)
    await asyncio.sleep(0.1)
    assert (await store.since("board", positions[0])).is_gap
    page = await store.since("board", positions[1])
    assert [message.text for message in page.messages] == ["c", "d"]
    assert [message.text for message in await store.last("board", 9)] == ["c", "d"]


async def test_pages_are_limited_by_bytes_and_lead_to_the_end(store) -> None:
    await fill(store, ["ä" * 30 for _ in range(70)])
    position = Position((await store.position("board", KEPT)).epoch, 0)
    sizes = []
    while (page := await store.since("board", position, limit=600)).messages:
        offsets = [message.offset for message in page.messages]
        assert offsets == list(range(position.offset + 1, offsets[-1] + 1))
        position = position._replace(offset=offsets[-1])
        sizes.append(len(offsets))
    assert sizes == [10] * 7
    assert (page.has_more, position.offset) == (False, 70)


async def test_a_page_says_whether_more_follows(store) -> None:
    start = await store.position("board", KEPT)
    await fill(store, ["aaaa", "bbbb"])
    assert (await store.since("board", start, limit=7)).has_more
    assert not (await store.since("board", start, limit=8)).has_more


async def test_a_page_has_one_message_that_is_larger_than_its_limit(store) -> None:
    start = await store.position("board", KEPT)
    await fill(store, ["a" * 100, "b"])
    page = await store.since("board", start, limit=10)
    assert ([message.offset for message in page.messages], page.has_more) == ([1], True)


async def test_a_repeated_append_returns_the_first_position_and_appends_nothing(store) -> None:
    positions = await fill(store, "abc")
    assert await store.append("board", "c", KEPT, ADA, 3) == positions[2]
    assert await fill(store, "abc") == positions
    assert len(await store.last("board", 9)) == 3


async def test_a_repetition_is_found_among_the_messages_of_others(store) -> None:
    [first] = await fill(store, "a")
    await fill(store, "bcd", writer=GRACE)
    await fill(store, "e", first=7)
    assert await store.append("board", "a", KEPT, ADA, 1) == first
    assert (await store.position("board", KEPT)).offset == 5


async def test_a_repetition_of_part_of_a_batch_appends_the_rest(store) -> None:
    await fill(store, "ab")
    positions = await fill(store, "abcd")
    assert [position.offset for position in positions] == [1, 2, 3, 4]


async def test_a_repetition_of_a_message_that_was_trimmed_has_no_offset(store) -> None:
    positions = await fill(store, "abcd", History(size=2))
    again = await store.append("board", "a", History(size=2), ADA, 1)
    assert again == Position(positions[0].epoch, 0)
    assert (await store.position("board", KEPT)).offset == 4


async def test_a_repetition_of_a_message_of_an_earlier_epoch_is_not_appended(store) -> None:
    await fill(store, "ab")
    begun = await store.new_epoch("board", KEPT, GRACE, 1)
    again = [await store.append("board", text, KEPT, ADA, n) for n, text in enumerate("ab", 1)]
    assert again == [begun, begun]
    assert await store.position("board", KEPT) == begun


async def test_an_append_that_arrives_after_the_epoch_of_its_writer_appends_nothing(store) -> None:
    await fill(store, "ab")
    begun = await store.new_epoch("board", KEPT, ADA, 4)
    assert await store.append("board", "c", KEPT, ADA, 3) == begun
    assert await store.append("board", "d", KEPT, ADA, 5) == Position(begun.epoch, 1)


async def test_an_epoch_that_is_begun_repeatedly_with_one_number_begins_once(store) -> None:
    begun = await store.new_epoch("board", KEPT, ADA, 3)
    await store.append("board", "a", KEPT, GRACE, 1)
    assert await store.new_epoch("board", KEPT, ADA, 3) == Position(begun.epoch, 1)
    assert (await store.new_epoch("board", KEPT, ADA, 4)).epoch != begun.epoch


async def test_the_number_of_one_writer_is_not_that_of_another(store) -> None:
    await fill(store, "ab", writer=ADA)
    positions = await fill(store, "cd", writer=GRACE)
    assert [position.offset for position in positions] == [3, 4]


async def test_the_position_of_a_group_is_that_of_its_last_message(store) -> None:
    positions = await fill(store, "abc")
    assert await store.position("board", KEPT) == positions[2]


async def test_the_positions_of_many_groups_are_found_and_begin_no_epoch(store) -> None:
    positions = await fill(store, "abc")
    found = await store.positions(["never", "board", "never"])
    assert found == [None, positions[2], None]
    assert await store.positions(["never"]) == [None]
    assert await store.positions([]) == []


async def test_a_new_epoch_begins_at_zero_without_messages(store) -> None:
    positions = await fill(store, "abc")
    begun = await store.new_epoch("board", KEPT)
    assert (begun.offset, begun.epoch != positions[0].epoch) == (0, True)
    assert (await store.since("board", positions[2])).is_gap
    assert await store.last("board", 9) == []
    assert await store.append("board", "d", KEPT, ADA, 4) == Position(begun.epoch, 1)


async def test_a_new_epoch_may_begin_where_there_was_none(store) -> None:
    begun = await store.new_epoch("board", KEPT)
    assert await store.position("board", KEPT) == begun


async def test_the_last_messages_are_returned_oldest_first(store) -> None:
    await fill(store, "abcd")
    assert await store.last("board", 2) == [KeptMessage(3, "c"), KeptMessage(4, "d")]
    assert await store.last("never", 2) == []
    assert await store.positions(["never"]) == [None]


async def test_two_nodes_see_the_same_messages(store, new_store) -> None:
    other = store if new_store is MemoryStore else new_store()
    positions = await fill(store, "abc")
    assert await other.position("board", KEPT) == positions[2]
    await other.close()


async def test_concurrent_appends_have_all_numbers(store) -> None:
    async def append(number):
        while True:
            try:
                return await store.append("board", f"{number}", KEPT, f"writer-{number}", 1)
            except StoreUnavailable:  # a busy machine; a repetition appends nothing twice
                continue

    positions = await asyncio.gather(*map(append, range(20)))
    assert sorted(position.offset for position in positions) == list(range(1, 21))
    assert len({position.epoch for position in positions}) == 1
    kept = {message.offset: message.text for message in await store.last("board", 20)}
    assert all(kept[position.offset] == f"{i}" for i, position in enumerate(positions))


async def test_a_store_may_be_used_again_after_it_was_closed(store) -> None:
    positions = await fill(store, "ab")
    await store.close()
    assert await store.position("board", KEPT) == positions[1]
    await store.close()
    await store.close()


async def test_names_that_groups_may_have_are_kept_apart(store) -> None:
    names = ["a.b", "a-b", "a_b", "A.b", "x" * 99]
    for name in names:
        await fill(store, [name], group=name)
    kept = [await store.last(name, 9) for name in names]
    assert kept == [[KeptMessage(1, name)] for name in names]


async def test_a_batch_may_repeat_what_it_has(store) -> None:
    items = [Append("board", text, KEPT, ADA, number) for text, number in (("a", 1), ("b", 2))]
    positions = await store.append_many([*items, *items])
    assert [position.offset for position in positions] == [1, 2, 1, 2]


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "", "😀"])
async def test_any_text_is_kept_as_it_is_or_refused_and_harms_no_other(store, text) -> None:
    try:
        await store.append("board", text, KEPT, ADA, 1)
    except StoreUnavailable:
        expected = []
    else:
        expected = [text]
    await store.append("board", "next", KEPT, ADA, 2)
    page = await store.since("board", Position((await store.position("board", KEPT)).epoch, 0))
    assert [message.text for message in page.messages] == [*expected, "next"]
