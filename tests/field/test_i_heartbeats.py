"""A heartbeat reads the database while connections log in and end."""

import asyncio
import threading

import pytest
from channels.auth import login
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from rest_channels.consumers import SocketConsumer
from rest_channels.engine import account_status
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.testing import SocketCommunicator

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret")


@pytest.fixture
def session(db):
    session = SessionStore()
    session["cart"] = [1]
    session.create()
    return SessionStore(session.session_key)


class SlowStatus:
    """Stops the query of a heartbeat before and after it reads the database."""

    def __init__(self, monkeypatch):
        self.begun, self.read, self.done, self.returned = (threading.Event() for _ in range(4))
        original = account_status.account_status

        def slow(*args):
            self.begun.set()
            assert self.read.wait(5)
            status = original(*args)
            self.done.set()
            assert self.returned.wait(5)
            return status

        monkeypatch.setattr(account_status, "account_status", slow)


@pytest.fixture
def slow(monkeypatch):
    return SlowStatus(monkeypatch)


class LogIn(SocketConsumer):
    async def receive_json(self, content):
        await login(self.scope, await User.objects.aget(username="ada"))
        await self.scope["session"].asave()
        self.send_json("in")


async def test_a_login_during_the_query_of_a_heartbeat_keeps_the_socket(slow, ada, session) -> None:
    async with SocketCommunicator(LogIn.as_asgi(), session=session) as socket:
        heartbeat = asyncio.create_task(check_accounts(current_hub()))
        assert await asyncio.to_thread(slow.begun.wait, 5)
        await socket.send_json(None)
        await socket.expect_event("in")
        slow.read.set()
        slow.returned.set()
        await heartbeat
        await socket.expect_nothing()


async def test_a_socket_that_ends_during_a_heartbeat_delays_the_end_of_no_other(
    slow, ada, session
) -> None:
    leaving = SocketCommunicator(LogIn.as_asgi(), session=session)
    await leaving.connect()
    async with SocketCommunicator(LogIn.as_asgi(), user=ada) as socket:
        await User.objects.filter(pk=ada.pk).aupdate(is_active=False)
        expired = Session.objects.filter(pk=session.session_key)
        await expired.aupdate(expire_date="2000-01-01T00:00Z")
        heartbeat = asyncio.create_task(check_accounts(current_hub()))
        slow.read.set()
        assert await asyncio.to_thread(slow.done.wait, 5)
        await leaving.disconnect()
        slow.returned.set()
        await heartbeat
        await socket.expect_close(4442)
