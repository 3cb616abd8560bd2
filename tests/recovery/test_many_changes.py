"""A client that has missed ten thousand changes: what the server holds for it at a time."""

import asyncio

import pytest
from django.contrib.auth.models import Group
from rest_framework import serializers

from rest_channels.engine import replay
from rest_channels.engine.kept_messages import PAGE_BYTES
from rest_channels.engine.publish import current_hub
from rest_channels.history import History
from rest_channels.history.stores import current_store
from rest_channels.history.stores.base import Append
from rest_channels.observer import model_observer
from rest_channels.observer.delivery import kept_changes
from rest_channels.observer.delivery.publish import KeptChange
from tests.recovery.test_observers import Client, Groups

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = 10_000
FRAME_BYTES = 3_000
"""Of its text."""
OUTBOX_BYTES = 128 * 1024


class LargeSerializer(serializers.ModelSerializer):
    text = serializers.SerializerMethodField()

    class Meta:
        model = Group
        fields = ["text"]

    def get_text(self, row):
        return "x" * FRAME_BYTES


class ManyGroups(Groups):
    rows = model_observer(Group, serializer_class=LargeSerializer, history=History(COUNT))


class Reading:
    """The network of a client, which may stop to read."""

    def __init__(self):
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.has_stopped = asyncio.Event()
        self.most_waiting = 0

    def as_asgi(self):
        application = ManyGroups.as_asgi()

        async def read(scope, receive, send):
            async def send_when_read(message):
                if not self.goes_on.is_set():
                    self.has_stopped.set()
                    await self.goes_on.wait()
                self.note_waiting()
                await send(message)

            await application(scope, receive, send_when_read)

        return read

    def note_waiting(self):
        """Note the bytes that wait for clients."""
        for member in current_hub().members.values():
            queue = member.event_queue
            waiting = member.outbox.size + (0 if queue is None else queue.size)
            self.most_waiting = max(self.most_waiting, waiting)


@pytest.fixture
async def missed():
    """A row, and the tag and the position of a client that has missed all its changes."""
    row = await Group.objects.acreate(name="a")
    text = KeptChange(row.pk, "update", "default").to_text()
    async with Client(ManyGroups, timeout=30) as client:
        tag, position = await client.follow()
        [name] = current_hub().recovery.groups
    writer = current_hub().node
    changes = [Append(name, text, History(COUNT), writer, n) for n in range(1, COUNT + 1)]
    await current_store().append_many(changes)
    return row, tag, position


async def test_ten_thousand_changes_come_in_order_in_pages_of_bounded_size(missed, monkeypatch):
    _row, tag, (epoch, first) = missed
    read_at_once = []

    def read_rows(changes):
        read_at_once.append(len(changes))
        return original(changes)

    original = kept_changes.read_rows
    monkeypatch.setattr(kept_changes, "read_rows", read_rows)
    monkeypatch.setattr(replay, "READ_EVERY", 0)
    offset, result = first, "more"
    async with Client(ManyGroups, timeout=30) as client:
        await client.follow()
        while result == "more":
            frames, result = await client.resume(tag, [epoch, offset])
            offsets = [frame["$at"] for frame in frames]
            assert offsets == [f"{tag}.{offset + n}" for n in range(1, len(frames) + 1)]
            assert len(frames) * FRAME_BYTES <= PAGE_BYTES + FRAME_BYTES
            offset += len(frames)
    assert (offset - first, result) == (COUNT, "ok")
    assert max(read_at_once) <= kept_changes.CHANGES_AT_ONCE


async def test_a_client_that_stops_to_read_while_it_gets_them_is_closed(missed, settings):
    settings.REST_CHANNELS = {"OUTBOX_BYTES": OUTBOX_BYTES}
    row, tag, position = missed
    reading = Reading()
    async with Client(reading, timeout=30) as client:
        await client.follow()
        reading.goes_on.clear()
        for _ in range(20):  # also a client that asks without end
            await client.send_json({"$resume": {tag: position}})
        await reading.has_stopped.wait()
        while current_hub().members:  # it has not been closed
            await row.asave()
            reading.note_waiting()
        assert OUTBOX_BYTES // 2 < reading.most_waiting <= OUTBOX_BYTES
        reading.goes_on.set()
        await client.expect_close(4503)
