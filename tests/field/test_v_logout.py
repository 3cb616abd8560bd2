"""A handler that ends the login of its own session in several steps is answered first."""

import asyncio

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from rest_channels.consumers import SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.handshake.identity import LOGIN_KEYS
from rest_channels.testing import SocketCommunicator

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret")


@pytest.fixture
def session(ada):
    client = Client()
    client.force_login(ada)
    return SessionStore(client.session.session_key)


async def remove_keys(session):
    for key in LOGIN_KEYS:
        del session[key]
    await session.asave()


async def clear(session):
    session.clear()
    await session.asave()


async def delete(session):
    await session.adelete()


async def delete_by_key(session):
    await session.adelete(session.session_key)


steps = pytest.mark.parametrize("step", [remove_keys, clear, delete, delete_by_key])


class Leaving(SocketConsumer):
    """Ends its login by `step`, and lets the process find that before it goes on."""

    async def receive_json(self, content):
        await type(self).step(self.scope["session"])
        for _ in range(2):
            await check_accounts(current_hub())
        if content == "log out":
            self.scope["user"] = AnonymousUser()
        await self.send_json(content)


@steps
async def test_a_handler_that_ends_its_login_is_answered_before_the_close(
    step, ada, session
) -> None:
    app = type("Door", (Leaving,), {"step": staticmethod(step)}).as_asgi()
    async with SocketCommunicator(app, session=session, user=ada) as socket:
        await socket.send_json("leave")
        await socket.expect_event("leave")
        await socket.expect_close(4440)


@pytest.mark.parametrize("step", [remove_keys, clear])
async def test_a_handler_that_ends_its_login_and_sets_the_user_stays_open(
    step, ada, session
) -> None:
    app = type("Door", (Leaving,), {"step": staticmethod(step)}).as_asgi()
    async with SocketCommunicator(app, session=session, user=ada) as socket:
        await socket.send_json("log out")
        await socket.expect_event("log out")
        await check_accounts(current_hub())
        await socket.expect_nothing()


async def test_a_login_that_a_page_takes_out_does_not_wait_for_a_handler(ada, session) -> None:
    class Busy(SocketConsumer):
        async def receive_json(self, content):
            await asyncio.Event().wait()

    async with SocketCommunicator(Busy.as_asgi(), session=session, user=ada) as socket:
        await socket.send_json("wait")
        page = SessionStore(session.session_key)
        await page.aget("any")
        await remove_keys(page)
        await socket.expect_close(4440)


async def flush(session):
    await session.aflush()


class Recording(SocketConsumer):
    """Ends its session by `step`. Other frames note their user."""

    async def receive_json(self, content):
        if content == "leave":
            await type(self).step(self.scope["session"])
        else:
            type(self).users.append(self.scope["user"].username)


@pytest.mark.parametrize("step", [flush, delete])
async def test_no_frame_is_handled_after_the_one_that_ends_the_session(step, ada, session) -> None:
    door = type("Door", (Recording,), {"step": staticmethod(step), "users": []})
    async with SocketCommunicator(door.as_asgi(), session=session, user=ada) as socket:
        for content in ("leave", "next", "next"):
            await socket.send_json(content)
        await socket.expect_close(4440)
    assert door.users == []


async def test_a_session_that_a_handler_has_cleared_closes_without_a_heartbeat(
    ada, session
) -> None:
    door = type("Door", (Recording,), {"step": staticmethod(clear), "users": []})
    async with SocketCommunicator(door.as_asgi(), session=session, user=ada) as socket:
        await socket.send_json("leave")
        await socket.expect_close(4440)
