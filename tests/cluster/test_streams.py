"""Numbers on what processes say to each other: nothing is lost without a trace."""

import pytest

from rest_channels.cluster.packets import EventsPacket, StreamHeads
from rest_channels.cluster.streams import FORGET, FORGET_UNDELIVERED, ReceivedStreams, SentStreams

GROUP = "chess"


def said(numbers, count, now) -> EventsPacket:
    """`count` words, on their way."""
    began, age, first = numbers.take_numbers(GROUP, count, now)
    return EventsPacket(GROUP, began, age, first, ("word",) * count)


@pytest.fixture
def heard() -> ReceivedStreams:
    """A hub whose members have been in the group for a hundred seconds."""
    heard = ReceivedStreams()
    heard.join(GROUP, now=-100)
    return heard


def test_messages_in_order_leave_none_missing(heard) -> None:
    numbers = SentStreams()
    assert [heard.receive("ada", said(numbers, 2, now), now) for now in range(5)] == [(0, 0)] * 5


def test_the_next_message_reveals_the_lost_messages_before_it(heard) -> None:
    numbers = SentStreams()
    heard.receive("ada", said(numbers, 1, 0), 0)
    said(numbers, 3, 1)
    assert heard.receive("ada", said(numbers, 1, 2), 2) == (3, 0)
    assert heard.receive("ada", said(numbers, 1, 3), 3) == (0, 0)


def test_stream_heads_reveal_the_loss_of_the_last_messages(heard) -> None:
    numbers = SentStreams()
    heard.receive("ada", said(numbers, 1, 0), 0)
    said(numbers, 2, 1)
    assert heard.receive_heads("ada", numbers.heads(2.5), 2.5) == {GROUP: 2}
    assert heard.receive_heads("ada", numbers.heads(3.5), 3.5) == {}


def test_a_member_notices_lost_messages_only_if_it_had_joined_before_them(heard) -> None:
    numbers = SentStreams()
    said(numbers, 2, 0)
    assert heard.receive("ada", said(numbers, 1, 1), 1) == (2, 0)
    heard.join("late", now=0)
    numbers.take_numbers("late", 7, now=-50)
    assert heard.receive_heads("ada", StreamHeads({"late": (-50, 50.0, 7)}), 0.5) == {}


def test_heads_report_a_message_from_one_to_six_seconds_after_it() -> None:
    numbers = SentStreams()
    said(numbers, 4, 10)
    told = [now for now in range(10, 20) if numbers.heads(now).streams]
    assert told == [11, 12, 13, 14, 15]
    assert [numbers.has_heads(now) for now in (15.9, 16)] == [True, False]


def test_heads_report_undelivered_messages_once_the_layer_is_back() -> None:
    numbers = SentStreams()
    said(numbers, 1, 0)
    numbers.mark_undelivered(GROUP)
    assert not numbers.heads(30).streams
    numbers.restore(30)
    assert numbers.heads(30).streams[GROUP][2] == 1


def test_messages_that_are_delivered_twice_count_as_repeated(heard) -> None:
    numbers = SentStreams()
    word = said(numbers, 3, 0)
    assert heard.receive("ada", word, 0) == (0, 0)
    assert heard.receive("ada", word, 0) == (0, 3)
    again = word._replace(number=3, events=("word", "word"))
    assert heard.receive("ada", again, 0) == (0, 1)


def test_every_publisher_has_a_stream_of_its_own(heard) -> None:
    ada, grace = SentStreams(), SentStreams()
    said(ada, 9, 0)
    assert heard.receive("ada", said(ada, 1, 0), 0) == (9, 0)
    assert heard.receive("grace", said(grace, 1, 0), 0) == (0, 0)


def test_a_publisher_forgets_an_idle_stream_and_begins_another(heard) -> None:
    numbers = SentStreams()
    heard.receive("ada", said(numbers, 5, 0), 0)
    numbers.heads(FORGET + 1)
    assert not numbers.streams
    assert heard.receive("ada", said(numbers, 1, FORGET + 2), FORGET + 2) == (0, 0)


def test_a_publisher_keeps_an_undelivered_stream_longer() -> None:
    numbers = SentStreams()
    said(numbers, 1, 0)
    numbers.mark_undelivered(GROUP)
    numbers.heads(FORGET_UNDELIVERED - 1)
    assert numbers.streams
    numbers.heads(FORGET_UNDELIVERED + 1)
    assert not numbers.streams


def test_a_receiver_forgets_idle_publishers_and_the_groups_it_left(heard) -> None:
    heard.receive("ada", said(SentStreams(), 1, 0), 0)
    heard.forget_idle(FORGET_UNDELIVERED + FORGET + 1)
    assert heard._streams == {GROUP: {}}
    heard.leave(GROUP)
    assert (heard._streams, heard._joined_at) == ({}, {})
    assert heard.receive("ada", said(SentStreams(), 9, 0), 0) == (0, 0)
