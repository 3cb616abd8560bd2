"""A connection is closed when its session or its user ends."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from importlib import import_module

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection, transaction
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.engine import revocation_index
from rest_channels.engine.account_status import account_status
from rest_channels.engine.publish import current_hub
from rest_channels.engine.revocation_index import check_accounts
from rest_channels.revocation import arevoke, revoke
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

User = get_user_model()
pytestmark = pytest.mark.django_db(transaction=True)


class Quiet(SocketView):
    async def receive(self, request):
        self.send_json("still here")


@pytest.fixture
def ada():
    """The user Ada. A second user, Grace, is not changed."""
    User.objects.create_user("grace")
    return User.objects.create_user("ada", password="secret")


@pytest.fixture
def client(ada):
    """A browser in which Ada has logged in."""
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
async def sockets(ada, client):
    """The sockets of Ada and of Grace. After the test Grace's socket must still be open."""
    grace = await User.objects.aget(username="grace")
    session = SessionStore(client.session.session_key)
    async with (
        SocketCommunicator(Quiet.as_asgi(), user=ada, session=session) as adas,
        SocketCommunicator(Quiet.as_asgi(), user=grace) as graces,
    ):
        yield adas, graces
        await graces.send_json("?")
        await graces.expect_event("still here")


def log_out(ada, client):
    client.logout()


def delete_the_session(ada, client):
    client.session.delete()


def flush_the_session(ada, client):
    client.session.flush()


def deactivate(ada, client):
    ada.is_active = False
    ada.save()


def delete(ada, client):
    ada.delete()


def change_the_password(ada, client):
    ada.set_password("new")
    ada.save()


def revoke_the_user(ada, client):
    revoke(user=ada)


def revoke_the_session(ada, client):
    revoke(session_key=client.session.session_key, code=4999, reason="Now.")


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (log_out, 4440),
        (delete_the_session, 4440),
        (flush_the_session, 4440),
        (change_the_password, 4441),
        (deactivate, 4442),
        (delete, 4442),
        (revoke_the_user, 4443),
        (revoke_the_session, 4999),
    ],
)
async def test_an_end_of_access_that_django_signals_closes_the_socket_at_once(
    sockets, ada, client, event, code
) -> None:
    await sync_to_async(event)(ada, client)
    await sockets[0].expect_close(code)


def expire(ada):
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def delete_all_sessions(ada):
    Session.objects.all()._raw_delete("default")


def deactivate_by_update(ada):
    User.objects.filter(pk=ada.pk).update(is_active=False)


def change_the_password_by_update(ada):
    User.objects.filter(pk=ada.pk).update(password="x")


def delete_without_a_signal(ada):
    User.objects.filter(pk=ada.pk)._raw_delete("default")


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (expire, 4440),
        (delete_all_sessions, 4440),
        (change_the_password_by_update, 4441),
        (deactivate_by_update, 4442),
        (delete_without_a_signal, 4442),
    ],
)
async def test_the_heartbeat_finds_an_end_of_access_that_django_does_not_signal(
    sockets, ada, event, code
) -> None:
    await sync_to_async(event)(ada)
    await check_accounts(current_hub())
    await sockets[0].expect_close(code)


async def test_the_heartbeat_runs_without_being_called(ada, client) -> None:
    with override_settings(REST_CHANNELS={"BEAT": 0.05}):
        async with SocketCommunicator(Quiet.as_asgi(), user=ada) as socket:
            await User.objects.aupdate(is_active=False)
            await socket.expect_close(4442)


async def test_a_change_that_is_rolled_back_closes_no_socket(sockets, ada) -> None:
    def deactivate_and_roll_back():
        with transaction.atomic():
            deactivate(ada, None)
            transaction.set_rollback(True)

    await sync_to_async(deactivate_and_roll_back)()
    await sockets[0].expect_nothing()


async def test_another_login_or_a_new_name_closes_no_socket(sockets, ada) -> None:
    await sync_to_async(Client().force_login)(ada)
    await User.objects.filter(pk=ada.pk).aupdate(first_name="Ada")
    await ada.asave()
    await check_accounts(current_hub())
    await sockets[0].expect_nothing()


