"""The row of a connection has the user and the session that the connection has now."""

import asyncio

import pytest
from channels.auth import login, logout
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.db.models.signals import post_save
from django.test import Client

from rest_channels.engine.publish import current_hub
from rest_channels.testing import SocketCommunicator
from sockets.models import Socket
from sockets.presence import Presence
from sockets.router import SocketRouter

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)

router = SocketRouter()


@router.route("LOGIN")
async def log_in(socket, content):
    await login(socket.scope, await User.objects.aget(username=content["user"]))
    await socket.scope["session"].asave()
    socket.send_action("USER", name=socket.user.username)


@router.route("LOGOUT")
async def log_out(socket, content):
    await logout(socket.scope)
    socket.send_action("USER", name=None)


@router.route("CYCLE")
async def cycle_key(socket, content):
    await socket.scope["session"].acycle_key()
    socket.send_action("USER", name=socket.user.username)


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


@pytest.fixture
def anonymous_session():
    session = SessionStore()
    session["cart"] = 1
    session.create()
    return SessionStore(session.session_key)


@pytest.fixture
def adas_session(ada):
    client = Client()
    client.force_login(ada)
    return SessionStore(client.session.session_key)


@pytest.fixture
def saved_row(settle):
    """Return the row, once it is saved with the user and session of the connection."""
    saved = []

    def row_saved(instance, **kwargs):
        saved.append((instance.user_id, instance.session_id))

    async def row():
        (connection,) = current_hub().members.values()
        expected = connection.scope["user"].pk, connection.scope["session"].session_key
        await settle(lambda: saved[-1] == expected)
        (own,) = current_hub().get_component(Presence).rows.values()
        assert (own.user_id, own.session_id) == expected
        return await Socket.objects.select_related("user").aget()

    post_save.connect(row_saved, Socket)
    yield row
    post_save.disconnect(row_saved, Socket)


async def send(socket, type, name=None):
    await socket.send_json({"type": type, "user": name})
    await socket.expect_event(type="USER", name=name)


async def test_the_row_of_a_connection_that_has_logged_in_is_found_by_its_user(
    ada, anonymous_session, saved_row
) -> None:
    async with SocketCommunicator(router.as_asgi(), session=anonymous_session) as socket:
        await send(socket, "LOGIN", "ada")
        assert (await saved_row()).user == ada
        assert await Socket.objects.filter(user=ada).asend_action("HELLO_ADA") == 1
        await socket.expect_event(type="HELLO_ADA")


async def test_the_row_of_a_connection_that_has_logged_out_has_no_user(
    ada, adas_session, saved_row
) -> None:
    async with SocketCommunicator(router.as_asgi(), session=adas_session, user=ada) as socket:
        await send(socket, "LOGOUT")
        assert (await saved_row()).user is None


async def test_the_row_of_a_connection_that_has_switched_users_has_the_second(
    ada, adas_session, saved_row
) -> None:
    grace = await User.objects.acreate_user("grace")
    async with SocketCommunicator(router.as_asgi(), session=adas_session, user=ada) as socket:
        await send(socket, "LOGIN", "grace")
        assert (await saved_row()).user == grace


async def test_the_row_has_the_new_key_of_the_session(ada, adas_session, saved_row) -> None:
    key = adas_session.session_key
    async with SocketCommunicator(router.as_asgi(), session=adas_session, user=ada) as socket:
        await send(socket, "CYCLE", "ada")
        assert (await saved_row()).session_id not in (None, key)


@pytest.fixture
def while_saving():
    """Call it with a function, which runs on the event loop while a row is being saved, once."""
    receivers = []

    def call(function):
        loop = asyncio.get_running_loop()

        async def run():
            function()
            for _ in range(5):  # the tasks that it has started
                await asyncio.sleep(0)

        def row_saved(**kwargs):
            post_save.disconnect(row_saved, Socket)
            asyncio.run_coroutine_threadsafe(run(), loop).result()

        receivers.append(row_saved)
        post_save.connect(row_saved, Socket)

    yield call
    for receiver in receivers:
        post_save.disconnect(receiver, Socket)


async def test_a_user_who_is_set_while_the_row_is_being_saved_is_saved_too(
    ada, adas_session, saved_row, while_saving, settle
) -> None:
    grace = await User.objects.acreate_user("grace")
    async with SocketCommunicator(router.as_asgi(), session=adas_session, user=ada) as socket:
        (connection,) = current_hub().members.values()
        while_saving(lambda: connection.scope.update(user=grace))
        await send(socket, "CYCLE", "ada")
        await settle(lambda: connection.scope["user"] == grace)
        assert (await saved_row()).user == grace


async def test_a_connection_that_ends_right_after_a_login_leaves_no_row(
    ada, anonymous_session
) -> None:
    async with SocketCommunicator(router.as_asgi(), session=anonymous_session) as socket:
        await send(socket, "LOGIN", "ada")
    assert not await Socket.objects.aexists()
