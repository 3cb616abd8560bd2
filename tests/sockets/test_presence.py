"""Rows exist as long as their connections, whatever happens to the table."""

import asyncio
import threading
from contextlib import AsyncExitStack
from contextvars import Context
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client, TestCase, override_settings
from django.urls import path
from django.utils import timezone

from rest_channels.engine.publish import current_hub
from rest_channels.routing import SocketApplication
from rest_channels.testing import SocketCommunicator
from sockets import presence
from sockets.handlers import RoutedSocketHandler
from sockets.models import Node, Socket
from sockets.presence import Presence, purge
from sockets.signals import socket_connected, socket_disconnected

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timezone.now() - timedelta(minutes=2)


class Handler(RoutedSocketHandler):
    routes = (*RoutedSocketHandler.routes, ("ECHO", "on_echo"))

    async def on_echo(self, content):
        await self.send_action("ECHOED")


def client(**kwargs):
    return SocketCommunicator(Handler.as_asgi(), "/game/1/", dialect="type", **kwargs)


async def heartbeat() -> None:
    await current_hub().get_component(Presence).heartbeat()


@pytest.fixture
async def connect_many():
    """`await connect_many(20)` opens 20 connections."""
    async with AsyncExitStack() as stack:

        async def connect(number):
            return [await stack.enter_async_context(client()) for _ in range(number)]

        yield connect


def verbs(queries):
    return [sql.lstrip("(").split()[0] for sql in queries]


def names():
    return Socket.objects.values_list("channel_name", flat=True)


# Queries.


async def test_connecting_takes_three_queries_and_disconnecting_one(ada, queries) -> None:
    browser = Client()
    await sync_to_async(browser.force_login)(ada)
    headers = [("cookie", f"sessionid={browser.session.session_key}")]
    application = SocketApplication([path("game/", Handler.as_asgi())])
    queries.clear()
    async with SocketCommunicator(application, "/game/", headers=headers):
        assert verbs(queries) == ["SELECT", "SELECT", "INSERT"]
        row = await Socket.objects.aget()
        assert (row.user_id, row.session_id) == (ada.pk, browser.session.session_key)
        queries.clear()
    assert verbs(queries) == ["DELETE"]


async def test_messages_take_no_query(connect_many, queries) -> None:
    [socket] = await connect_many(1)
    queries.clear()
    for _ in range(5):
        await socket.send_json({"type": "PING"})
        await socket.send_json({"type": "ECHO"})
        await socket.expect_event(type="ECHOED")
    assert queries == []


@pytest.mark.parametrize("number", [1, 50])
async def test_a_heartbeat_takes_four_queries_for_any_number_of_sockets(
    number, connect_many, queries
) -> None:
    for socket in await connect_many(number):
        await socket.send_json({"type": "PING"})
    await heartbeat()
    for _ in range(2):
        queries.clear()
        for socket in current_hub().get_component(Presence).rows.values():
            current_hub().get_component(Presence).record_ping(socket)
        await heartbeat()
        assert verbs(queries) == ["UPDATE", "UPDATE", "SELECT", "SELECT"]


async def test_rows_of_many_clients_that_leave_together_take_few_statements(queries) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(100):
            await stack.enter_async_context(client())
        sockets = [callback[1].__self__ for callback in stack.pop_all()._exit_callbacks]
    queries.clear()
    await asyncio.gather(*(socket.disconnect() for socket in sockets))
    assert len(queries) <= 3
    assert not await Socket.objects.aexists()


# Heartbeats.


async def test_a_heartbeat_restores_rows_deleted_under_open_connections(connect_many) -> None:
    await connect_many(3)
    before = [row async for row in Socket.objects.order_by("pk").values()]
    await Socket.objects.filter(pk__gt=before[0]["id"]).adelete()
    await heartbeat()
    after = [row async for row in Socket.objects.order_by("pk").values()]
    for old, new in zip(before, after, strict=True):  # Django 5.2 does not know the stored time
        assert abs(old.pop("connected_at") - new.pop("connected_at")) < timedelta(seconds=1)
    assert after == before


async def test_a_heartbeat_restores_rows_purged_while_its_process_was_slow(connect_many) -> None:
    await connect_many(3)
    await heartbeat()
    before = [name async for name in names().order_by("pk")]
    await Node.objects.aupdate(seen=LONG_AGO)
    await Socket.objects.aupdate(connected_at=LONG_AGO)
    assert await sync_to_async(purge)() == 3
    await heartbeat()
    assert [name async for name in names().order_by("pk")] == before
    assert await Socket.objects.online().acount() == 3


async def test_a_heartbeat_that_takes_longer_than_a_lease_keeps_the_rows_of_its_own_process(
    connect_many, monkeypatch
) -> None:
    await connect_many(3)
    renew = presence.renew_lease

    def slow_renew(*args):
        stored = renew(*args)
        Node.objects.update(seen=LONG_AGO)
        Socket.objects.update(connected_at=LONG_AGO)
        return stored

    monkeypatch.setattr(presence, "renew_lease", slow_renew)
    await heartbeat()
    assert await Socket.objects.acount() == 3


