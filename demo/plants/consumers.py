"""The socket of the plants. The browser's side is `plants/plants.js`."""

import asyncio

from channels.db import database_sync_to_async

from rest_channels.consumers import ModelConsumer
from rest_channels.decorators import action
from rest_channels.mixins import StreamedPaginatedListMixin

from .mixins import PlantMixin


class PlantConsumer(PlantMixin, ModelConsumer):
    """list, retrieve, create, update, patch and delete, and two more actions."""

    @action(atomic=True)
    def water(self, pk):
        plant = self.get_object(pk=pk)
        plant.water()
        return self.get_serializer(plant).data, 200

    @action(detached=True, http_method="GET")
    async def ask_gardener(self, pk):
        plant = await database_sync_to_async(self.get_object)(pk=pk)
        await asyncio.sleep(3)  # a slow answer: other requests are handled in the meantime
        return plant.advice(), 200


class PlantStreamConsumer(StreamedPaginatedListMixin, PlantConsumer):
    """The same, but `list` sends one page after the other until `list_cancel`."""

    sleep_time_between_pages = 0.25
