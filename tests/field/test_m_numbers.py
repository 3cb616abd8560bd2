"""Only what is numbered between processes counts as lost."""

import time

import pytest
from django.test import override_settings

from rest_channels.cluster import packet_sender
from rest_channels.cluster.counts import counts
from rest_channels.cluster.packet_sender import ALL_NODES_GROUP, PacketSender
from rest_channels.cluster.packets import Acknowledgement, CommandPacket, LastNumbers
from rest_channels.protocol.messages import Event


async def no_connection():
    return None


@pytest.mark.parametrize(
    ("content", "lost"),
    [
        (Acknowledgement(1), 0),
        (LastNumbers({}), 0),
        (CommandPacket("end", ()), 1),
        (Event.rendered("", None, "text"), 1),
    ],
)
@override_settings(CHANNEL_LAYERS={})
async def test_an_answer_or_a_report_that_finds_no_room_is_no_lost_message(
    monkeypatch, content, lost
) -> None:
    monkeypatch.setattr(packet_sender, "QUEUE_SIZE", 0)
    sender, before = PacketSender("aaaaaaaaaa-1", no_connection), counts.undelivered
    sender.put(ALL_NODES_GROUP, content)
    assert counts.undelivered - before == lost
    assert sum(stream.number for stream in sender.streams.streams.values()) == lost
    await sender.stop()


@override_settings(CHANNEL_LAYERS={})
async def test_the_last_numbers_of_a_report_that_finds_no_room_stay_due(monkeypatch) -> None:
    monkeypatch.setattr(packet_sender, "QUEUE_SIZE", 0)
    sender = PacketSender("aaaaaaaaaa-1", no_connection)
    sender.streams.take_numbers("chess", 1, time.monotonic() - 5.9)
    sender.put(ALL_NODES_GROUP, sender.streams.last_numbers(time.monotonic()))
    assert "chess" in sender.streams.last_numbers(time.monotonic() + 4.5).streams
    await sender.stop()


@override_settings(CHANNEL_LAYERS={})
async def test_the_last_numbers_of_a_report_that_cannot_be_sent_are_due_after_the_outage() -> None:
    sender = PacketSender("aaaaaaaaaa-1", no_connection)
    sender.streams.take_numbers("chess", 1, time.monotonic() - 5.9)
    sender.put(ALL_NODES_GROUP, sender.streams.last_numbers(time.monotonic()))
    await sender.flush()
    sender.streams.restore(time.monotonic())
    assert "chess" in sender.streams.last_numbers(time.monotonic() + 4.5).streams
    await sender.stop()
