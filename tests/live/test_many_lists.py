"""A commit writes to a list while the server sends the changes of many other lists."""

import asyncio
import threading

import pytest
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.live import schedule
from rest_channels.observer import ObserverModelListMixin

from .client import client, subscribe
from .models import Item

pytestmark = pytest.mark.django_db(transaction=True)

LISTS = 12


class ItemSerializer(serializers.ModelSerializer):
    class Meta:
        model = Item
        fields = ["id", "name"]


class Items(ObserverModelListMixin, GenericAsyncAPIConsumer):
    serializer_class = ItemSerializer

    def get_queryset(self, *, size=0, **kwargs):
        return Item.objects.filter(size__in=[0, size])


class Readings:
    """The first reading of all lists ends only when the event is set."""

    def __init__(self, make_readings):
        self._make_readings = make_readings
        self.made, self.released = threading.Event(), threading.Event()
        self.queries = []

    def make(self, readings):
        made = self._make_readings(readings)
        if len(readings) == LISTS and not self.queries:
            self.queries = [reading.query for reading in readings]
            self.made.set()
            self.released.wait(5)
        return made


@pytest.fixture
def readings(monkeypatch):
    monkeypatch.setattr(schedule, "QUERIES_PER_CALL", 5)
    monkeypatch.setattr(schedule, "SLOW_TIME", 60)  # none is read alone on a busy machine
    readings = Readings(schedule.make_readings)
    monkeypatch.setattr(schedule, "make_readings", readings.make)
    return readings


async def rename(item, name):
    item.name = name
    await item.asave()


async def test_a_list_whose_clients_are_told_last_is_read_for_what_came_meanwhile(readings) -> None:
    shared = await Item.objects.acreate(size=0)
    own = [await Item.objects.acreate(size=size) for size in range(1, LISTS + 1)]
    async with client(Items) as socket:
        lists = {item.pk: await subscribe(socket, size=item.size) for item in own}
        await rename(shared, "first")
        await asyncio.to_thread(readings.made.wait, 5)
        [item] = [each for each in own if each.pk in readings.queries[-1].keys]
        await rename(item, "second")
        await asyncio.sleep(0.2)  # it is known which lists this concerns
        readings.released.set()
        for _ in range(LISTS):
            await socket.expect_event(action="diff")
        [[row, _tag]] = (await lists[item.pk].receive())["change"]
        assert row == {"id": item.pk, "name": "second"}
