"""An ended connection is freed by its reference counts, without a garbage collection."""

import gc
import weakref

import pytest

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action, detached, socket_route
from rest_channels.engine.publish import current_hub
from rest_channels.permissions import BasePermission
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView


class Editor(SocketRouteView):
    async def connect(self, request):
        await self.join("editors")

    @socket_route
    def save(self, request, data):
        self.broadcast("editors", data)
        return data

    async def disconnect(self, request):
        """Do nothing."""


class Everybody(BasePermission):
    async def has_permission(self, scope, consumer, action, **kwargs):
        return True


class Tasks(AsyncAPIConsumer):
    groups = ["tasks"]
    permission_classes = [Everybody]

    @action()
    async def save(self, data):
        await self.begin()
        return self.channel_name != "", 200

    @detached
    async def begin(self):
        """Do nothing."""


FRAMES = {Editor: {"method": "save", "data": 1}, Tasks: {"action": "save", "data": 1}}


@pytest.mark.parametrize("application", FRAMES)
async def test_an_ended_connection_is_freed_at_once(application, settle) -> None:
    gc.collect()
    gc.disable()
    try:
        async with SocketCommunicator(application.as_asgi()) as socket:
            await socket.send_json(FRAMES[application])
            await socket.receive_json()
            (connection,) = current_hub().members.values()
            freed = weakref.ref(connection)
            del connection
        await settle(lambda: freed() is None)
    finally:
        gc.enable()