async def test_a_user_can_be_revoked_after_a_login_during_a_connection(ada) -> None:
    class LogIn(SocketView):
        async def receive(self, request):
            request.user = ada

    async with SocketCommunicator(LogIn.as_asgi()) as socket:
        await socket.send_json("log in")
        await socket.expect_nothing()
        await arevoke(user=ada.pk)
        await socket.expect_close(4443)


async def test_one_query_checks_all_sessions_and_users(ada, client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            status = account_status([client.session.session_key, "x" * 32], [str(ada.pk), "0"])
        assert status.sessions == {client.session.session_key}
        assert status.passwords == {str(ada.pk): ada.password}
        return len([query for query in captured if "UNION" in query["sql"]])

    assert await sync_to_async(queries)() == 1


async def test_an_anonymous_connection_costs_no_query(ada, monkeypatch) -> None:
    calls = []
    monkeypatch.setattr("rest_channels.engine.account_status.account_status", calls.append)
    async with SocketCommunicator(Quiet.as_asgi()):
        await check_accounts(current_hub())
    assert calls == []


async def test_a_database_that_is_down_closes_no_socket(sockets, monkeypatch, caplog) -> None:
    def fail(sessions, users):
        raise OperationalError("down")

    with monkeypatch.context() as patched:
        patched.setattr("rest_channels.engine.account_status.account_status", fail)
        await check_accounts(current_hub())
    await sockets[0].expect_nothing()
    assert "next heartbeat" in caplog.text


@pytest.mark.parametrize("engine", ["cache", "cached_db", "db", "file", "signed_cookies"])
async def test_every_session_engine_reports_which_sessions_are_valid(engine, tmp_path) -> None:
    name = f"django.contrib.sessions.backends.{engine}"
    with override_settings(SESSION_ENGINE=name, SESSION_FILE_PATH=str(tmp_path)):

        def check_sessions() -> None:
            store = import_module(name).SessionStore()
            store["cart"] = [1]
            store.save()
            valid = {store.session_key}
            assert account_status([store.session_key, "a" * 32], []).sessions == valid
            if engine != "signed_cookies":
                store.delete()
                assert account_status([store.session_key or "b" * 32], []).sessions == set()

        await sync_to_async(check_sessions)()


async def test_the_index_keeps_no_connection_that_has_ended(sockets, ada) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(SocketCommunicator(Quiet.as_asgi(), user=ada))
    index = current_hub().get_component(revocation_index.RevocationIndex)
    assert (len(index.identities), len(index.users), len(index.sessions)) == (2, 2, 1)


@pytest.mark.parametrize(
    ("wrong", "error"), [({}, TypeError), ({"user": 1, "code": 1005}, ValueError)]
)
def test_revoke_with_wrong_arguments_raises_an_error(wrong, error) -> None:
    with pytest.raises(error):
        revoke(**wrong)


async def test_the_index_keeps_no_client_that_leaves_during_authentication(ada) -> None:
    class Slow(BaseAuthentication):
        def authenticate(self, request):
            time.sleep(0.05)
            return ada, None

    class Guarded(AsyncAPIConsumer):
        authentication_classes = [Slow]

    frames = asyncio.Queue()
    frames.put_nowait({"type": "websocket.connect"})
    frames.put_nowait({"type": "websocket.disconnect", "code": 1006})
    socket = SocketCommunicator(Guarded.as_asgi())
    await socket.application(socket.scope, frames.get, socket._from_application.put)
    index = current_hub().get_component(revocation_index.RevocationIndex)
    assert not (index and index.identities)


async def test_a_revoked_connection_handles_no_more_frames_even_if_its_client_stays(
    ada, settle
) -> None:
    handled = []

    class Busy(SocketView):
        async def receive(self, request):
            handled.append(request.data)
            await asyncio.sleep(0.02)

    async with SocketCommunicator(Busy.as_asgi(), user=ada) as socket:
        for number in range(5):
            await socket.send_json(number)
        await settle(lambda: handled)
        await revoke(user=ada)
        await asyncio.sleep(0.1)
    assert handled == [0]
