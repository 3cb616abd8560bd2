"""A row's life: as long as its connection's, whatever happens to the table."""

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


async def beat() -> None:
    await current_hub().get_part(Presence).heartbeat()


@pytest.fixture
async def crowd():
    """`await crowd(20)`: so many connections."""
    async with AsyncExitStack() as stack:

        async def come(number):
            return [await stack.enter_async_context(client()) for _ in range(number)]

        yield come


def kinds(queries):
    return [sql.lstrip("(").split()[0] for sql in queries]


def names():
    return Socket.objects.values_list("channel_name", flat=True)


# What it costs.


async def test_to_connect_costs_three_queries_and_to_leave_one(ada, queries) -> None:
    browser = Client()
    await sync_to_async(browser.force_login)(ada)
    headers = [("cookie", f"sessionid={browser.session.session_key}")]
    application = SocketApplication([path("game/", Handler.as_asgi())])
    queries.clear()
    async with SocketCommunicator(application, "/game/", headers=headers):
        assert kinds(queries) == ["SELECT", "SELECT", "INSERT"]
        row = await Socket.objects.aget()
        assert (row.user_id, row.session_id) == (ada.pk, browser.session.session_key)
        queries.clear()
    assert kinds(queries) == ["DELETE"]


async def test_messages_cost_none(crowd, queries) -> None:
    [socket] = await crowd(1)
    queries.clear()
    for _ in range(5):
        await socket.send_json({"type": "PING"})
        await socket.send_json({"type": "ECHO"})
        await socket.expect_event(type="ECHOED")
    assert queries == []


@pytest.mark.parametrize("number", [1, 50])
async def test_a_beat_costs_four_whatever_the_number_of_sockets(number, crowd, queries) -> None:
    for socket in await crowd(number):
        await socket.send_json({"type": "PING"})
    await beat()
    for _ in range(2):
        queries.clear()
        for socket in current_hub().get_part(Presence).rows.values():
            current_hub().get_part(Presence).record_ping(socket)
        await beat()
        assert kinds(queries) == ["UPDATE", "UPDATE", "SELECT", "SELECT"]


async def test_many_that_leave_together_go_in_few_statements(queries) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(100):
            await stack.enter_async_context(client())
        sockets = [callback[1].__self__ for callback in stack.pop_all()._exit_callbacks]
    queries.clear()
    await asyncio.gather(*(socket.disconnect() for socket in sockets))
    assert len(queries) <= 3
    assert not await Socket.objects.aexists()


# What the table has to follow.


async def test_a_row_that_is_deleted_under_its_connection_is_back_at_the_next_beat(crowd) -> None:
    await crowd(3)
    before = [row async for row in Socket.objects.order_by("pk").values()]
    await Socket.objects.filter(pk__gt=before[0]["id"]).adelete()
    await beat()
    after = [row async for row in Socket.objects.order_by("pk").values()]
    for was, is_ in zip(before, after, strict=True):  # Django 5.2 is not told what was written
        assert abs(was.pop("connected_at") - is_.pop("connected_at")) < timedelta(seconds=1)
    assert after == before


async def test_a_process_that_was_only_slow_has_its_rows_back(crowd) -> None:
    await crowd(3)
    await beat()
    before = [name async for name in names().order_by("pk")]
    await Node.objects.aupdate(seen=LONG_AGO)
    await Socket.objects.aupdate(connected_at=LONG_AGO)
    assert await sync_to_async(purge)() == 3
    await beat()
    assert [name async for name in names().order_by("pk")] == before
    assert await Socket.objects.online().acount() == 3


async def test_a_row_of_a_session_or_user_that_has_gone_stays_away(ada) -> None:
    session = SessionStore()
    await session.acreate()
    async with client(session=session), client(user=ada), client():
        await Session.objects.all().adelete()
        await User.objects.all().adelete()
        await Socket.objects.all().adelete()
        await beat()
        row = await Socket.objects.aget()
        assert (row.session_id, row.user_id) == (None, None)


async def test_a_row_that_was_left_behind_goes_at_the_next_beat(crowd, monkeypatch, caplog) -> None:
    await crowd(1)
    with monkeypatch.context() as away:
        away.setattr(presence, "_delete_rows", broken)
        async with client():
            pass
    assert "Retrying later" in caplog.text
    assert await Socket.objects.acount() == 2
    await beat()
    assert await Socket.objects.acount() == 1


