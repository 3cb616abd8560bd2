"""A shelf of plants over a socket. The other half is the page's `plants/plants.js`."""

import asyncio

from channels.db import database_sync_to_async

from rest_channels.consumers import ModelConsumer
from rest_channels.decorators import action
from rest_channels.mixins import StreamedPaginatedListMixin

from .shelf import Shelf


class Plants(Shelf, ModelConsumer):
    """list, retrieve, create, update, patch, delete, and two actions of its own."""

    @action(atomic=True)
    def water(self, pk):
        plant = self.get_object(pk=pk)
        plant.water()
        return self.get_serializer(plant).data, 200

    @action(detached=True, http_method="GET")
    async def ask_gardener(self, pk):
        plant = await database_sync_to_async(self.get_object)(pk=pk)
        await asyncio.sleep(3)  # gardeners take their time; other requests go on meanwhile
        return plant.advice(), 200


class PlantStream(StreamedPaginatedListMixin, Plants):
    """The same, but that `list` sends page after page, until `list_cancel`."""

    sleep_time_between_pages = 0.25
