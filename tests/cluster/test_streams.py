"""The numbering of messages between processes, which reveals every loss."""

import pytest

from rest_channels.cluster.packets import EventsPacket, LastNumbers
from rest_channels.cluster.streams import (
    FORGET_AFTER,
    FORGET_UNDELIVERED_AFTER,
    ReceivedStreams,
    SentStreams,
)

GROUP = "chess"


def packet_of(streams, count, now) -> EventsPacket:
    """Return a packet of `count` messages, numbered by `streams`."""
    began, age, first = streams.take_numbers(GROUP, count, now)
    return EventsPacket(GROUP, began, age, first, ("message",) * count)


@pytest.fixture
def received() -> ReceivedStreams:
    """The streams of a node that has been in the group for a hundred seconds."""
    received = ReceivedStreams()
    received.join(GROUP, now=-100)
    return received


def test_messages_in_order_leave_none_missing(received) -> None:
    streams = SentStreams()
    assert [received.receive("ada", packet_of(streams, 2, now), now) for now in range(5)] == [
        (0, 0)
    ] * 5


def test_the_next_message_reveals_the_lost_messages_before_it(received) -> None:
    streams = SentStreams()
    received.receive("ada", packet_of(streams, 1, 0), 0)
    packet_of(streams, 3, 1)
    assert received.receive("ada", packet_of(streams, 1, 2), 2) == (3, 0)
    assert received.receive("ada", packet_of(streams, 1, 3), 3) == (0, 0)


def test_stream_heads_reveal_the_loss_of_the_last_messages(received) -> None:
    streams = SentStreams()
    received.receive("ada", packet_of(streams, 1, 0), 0)
    packet_of(streams, 2, 1)
    assert received.receive_last_numbers("ada", streams.last_numbers(2.5), 2.5) == {GROUP: 2}
    assert received.receive_last_numbers("ada", streams.last_numbers(3.5), 3.5) == {}


def test_a_member_notices_lost_messages_only_if_it_had_joined_before_them(received) -> None:
    streams = SentStreams()
    packet_of(streams, 2, 0)
    assert received.receive("ada", packet_of(streams, 1, 1), 1) == (2, 0)
    received.join("late", now=0)
    streams.take_numbers("late", 7, now=-50)
    assert received.receive_last_numbers("ada", LastNumbers({"late": (-50, 50.0, 7)}), 0.5) == {}


def test_heads_report_a_message_from_one_to_six_seconds_after_it() -> None:
    streams = SentStreams()
    packet_of(streams, 4, 10)
    times = [now for now in range(10, 20) if streams.last_numbers(now).streams]
    assert times == [11, 12, 13, 14, 15]
    assert [streams.has_last_numbers(now) for now in (15.9, 16)] == [True, False]


def test_heads_report_undelivered_messages_once_the_layer_is_back() -> None:
    streams = SentStreams()
    packet_of(streams, 1, 0)
    streams.mark_undelivered(GROUP)
    assert not streams.last_numbers(30).streams
    streams.restore(30)
    assert streams.last_numbers(30).streams[GROUP][2] == 1


def test_messages_that_are_delivered_twice_count_as_repeated(received) -> None:
    streams = SentStreams()
    packet = packet_of(streams, 3, 0)
    assert received.receive("ada", packet, 0) == (0, 0)
    assert received.receive("ada", packet, 0) == (0, 3)
    overlapping = packet._replace(number=3, events=("message", "message"))
    assert received.receive("ada", overlapping, 0) == (0, 1)


def test_each_publisher_has_its_own_stream(received) -> None:
    ada, grace = SentStreams(), SentStreams()
    packet_of(ada, 9, 0)
    assert received.receive("ada", packet_of(ada, 1, 0), 0) == (9, 0)
    assert received.receive("grace", packet_of(grace, 1, 0), 0) == (0, 0)


def test_a_publisher_forgets_an_idle_stream_and_begins_another(received) -> None:
    streams = SentStreams()
    received.receive("ada", packet_of(streams, 5, 0), 0)
    streams.last_numbers(FORGET_AFTER + 1)
    assert not streams.streams
    packet = packet_of(streams, 1, FORGET_AFTER + 2)
    assert received.receive("ada", packet, FORGET_AFTER + 2) == (0, 0)


def test_a_publisher_keeps_an_undelivered_stream_longer() -> None:
    streams = SentStreams()
    packet_of(streams, 1, 0)
    streams.mark_undelivered(GROUP)
    streams.last_numbers(FORGET_UNDELIVERED_AFTER - 1)
    assert streams.streams
    streams.last_numbers(FORGET_UNDELIVERED_AFTER + 1)
    assert not streams.streams


def test_a_receiver_forgets_idle_publishers_and_the_groups_it_left(received) -> None:
    received.receive("ada", packet_of(SentStreams(), 1, 0), 0)
    received.forget_idle(FORGET_UNDELIVERED_AFTER + FORGET_AFTER + 1)
    assert received._streams == {GROUP: {}}
    received.leave(GROUP)
    assert (received._streams, received._joined_at) == ({}, {})
    assert received.receive("ada", packet_of(SentStreams(), 9, 0), 0) == (0, 0)
