"""Rows of relations to many that a user has loaded follow what is added on either side."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission

from rest_channels.consumers import SocketConsumer
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Room

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


class Rooms(SocketConsumer):
    async def receive_json(self, content):
        self.send_json([room.name for room in self.scope["user"].current_rooms.all()])


class Permissions(SocketConsumer):
    async def receive_json(self, content):
        groups = self.scope["user"].groups.all()
        self.send_json([each.codename for group in groups for each in group.permissions.all()])


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


async def expect(socket, *expected):
    await socket.send_json(None)
    await socket.expect_event([*expected])


async def test_a_relation_of_another_model_follows_both_of_its_sides(ada) -> None:
    room = await Room.objects.acreate(name="red", host=ada)
    own = await User.objects.prefetch_related("current_rooms").aget()
    async with SocketCommunicator(Rooms.as_asgi(), user=own) as socket:
        await room.current_users.aadd(ada)
        await expect(socket, "red")
        await room.current_users.aclear()
        await expect(socket)
        await ada.current_rooms.aset([room])
        await expect(socket, "red")
        await ada.current_rooms.aclear()
        await expect(socket)


async def test_a_permission_that_is_given_to_a_group_from_its_side_is_there(ada) -> None:
    group = await Group.objects.acreate(name="editors")
    await ada.groups.aadd(group)
    own = await User.objects.prefetch_related("groups__permissions").aget()
    permission = await Permission.objects.aget(codename="add_user")
    async with SocketCommunicator(Permissions.as_asgi(), user=own) as socket:
        await permission.group_set.aadd(group)
        await expect(socket, "add_user")
        await group.permissions.aclear()
        await expect(socket)
        await group.permissions.aadd(permission)
        await expect(socket, "add_user")