def broken(*args):
    raise OperationalError("the database is away")


async def test_while_the_database_is_away_nobody_is_lost(crowd, monkeypatch, caplog) -> None:
    [socket] = await crowd(1)
    with monkeypatch.context() as away:
        away.setattr(presence, "_renew_lease", broken)
        await socket.send_json({"type": "PING"})
        await socket.expect_nothing()
        await beat()
        assert "Retrying later" in caplog.text
    await Socket.objects.aupdate(active=False, last_ping=None)
    await beat()
    row = await Socket.objects.aget()
    assert row.active  # the sign of life was not forgotten
    assert row.last_ping


async def test_the_last_one_who_leaves_tries_again(monkeypatch) -> None:
    delete, tried = presence._delete_rows, []

    def fails_once(*args):
        tried.append(args)
        return broken() if len(tried) == 1 else delete(*args)

    monkeypatch.setattr(presence, "_delete_rows", fails_once)
    async with client():
        pass
    assert len(tried) == 2
    assert not await Socket.objects.aexists()


async def test_who_leaves_before_the_row_is_made_leaves_none(monkeypatch) -> None:
    insert, begun, going_on = presence._insert_row, threading.Event(), threading.Event()

    def slow(row):
        begun.set()
        going_on.wait(5)
        insert(row)

    monkeypatch.setattr(presence, "_insert_row", slow)
    socket = client()
    connecting = asyncio.create_task(socket.connect())
    await asyncio.to_thread(begun.wait, 5)
    connecting.cancel()
    departure = asyncio.create_task(socket.disconnect())
    await asyncio.sleep(1)  # longer than a handler has when its client has left
    going_on.set()
    await departure
    assert not await Socket.objects.aexists()


async def test_a_row_whose_delete_is_called_is_back_with_its_pk(crowd) -> None:
    await crowd(1)
    [row] = current_hub().get_part(Presence).rows.values()
    pk = row.pk
    await row.adelete()
    await beat()
    assert (await Socket.objects.aget()).pk == row.pk == pk


async def test_handlers_that_hold_all_threads_do_not_stop_the_beat(crowd, settings) -> None:
    settings.REST_CHANNELS = {"MAX_THREADS": 1}
    going_on = threading.Event()

    class Busy(RoutedSocketHandler):
        routes = (("HANG", lambda socket, content: going_on.wait(10)),)

    async with SocketCommunicator(Busy.as_asgi(), dialect="type") as socket:
        await socket.send_json({"type": "HANG"})
        await Socket.objects.all().adelete()
        async with asyncio.timeout(5):
            await beat()
        assert await Socket.objects.acount() == 1
        going_on.set()


async def test_many_hellos_of_one_user_ask_for_signs_of_life_once_a_beat(ada, queries) -> None:
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(client(user=ada)) for _ in range(20)]
        queries.clear()
        await sockets[0].send_json({"type": "HELLO"})
        await sockets[0].expect_event(type="GOT_HELLO")
        for socket in sockets[1:]:
            await socket.expect_event(type="PING")
            await socket.send_json({"type": "HELLO"})
            await socket.expect_event(type="GOT_HELLO")
        assert kinds(queries) == ["SELECT", "UPDATE"]
        await beat()
        await sockets[1].send_json({"type": "HELLO"})
        await sockets[0].expect_event(type="PING")


async def test_a_sign_of_life_is_written_down_at_the_beat(crowd) -> None:
    one, _other = await crowd(2)
    await Socket.objects.acleanup_stale()
    await one.expect_event(type="PING")
    await one.send_json({"type": "PING"})
    await one.expect_nothing()
    assert not await Socket.objects.filter(active=True).aexists()
    await beat()
    assert await Socket.objects.filter(active=True).acount() == 1