async def test_a_heartbeat_does_not_restore_rows_of_deleted_sessions_or_users(ada) -> None:
    session = SessionStore()
    await session.acreate()
    async with client(session=session), client(user=ada), client():
        await Session.objects.all().adelete()
        await User.objects.all().adelete()
        await Socket.objects.all().adelete()
        await heartbeat()
        row = await Socket.objects.aget()
        assert (row.session_id, row.user_id) == (None, None)


async def test_a_heartbeat_deletes_a_row_whose_deletion_failed(
    connect_many, monkeypatch, caplog
) -> None:
    await connect_many(1)
    with monkeypatch.context() as patch:
        patch.setattr(presence, "delete_addresses", raise_error)
        async with client():
            pass
    assert "Retrying later" in caplog.text
    assert await Socket.objects.acount() == 2
    await heartbeat()
    assert await Socket.objects.acount() == 1


def raise_error(*args):
    raise OperationalError("the database is away")


async def test_a_connection_and_its_ping_survive_a_database_failure(
    connect_many, monkeypatch, caplog
) -> None:
    [socket] = await connect_many(1)
    with monkeypatch.context() as patch:
        patch.setattr(presence, "renew_lease", raise_error)
        await socket.send_json({"type": "PING"})
        await socket.expect_nothing()
        await heartbeat()
        assert "Retrying later" in caplog.text
    await Socket.objects.aupdate(active=False, last_ping=None)
    await heartbeat()
    row = await Socket.objects.aget()
    assert row.active  # the ping was saved later
    assert row.last_ping


async def test_the_last_connection_retries_deleting_its_row(monkeypatch) -> None:
    delete, attempts = presence.delete_addresses, []

    def fails_once(*args):
        attempts.append(args)
        return raise_error() if len(attempts) == 1 else delete(*args)

    monkeypatch.setattr(presence, "delete_addresses", fails_once)
    async with client():
        pass
    assert len(attempts) == 2
    assert not await Socket.objects.aexists()


async def test_a_client_that_leaves_during_the_insert_leaves_no_row(monkeypatch) -> None:
    insert, started, resume = presence.insert_row, threading.Event(), threading.Event()

    def slow_insert(row):
        started.set()
        resume.wait(5)
        insert(row)

    monkeypatch.setattr(presence, "insert_row", slow_insert)
    socket = client()
    connecting = asyncio.create_task(socket.connect())
    await asyncio.to_thread(started.wait, 5)
    connecting.cancel()
    disconnecting = asyncio.create_task(socket.disconnect())
    await asyncio.sleep(1)  # longer than handlers may run after the client has left
    resume.set()
    await disconnecting
    assert not await Socket.objects.aexists()


async def test_a_heartbeat_restores_a_deleted_row_with_its_primary_key(connect_many) -> None:
    await connect_many(1)
    [row] = current_hub().get_component(Presence).rows.values()
    pk = row.pk
    await row.adelete()
    await heartbeat()
    assert (await Socket.objects.aget()).pk == row.pk == pk


async def test_a_heartbeat_runs_while_handlers_use_all_threads(connect_many, settings) -> None:
    settings.REST_CHANNELS = {"MAX_THREADS": 1}
    resume = threading.Event()

    class Busy(RoutedSocketHandler):
        routes = (("HANG", lambda socket, content: resume.wait(10)),)

    async with SocketCommunicator(Busy.as_asgi(), dialect="type") as socket:
        await socket.send_json({"type": "HANG"})
        await Socket.objects.all().adelete()
        async with asyncio.timeout(5):
            await heartbeat()
        assert await Socket.objects.acount() == 1
        resume.set()


async def test_many_hellos_of_a_user_send_pings_once_per_heartbeat(ada, queries) -> None:
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(client(user=ada)) for _ in range(20)]
        queries.clear()
        await sockets[0].send_json({"type": "HELLO"})
        await sockets[0].expect_event(type="GOT_HELLO")
        for socket in sockets[1:]:
            await socket.expect_event(type="PING")
            await socket.send_json({"type": "HELLO"})
            await socket.expect_event(type="GOT_HELLO")
        assert verbs(queries) == ["SELECT", "UPDATE"]
        await heartbeat()
        await sockets[1].send_json({"type": "HELLO"})
        await sockets[0].expect_event(type="PING")


async def test_a_heartbeat_saves_the_pings_of_clients(connect_many) -> None:
    answering, _silent = await connect_many(2)
    await Socket.objects.acleanup_stale()
    await answering.expect_event(type="PING")
    await answering.send_json({"type": "PING"})
    await answering.expect_nothing()
    assert not await Socket.objects.filter(active=True).aexists()
    await heartbeat()
    assert await Socket.objects.filter(active=True).acount() == 1


