"""The order of a group's messages in one hub, without I/O."""

import random

from rest_channels.history.ordering import MAX_EARLY, RECENT, GroupOrder
from rest_channels.history.records import Position


def order_at(offset: int) -> GroupOrder[str]:
    return GroupOrder(Position("e1", offset))


def test_messages_in_order_are_ready_at_once():
    order = order_at(4)
    assert order.receive(5, "a") == [(5, "a")]
    assert order.receive(6, "b") == [(6, "b")]
    assert order.position == ("e1", 6)


def test_a_message_that_was_delivered_is_dropped():
    order = order_at(4)
    order.receive(5, "a")
    assert order.receive(5, "a") == order.receive(4, "z") == []


def test_a_message_that_is_early_waits_for_those_before():
    order = order_at(4)
    assert order.receive(7, "c") == order.receive(6, "b") == []
    assert (order.highest, order.position.offset) == (7, 4)
    assert order.receive(5, "a") == [(5, "a"), (6, "b"), (7, "c")]
    assert order.highest == order.position.offset == 7


def test_any_order_of_arrival_is_one_order_of_delivery():
    numbers = [*range(1, 200), *range(1, 200, 3)]
    random.Random(1).shuffle(numbers)
    order = order_at(0)
    found = [offset for number in numbers for offset, _ in order.receive(number, "")]
    assert found == list(range(1, 200))


def test_early_messages_are_bounded():
    order = order_at(0)
    for offset in range(2, MAX_EARLY + 100):
        order.receive(offset, "")
    assert order.highest == MAX_EARLY + 1
    assert len(order.receive(1, "")) == MAX_EARLY + 1


def test_a_later_position_of_the_epoch_delivers_what_follows_it():
    order = order_at(4)
    for offset in (6, 8, 9, 11):
        order.receive(offset, str(offset))
    assert order.reset(Position("e1", 7)) == [(8, "8"), (9, "9")]
    assert (order.position.offset, order.highest) == (9, 11)


def test_another_epoch_drops_all_that_waits():
    order = order_at(4)
    order.receive(6, "old")
    assert order.reset(Position("e2", 5)) == []
    assert (order.highest, list(order.past)) == (5, ["e1"])
    assert order.receive(6, "new") == [(6, "new")]


def test_the_last_messages_are_at_hand():
    order = order_at(0)
    for offset in range(1, 31):
        order.receive(offset, "")
    after = order.recent_after(30 - RECENT)
    assert [offset for offset, _ in after or ()] == list(range(31 - RECENT, 31))
    assert order.recent_after(30) == []
    assert order.recent_after(29 - RECENT) is None


def test_one_of_the_last_messages_is_found_by_its_offset():
    order = order_at(0)
    assert order.recent_at(0) is None
    for offset in range(1, 31):
        order.receive(offset, str(offset))
    found = [order.recent_at(offset) for offset in (30 - RECENT, 31 - RECENT, 30, 31)]
    assert found == [None, str(31 - RECENT), "30", None]


def test_nothing_is_at_hand_after_a_gap():
    order = order_at(4)
    order.receive(5, "a")
    order.reset(Position("e1", 9))
    assert order.recent_after(5) is None
    assert order.recent_after(9) == []
