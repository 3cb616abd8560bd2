"""Frames and the actions inside of them, while the user of their connection is read again."""

import pytest
from rest_framework.permissions import BasePermission as ViewPermission

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.dispatch import dispatcher
from rest_channels.permissions import BasePermission
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


class Everyone(BasePermission):
    async def has_permission(self, **kwargs):
        return True


class EveryView(ViewPermission):
    def has_permission(self, request, view):
        return True


class Desk(AsyncAPIConsumer):
    permission_classes = [Everyone]

    @action()
    async def look(self):
        return {"status": "seen"}, 200


class Room(SocketView):
    permission_classes = [EveryView]

    async def receive(self, request):
        await self.send_json({"status": "seen"})


@pytest.mark.parametrize("owner", [Desk, Room])
async def test_a_frame_that_was_checked_waits_for_nothing_while_no_user_is_read_again(
    owner, monkeypatch
) -> None:
    async with SocketCommunicator(owner.as_asgi()) as socket:
        monkeypatch.delattr(dispatcher, "_check_open")
        await socket.send_json({"action": "look"})
        assert "seen" in str(await socket.receive_json())