async def test_who_leaves_during_a_beat_is_not_brought_back(crowd, monkeypatch) -> None:
    await crowd(1)
    socket = client()
    await socket.connect()
    reached, renew = asyncio.Event(), presence._renew_lease
    loop = asyncio.get_running_loop()

    def slow(*args):
        present = renew(*args)
        loop.call_soon_threadsafe(reached.set)
        asyncio.run_coroutine_threadsafe(leaving.wait(), loop).result(5)
        return present

    leaving = asyncio.Event()
    monkeypatch.setattr(presence, "_renew_lease", slow)
    beating = asyncio.create_task(beat())
    await reached.wait()
    departure = asyncio.create_task(socket.disconnect())
    while len(current_hub().get_part(Presence).rows) > 1:  # noqa: ASYNC110 - the condition is the house's
        await asyncio.sleep(0)
    leaving.set()
    await asyncio.gather(beating, departure)
    assert await Socket.objects.acount() == 1


async def test_who_comes_during_a_beat_is_not_taken_for_a_stray(crowd, monkeypatch) -> None:
    await crowd(1)
    renew, loop = presence._renew_lease, asyncio.get_running_loop()

    def slow(*args):
        Context().run(asyncio.run_coroutine_threadsafe, crowd(1), loop).result(5)
        return renew(*args)

    monkeypatch.setattr(presence, "_renew_lease", slow)
    await beat()
    assert await Socket.objects.acount() == 2


# The dead.


def left_behind(node, **fields):
    return Socket.objects.create(channel_name=f"{node}.1", node_id=node, path="/", **fields)


def test_rows_of_a_dead_process_are_purged() -> None:
    Node.objects.create(name="dead", seen=LONG_AGO)
    Node.objects.create(name="alive", seen=timezone.now())
    for node in ("dead", "alive", "never-seen"):
        left_behind(node, connected_at=LONG_AGO)
    left_behind("too-young", connected_at=timezone.now())
    Socket.objects.create(channel_name="bot-1", path="/", connected_at=LONG_AGO)
    assert purge() == 2
    assert sorted(names()) == ["alive.1", "bot-1", "too-young.1"]
    assert list(Node.objects.values_list("name", flat=True)) == ["alive"]


def test_only_some_of_them_may_be_purged() -> None:
    Node.objects.create(name="dead", seen=LONG_AGO)
    left_behind("dead", connected_at=LONG_AGO)
    assert purge(Socket.objects.filter(path="/elsewhere/")) == 0
    assert purge(Socket.objects.filter(path="/")) == 1


def test_without_a_beat_nobody_is_taken_for_dead(settings) -> None:
    settings.REST_CHANNELS = {"BEAT": None}
    Node.objects.create(name="dead", seen=LONG_AGO)
    left_behind("dead", connected_at=LONG_AGO)
    assert purge() == 0
    assert Socket.objects.online().count() == 1


async def test_the_beat_of_any_connection_purges_them(settings, settle) -> None:
    settings.REST_CHANNELS = {"BEAT": 0.05}
    await sync_to_async(left_behind)("dead", connected_at=LONG_AGO)
    async with client():
        async with asyncio.timeout(5):
            while await Socket.objects.acount() > 1:  # noqa: ASYNC110 - it belongs to the table
                await asyncio.sleep(0.01)


@override_settings(REST_CHANNELS={"BEAT": 0.02})
class UncommittedRowsTests(TestCase):
    """In a test's transaction rows and beats see what the test sees."""

    async def test_a_row_is_back_at_a_beat_within_the_tests_transaction(self) -> None:
        ada = await User.objects.acreate(username="ada")
        async with client(user=ada) as socket:
            row = await Socket.objects.aget()
            await Socket.objects.all().adelete()
            async with asyncio.timeout(5):
                while not await Socket.objects.filter(pk=row.pk).aexists():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await socket.expect_nothing()  # its user is known, so nobody closes it
        assert not await Socket.objects.aexists()


# Signals.


async def test_who_wants_to_know_is_told_of_arrivals_and_departures(ada) -> None:
    told = []

    def came(sender, socket, handler, **kwargs):
        told.append(("came", sender, socket.user, handler.path, Socket.objects.count()))
        raise ValueError("A receiver that fails harms nobody.")

    async def went(sender, socket, handler, **kwargs):
        told.append(("went", sender, socket.user, handler.path, await Socket.objects.acount()))

    socket_connected.connect(came)
    socket_disconnected.connect(went)
    try:
        async with client(user=ada):
            pass
    finally:
        socket_connected.disconnect(came)
        socket_disconnected.disconnect(went)
    assert told == [("came", Handler, ada, "/game/1/", 1), ("went", Handler, ada, "/game/1/", 0)]
