"""Frames and the actions inside of them, while the user of their connection is read again."""

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.test import TestCase
from rest_framework.permissions import BasePermission as ViewPermission

from rest_channels import django_views
from rest_channels.actions.view_arguments import view_arguments
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.dispatch import dispatcher
from rest_channels.django_views import DjangoViewAsConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import recheck_users
from rest_channels.permissions import BasePermission
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

User = get_user_model()


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


@pytest.fixture(params=["pool", "shared thread"])
def threads(request, settings):
    """Let handlers run in the pool, or in asgiref's one thread."""
    settings.REST_CHANNELS = {"THREAD_SENSITIVE": request.param == "shared thread"}


def change(consumer, **columns):
    """Save other columns for the user of `consumer`, and let Django signal it."""
    user = consumer.scope["user"]
    User.objects.filter(pk=user.pk).update(**columns)
    user.save(update_fields=["last_name"])


class Accounts(AsyncAPIConsumer):
    """A consumer whose subclasses change their user before they run the action of a frame."""

    @action()
    def note(self, content=None):
        self.noted.append(self.scope["user"].username)
        return None, 200


class Awaiting(Accounts):
    async def receive_json(self, content):
        await sync_to_async(change)(self, **content)
        await self.handle_action("note", 1)


class InThread(Accounts):
    def receive_json(self, content):
        change(self, **content)
        async_to_sync(self.handle_action)("note", 1)


class Named(Accounts):
    def get_action_name(self, content):
        change(self, **content)
        return "note", {}


class Checked(Accounts):
    permission_classes = [Everyone]

    async def receive_json(self, content):
        await self.handle_action("note", 1, content=content)

    def check_permissions(self, action, content):
        change(self, **content)


class CheckedInThread(Checked):
    def receive_json(self, content):
        async_to_sync(self.handle_action)("note", 1, content=content)


async def expect_refusal(socket, settle):
    """Send a frame during which the user is deactivated. Wait until its handler has ended."""
    [connection] = current_hub().members.values()
    await socket.send_json({"is_active": False})
    await settle(lambda: connection.close_code and not connection.call_queue.busy)
    await socket.expect_close(4442)


OWNERS = [Awaiting, InThread, Named, Checked, CheckedInThread]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("owner", OWNERS)
async def test_an_action_inside_of_a_frame_does_not_run_for_a_user_who_is_deactivated(
    owner, threads, monkeypatch, settle
) -> None:
    monkeypatch.setattr(Accounts, "noted", [], raising=False)
    ada = await User.objects.acreate(username="ada")
    async with SocketCommunicator(owner.as_asgi(), user=ada) as socket:
        await expect_refusal(socket, settle)
    assert Accounts.noted == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("owner", OWNERS)
async def test_an_action_inside_of_a_frame_sees_its_user_as_stored(
    owner, threads, monkeypatch
) -> None:
    monkeypatch.setattr(Accounts, "noted", [], raising=False)
    ada = await User.objects.acreate(username="ada")
    async with SocketCommunicator(owner.as_asgi(), user=ada) as socket:
        await socket.send_json({"username": "grace"})
        assert (await socket.receive_json())["response_status"] == 200
    assert Accounts.noted == ["grace"]


@pytest.mark.django_db(transaction=True)
async def test_an_action_that_disconnect_runs_is_called_while_its_user_is_read_again(
    monkeypatch,
) -> None:
    class Leaving(Accounts):
        async def disconnect(self, code):
            await sync_to_async(change)(self, is_active=False)
            await self.handle_action("note", None)

    monkeypatch.setattr(Accounts, "noted", [], raising=False)
    ada = await User.objects.acreate(username="ada")
    async with SocketCommunicator(Leaving.as_asgi(), user=ada):
        pass
    assert Accounts.noted == ["ada"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["receive_json", "view_arguments"])
async def test_a_django_view_is_not_called_for_a_user_who_is_deactivated(
    place, threads, monkeypatch, settle
) -> None:
    class View(DjangoViewAsConsumer):
        view = staticmethod(lambda request: called.append(request.user))

        def receive_json(self, content):
            if place == "receive_json":
                change(self, is_active=False)
            consumers.append(self)
            async_to_sync(self.handle_action)("list", 1)

    def view_arguments_and_change(*args):
        change(consumers.pop(), is_active=False)
        return view_arguments(*args)

    called, consumers = [], []
    if place == "view_arguments":
        monkeypatch.setattr(django_views, "view_arguments", view_arguments_and_change)
    ada = await User.objects.acreate(username="ada")
    async with SocketCommunicator(View.as_asgi(), user=ada) as socket:
        await expect_refusal(socket, settle)
    assert called == []


class InTestCase(TestCase):
    async def test_an_action_of_a_thread_waits_for_no_check_that_needs_its_thread(self) -> None:
        class InThread(Accounts):
            noted = []

            def receive_json(self, content):
                connection, user = self._connection, self.scope["user"]
                User.objects.filter(pk=user.pk).update(username="grace")
                connection.loop_bridge.call(recheck_users, connection.hub, [str(user.pk)])
                async_to_sync(self.handle_action)("note", 1)

        ada = await User.objects.acreate(username="ada")
        async with SocketCommunicator(InThread.as_asgi(), user=ada) as socket:
            await socket.send_json({})
            assert (await socket.receive_json())["response_status"] == 200
        assert InThread.noted == ["grace"]
