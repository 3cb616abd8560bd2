"""What changes while a connection is identified, checked or ended is not missed, and not kept."""

import asyncio
import gc
import weakref
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.urls import path
from django.utils import timezone
from rest_framework.authentication import TokenAuthentication

from rest_channels.consumers import AsyncAPIConsumer, SocketConsumer
from rest_channels.engine import account_status
from rest_channels.engine.identity_index import RevocationIndex
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts, recheck_users
from rest_channels.routing import SocketApplication, application
from rest_channels.testing import SocketCommunicator
from tests.observer.models import Comment

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret")


@pytest.fixture
def adas_session(ada):
    client = Client()
    client.force_login(ada)
    return SessionStore(client.session.session_key)


class Plain(SocketConsumer):
    """Answers each frame with the name of its user."""

    async def receive_json(self, content):
        self.send_json(self.scope["user"].username)


def deactivate(ada):
    ada.is_active = False
    ada.save()


def end_session(ada):
    SessionStore.get_model_class().objects.all().first().delete()


@pytest.mark.parametrize("end", [deactivate, end_session])
async def test_an_account_that_ends_during_the_handshake_is_not_served(
    end, ada, adas_session, monkeypatch
) -> None:
    connected, with_identity = [], application.with_identity

    class Consumer(Plain):
        async def connect(self):
            connected.append(self.scope["user"])

    async def identity_that_ends(scope):
        scope = await with_identity(scope)
        await sync_to_async(end)(ada)
        return scope

    monkeypatch.setattr(application, "with_identity", identity_that_ends)
    app = SocketApplication([path("", Consumer.as_asgi())])
    cookie = ("cookie", f"sessionid={adas_session.session_key}")
    socket = SocketCommunicator(app, headers=[cookie])
    accepted, code = await socket.connect()
    await socket.disconnect()
    assert (accepted, connected) == (False, [])
    assert code in (4440, 4442)


async def test_a_change_before_the_handshake_is_not_checked_again(
    ada, adas_session, monkeypatch
) -> None:
    calls, account = [], account_status.account_status

    def counted(*args):
        calls.append(args)
        return account(*args)

    monkeypatch.setattr(account_status, "account_status", counted)
    app = SocketApplication([path("", Plain.as_asgi())])
    cookie = ("cookie", f"sessionid={adas_session.session_key}")
    async with SocketCommunicator(app) as first:
        await ada.asave()
        async with SocketCommunicator(app, headers=[cookie]) as socket:
            await socket.send_json(None)
            await socket.expect_event("ada")
        await first.expect_nothing()
    assert calls == []


async def test_sessions_that_end_during_a_heartbeat_are_forgotten(gate, monkeypatch) -> None:
    account = account_status.account_status

    def slow(*args):
        status = account(*args)
        gate.pass_through()
        return status

    def new_session():
        session = SessionStore()
        session["cart"] = []
        session.save()
        return session

    sessions = [await sync_to_async(new_session)() for _ in range(2)]
    monkeypatch.setattr(account_status, "account_status", slow)
    index = current_hub().get_component(RevocationIndex)
    async with SocketCommunicator(Plain.as_asgi(), session=sessions[0]):
        async with SocketCommunicator(Plain.as_asgi(), session=sessions[1]):
            heartbeat = asyncio.create_task(check_accounts(index.hub))
            await asyncio.to_thread(gate.reached.wait, 5)
        gate.opened.set()
        await heartbeat
        assert set(index.session_versions) == {sessions[0].session_key}
    assert index.session_versions == {}


async def test_a_change_is_checked_although_an_earlier_check_is_being_cancelled(ada) -> None:
    async with SocketCommunicator(Plain.as_asgi(), user=ada) as socket:
        index = current_hub().get_component(RevocationIndex)
        recheck_users(index.hub, [str(ada.pk)])
        await asyncio.sleep(0)
        index.task.cancel()  # as it is when the last connection before this one has ended
        recheck_users(index.hub, [str(ada.pk)])
        await socket.send_json(None)
        await socket.expect_event("ada")


async def test_a_token_that_is_read_again_during_the_end_keeps_no_connection(
    ada, gate, monkeypatch, settle
) -> None:
    monkeypatch.setattr(Comment, "expires", property(lambda self: self.date), raising=False)
    consumers: weakref.WeakSet[AsyncAPIConsumer] = weakref.WeakSet()

    class Slow(TokenAuthentication):
        calls = 0

        def authenticate_credentials(self, key):
            type(self).calls += 1
            token = Comment.objects.get(pk=key)
            if self.calls > 1:
                gate.pass_through()
            return token.user, token

    class Guarded(AsyncAPIConsumer):
        authentication_classes = [Slow]

        async def connect(self):
            consumers.add(self)

    async def renew(hours):
        await Comment.objects.aupdate(date=timezone.now() + timedelta(hours=hours))

    token = await Comment.objects.acreate(user=ada)
    await renew(1)
    async with SocketCommunicator(Plain.as_asgi()):  # whose hub goes on
        header = ("authorization", f"Token {token.pk}")
        async with SocketCommunicator(Guarded.as_asgi(), headers=[header]):
            await settle(lambda: consumers)
            await renew(2)
            heartbeat = asyncio.create_task(check_accounts(current_hub()))
            await asyncio.to_thread(gate.reached.wait, 5)
        gate.opened.set()
        await heartbeat

    def is_forgotten():
        gc.collect()
        return not list(consumers)

    await settle(is_forgotten)