async def test_a_heartbeat_does_not_restore_a_row_whose_client_leaves_meanwhile(
    connect_many, monkeypatch
) -> None:
    await connect_many(1)
    socket = client()
    await socket.connect()
    renewed, renew = asyncio.Event(), presence.renew_lease
    loop = asyncio.get_running_loop()

    def slow_renew(*args):
        stored = renew(*args)
        loop.call_soon_threadsafe(renewed.set)
        asyncio.run_coroutine_threadsafe(leaving.wait(), loop).result(5)
        return stored

    leaving = asyncio.Event()
    monkeypatch.setattr(presence, "renew_lease", slow_renew)
    beating = asyncio.create_task(heartbeat())
    await renewed.wait()
    disconnecting = asyncio.create_task(socket.disconnect())
    while len(current_hub().get_component(Presence).rows) > 1:  # noqa: ASYNC110 - no event to wait for
        await asyncio.sleep(0)
    leaving.set()
    await asyncio.gather(beating, disconnecting)
    assert await Socket.objects.acount() == 1


async def test_a_heartbeat_keeps_the_row_of_a_client_that_connects_meanwhile(
    connect_many, monkeypatch
) -> None:
    await connect_many(1)
    renew, loop = presence.renew_lease, asyncio.get_running_loop()

    def slow_renew(*args):
        Context().run(asyncio.run_coroutine_threadsafe, connect_many(1), loop).result(5)
        return renew(*args)

    monkeypatch.setattr(presence, "renew_lease", slow_renew)
    await heartbeat()
    assert await Socket.objects.acount() == 2


# Dead processes.


def create_row(node, **fields):
    return Socket.objects.create(channel_name=f"{node}.1", node_id=node, path="/", **fields)


def test_purge_deletes_rows_and_nodes_of_dead_processes() -> None:
    Node.objects.create(name="dead", seen=LONG_AGO)
    Node.objects.create(name="alive", seen=timezone.now())
    for node in ("dead", "alive", "never-seen"):
        create_row(node, connected_at=LONG_AGO)
    create_row("too-young", connected_at=timezone.now())
    Socket.objects.create(channel_name="bot-1", path="/", connected_at=LONG_AGO)
    assert purge() == 2
    assert sorted(names()) == ["alive.1", "bot-1", "too-young.1"]
    assert list(Node.objects.values_list("name", flat=True)) == ["alive"]


def test_purge_deletes_only_rows_of_the_given_queryset() -> None:
    Node.objects.create(name="dead", seen=LONG_AGO)
    create_row("dead", connected_at=LONG_AGO)
    assert purge(Socket.objects.filter(path="/elsewhere/")) == 0
    assert purge(Socket.objects.filter(path="/")) == 1


def test_no_process_counts_as_dead_if_beat_is_none(settings) -> None:
    settings.REST_CHANNELS = {"BEAT": None}
    Node.objects.create(name="dead", seen=LONG_AGO)
    create_row("dead", connected_at=LONG_AGO)
    assert purge() == 0
    assert Socket.objects.online().count() == 1


async def test_the_heartbeat_of_any_connection_deletes_rows_of_dead_processes(
    settings, settle
) -> None:
    settings.REST_CHANNELS = {"BEAT": 0.05}
    await sync_to_async(create_row)("dead", connected_at=LONG_AGO)
    async with client():
        async with asyncio.timeout(5):
            while await Socket.objects.acount() > 1:  # noqa: ASYNC110 - no event to wait for
                await asyncio.sleep(0.01)


@override_settings(REST_CHANNELS={"BEAT": 0.02})
class UncommittedRowsTests(TestCase):
    """Rows and heartbeats within the transaction of a test."""

    async def test_a_heartbeat_restores_a_row_within_the_transaction_of_a_test(self) -> None:
        ada = await User.objects.acreate(username="ada")
        async with client(user=ada) as socket:
            row = await Socket.objects.aget()
            await Socket.objects.all().adelete()
            async with asyncio.timeout(5):
                while not await Socket.objects.filter(pk=row.pk).aexists():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await socket.expect_nothing()  # its user exists in the transaction, so it is not closed
        assert not await Socket.objects.aexists()


# Signals.


async def test_signals_are_sent_when_clients_connect_and_disconnect(ada) -> None:
    received = []

    def on_connected(sender, socket, handler, **kwargs):
        received.append(("connected", sender, socket.user, handler.path, Socket.objects.count()))
        raise ValueError("An error of a receiver is only logged.")

    async def on_disconnected(sender, socket, handler, **kwargs):
        received.append(
            ("disconnected", sender, socket.user, handler.path, await Socket.objects.acount())
        )

    socket_connected.connect(on_connected)
    socket_disconnected.connect(on_disconnected)
    try:
        async with client(user=ada):
            pass
    finally:
        socket_connected.disconnect(on_connected)
        socket_disconnected.disconnect(on_disconnected)
    assert received == [
        ("connected", Handler, ada, "/game/1/", 1),
        ("disconnected", Handler, ada, "/game/1/", 0),
    ]
