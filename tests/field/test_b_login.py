"""A handler that logs a user in or out keeps its connection, which is watched from then on."""

import pytest
from asgiref.sync import async_to_sync
from channels.auth import login, logout
from django.contrib.auth import alogout, get_user_model
from django.contrib.auth import logout as django_logout
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from rest_channels.consumers import SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.multiplexer import Multiplexer
from rest_channels.revocation import arevoke
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret")


@pytest.fixture
def grace():
    return User.objects.create_user("grace", password="secret")


def new_session(**data):
    session = SessionStore()
    session.update(data)
    session.create()
    return SessionStore(session.session_key)


@pytest.fixture
def anonymous_session():
    return new_session(cart=[1])


@pytest.fixture
def adas_session(ada):
    client = Client()
    client.force_login(ada)
    return SessionStore(client.session.session_key)


class Door(SocketConsumer):
    """Logs in the user that a frame names, or logs out."""

    async def receive_json(self, content):
        await self.enter(content)
        user, session = self.scope["user"], self.scope["session"]
        self.send_json([user.username, session.session_key is not None])

    async def enter(self, content):
        if content is None:
            await logout(self.scope)
        else:
            await login(self.scope, await User.objects.aget(username=content))
            await self.scope["session"].asave()


class SyncDoor(Door):
    def enter(self, content):
        super_enter = Door.enter.__get__(self)
        async_to_sync(super_enter)(content)

    def receive_json(self, content):
        self.enter(content)
        self.send_json([self.scope["user"].username, self.scope["session"].session_key is not None])


doors = pytest.mark.parametrize("door", [Door, SyncDoor])


@doors
async def test_a_login_in_a_handler_does_not_close_the_socket(door, ada, anonymous_session) -> None:
    async with SocketCommunicator(door.as_asgi(), session=anonymous_session) as socket:
        await socket.send_json("ada")
        await socket.expect_event(["ada", True])
        await check_accounts(current_hub())
        await socket.expect_nothing()


@doors
async def test_a_login_without_a_session_key_does_not_close_the_socket(door, ada) -> None:
    async with SocketCommunicator(door.as_asgi(), session=SessionStore()) as socket:
        await socket.send_json("ada")
        await socket.expect_event(["ada", True])
        await check_accounts(current_hub())
        await socket.expect_nothing()


async def delete_the_session(user, session):
    await SessionStore(session.session_key).adelete()


async def deactivate(user, session):
    user.is_active = False
    await user.asave()


async def deactivate_without_a_signal(user, session):
    await User.objects.filter(pk=user.pk).aupdate(is_active=False)
    await check_accounts(current_hub())


async def change_the_password(user, session):
    user.set_password("other")
    await user.asave()


async def revoke_the_user(user, session):
    await arevoke(user=user)


async def revoke_the_session(user, session):
    await arevoke(session_key=session.session_key)


ENDS = [
    (delete_the_session, 4440),
    (change_the_password, 4441),
    (deactivate, 4442),
    (deactivate_without_a_signal, 4442),
    (revoke_the_user, 4443),
    (revoke_the_session, 4443),
]


@doors
@pytest.mark.parametrize(("end", "code"), ENDS)
@pytest.mark.parametrize("with_key", [True, False])
async def test_a_connection_that_has_logged_in_ends_like_any_other(
    door, ada, anonymous_session, end, code, with_key
) -> None:
    session = anonymous_session if with_key else SessionStore()
    async with SocketCommunicator(door.as_asgi(), session=session) as socket:
        await socket.send_json("ada")
        await socket.expect_event(["ada", True])
        await end(ada, session)
        await socket.expect_close(code)


@doors
async def test_a_connection_that_has_switched_users_ends_with_the_second(
    door, ada, grace, adas_session
) -> None:
    async with SocketCommunicator(door.as_asgi(), session=adas_session, user=ada) as socket:
        await socket.send_json("grace")
        await socket.expect_event(["grace", True])
        await deactivate(ada, None)
        await check_accounts(current_hub())
        await socket.expect_nothing()
        await delete_the_session(grace, adas_session)
        await socket.expect_close(4440)


@doors
async def test_a_logout_in_a_handler_closes_the_other_sockets_of_the_session_only(
    door, ada, adas_session
) -> None:
    other_session = SessionStore(adas_session.session_key)
    other = SocketCommunicator(Door.as_asgi(), session=other_session, user=ada)
    async with SocketCommunicator(door.as_asgi(), session=adas_session, user=ada) as socket, other:
        await socket.send_json(None)
        await socket.expect_event(["", False])
        await other.expect_close(4440)
        await deactivate(ada, None)
        await check_accounts(current_hub())
        await socket.expect_nothing()


async def test_a_logout_of_django_in_a_view_keeps_the_socket(ada, adas_session) -> None:
    class LogOut(SocketView):
        def receive(self, request):
            django_logout(request)
            self.send_json(request.user.username)

    async with SocketCommunicator(LogOut.as_asgi(), session=adas_session, user=ada) as socket:
        await socket.send_json(None)
        await socket.expect_event("")
        await check_accounts(current_hub())
        await socket.expect_nothing()


async def test_an_asynchronous_logout_of_django_in_a_view_keeps_the_socket(
    ada, adas_session
) -> None:
    class LogOut(SocketView):
        async def receive(self, request):
            request.auser = lambda: User.objects.aget(pk=ada.pk)
            await alogout(request)
            self.send_json(request.user.username)

    async with SocketCommunicator(LogOut.as_asgi(), session=adas_session, user=ada) as socket:
        await socket.send_json(None)
        await socket.expect_event("")
        await socket.expect_nothing()


async def test_a_session_that_a_handler_flushes_without_a_logout_closes_the_socket(
    ada, adas_session
) -> None:
    class Flush(SocketView):
        def receive(self, request):
            request.session.flush()

    async with SocketCommunicator(Flush.as_asgi(), session=adas_session, user=ada) as socket:
        await socket.send_json(None)
        await socket.expect_close(4440)


async def test_a_new_key_for_the_session_of_the_same_user_keeps_the_socket(
    ada, adas_session
) -> None:
    class Cycle(SocketView):
        async def receive(self, request):
            await request.session.acycle_key()
            self.send_json(None)

    async with SocketCommunicator(Cycle.as_asgi(), session=adas_session, user=ada) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)
        await check_accounts(current_hub())
        await socket.expect_nothing()
        await delete_the_session(ada, adas_session)
        await socket.expect_close(4440)


async def test_a_login_in_a_stream_keeps_the_socket(ada, anonymous_session) -> None:
    streams = Multiplexer(door=Door.as_asgi())
    async with SocketCommunicator(streams, session=anonymous_session) as socket:
        await socket.send_json({"stream": "door", "payload": "ada"})
        await socket.expect_event(payload=["ada", True])
        await check_accounts(current_hub())
        await socket.expect_nothing()
        await delete_the_session(ada, anonymous_session)
        await socket.expect_close(4440)


async def test_a_scope_whose_user_is_replaced_in_any_way_is_watched(ada, grace) -> None:
    class Replace(SocketConsumer):
        async def receive_json(self, content):
            del self.scope["user"]
            self.scope.setdefault("user", grace)
            self.scope |= {"user": grace, "other": 1}
            self.scope.update(user=self.scope.pop("user"))
            self.send_json(None)

    async with SocketCommunicator(Replace.as_asgi(), user=ada) as socket:
        await socket.send_json(None)
        await socket.expect_event(None)
        await deactivate(ada, None)
        await socket.expect_nothing()
        await deactivate(grace, None)
        await socket.expect_close(4442)
