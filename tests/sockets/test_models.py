"""The `Socket` model and its querysets, which can send to connections."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group as Team
from django.contrib.auth.models import User
from django.contrib.sessions.backends.cache import SessionStore as CachedSession
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from rest_channels.groups import Channel
from rest_channels.testing import SocketCommunicator
from sockets.handlers import RoutedSocketHandler
from sockets.models import Node, Socket

from .helpers import create_socket

pytestmark = pytest.mark.django_db(transaction=True)


def client(path="/game/1/", **kwargs):
    return SocketCommunicator(RoutedSocketHandler.as_asgi(), path, dialect="type", **kwargs)


async def test_a_row_has_the_user_path_address_and_times_of_its_connection(ada) -> None:
    a_second, before = timedelta(seconds=1), timezone.now()
    async with client(user=ada):
        row = await Socket.objects.select_related("user").aget()
        assert (row.user, row.path, row.user_ip, row.active) == (ada, "/game/1/", "127.0.0.1", True)
        assert before - a_second < row.connected_at < row.last_ping + a_second
        assert row.channel_name.startswith(f"{row.node_id}.")
        assert repr(row) == "<Socket ada@/game/1/ (active)>"


async def test_a_row_refers_to_a_database_session_by_foreign_key(ada) -> None:
    session = SessionStore()
    await session.acreate()
    async with client(session=session):
        row = await Socket.objects.aget()
        assert (row.session_id, row.session_key) == (session.session_key, None)
        await Session.objects.all().adelete()
        assert not await Socket.objects.aexists()


async def test_a_row_stores_only_the_key_of_a_cached_session() -> None:
    session = CachedSession()
    await session.acreate()
    async with client(session=session):
        row = await Socket.objects.aget()
        assert (row.session_id, row.session_key) == (None, session.session_key)


async def test_a_row_stores_nothing_of_a_session_in_signed_cookies() -> None:
    session = CookieSession()
    session["a"] = 1
    await session.asave()
    async with client(session=session):
        row = await Socket.objects.aget()
        assert (row.session_id, row.session_key) == (None, None)


async def test_each_connection_of_a_session_has_its_own_row(ada) -> None:
    session = SessionStore()
    await session.acreate()
    async with client(session=session, user=ada), client(session=session, user=ada):
        assert await Socket.objects.filter(session=session.session_key).acount() == 2
        assert await Socket.objects.users().acount() == 1


async def test_a_connection_of_a_deleted_user_is_closed_with_4401(ada) -> None:
    await User.objects.all().adelete()
    socket = client(user=ada)
    await socket.connect()
    assert (await socket.receive_json())["details"] == "Your session has ended."
    await socket.expect_close(4401)
    await socket.disconnect()


# Sending.


async def test_a_queryset_sends_only_to_the_sockets_that_its_filters_select(ada, bob) -> None:
    await (await Team.objects.acreate(name="staff")).user_set.aadd(ada)
    async with (
        client(user=ada) as ada_socket,
        client(user=bob) as bob_socket,
        client("/game/2/", user=ada) as other_path,
    ):
        staff = Socket.objects.filter(user__groups__name="staff", path="/game/1/")
        assert await staff.asend_action("CHAT", text="hi") == 1
        await ada_socket.expect_event(type="CHAT", text="hi")
        await bob_socket.expect_nothing()
        await other_path.expect_nothing()


async def test_every_method_has_an_awaitable_variant_on_querysets_and_rows(ada) -> None:
    async with client(user=ada) as socket:
        for target in (Socket.objects.all(), await Socket.objects.aget()):
            assert await target.asend_str("text") == 1
            assert await target.asend_json({"a": 1}) == 1
            assert await target.asend_action("X", b=2) == 1
            assert await target.acleanup_stale() == 1
            await (await target.agroup()).asend({"text": "1"})
            assert await socket.receive_from() == "text"
            assert (await socket.receive_json()).keys() == {"a", "TIMESTAMP"}
            await socket.expect_event(type="X", b=2)
            await socket.expect_event(type="PING")
            assert await socket.receive_json() == 1
            assert await target.amark_active() == await target.amark_inactive() == 1


async def test_the_methods_work_in_def_handlers_on_querysets_and_rows() -> None:
    class Handler(RoutedSocketHandler):
        routes = (("SAY", "on_say"),)

        def on_say(self, content):
            for target in (Socket.objects.all(), self.socket):
                assert target.send_str("text") == target.send_json({"a": 1}) == 1
                assert target.send_action("X", b=2) == target.cleanup_stale() == 1
                assert len(target.group()) == 1
                target.group().send({"text": "1"})
                assert target.mark_inactive() == target.mark_active() == 1
                target.disconnect(4000)

    async with SocketCommunicator(Handler.as_asgi()) as socket:
        await socket.send_json({"type": "SAY"})
        frames = [await socket.receive_from() for _ in range(5)]
        assert (frames[0], frames[4]) == ("text", "1")
        await socket.expect_close(4000)


async def test_a_socket_that_a_join_returns_twice_receives_a_message_once(ada) -> None:
    for name in ("staff", "guests"):
        await (await Team.objects.acreate(name=name)).user_set.aadd(ada)
    async with client(user=ada) as socket:
        assert await Socket.objects.filter(user__groups__pk__gt=0).asend_action("CHAT") == 1
        await socket.expect_event(type="CHAT")
        await socket.expect_nothing()


def test_sending_to_many_sockets_takes_one_query_and_sending_to_a_row_takes_none(
    django_assert_num_queries,
) -> None:
    for number in range(1, 51):
        create_socket(number)
    with django_assert_num_queries(1):
        assert Socket.objects.filter(path="/game/1/").send_action("CHAT", text="hi") == 50
    with django_assert_num_queries(0):
        assert Socket(channel_name="00000000aa-1.1", path="/game/1/").send_action("CHAT") == 1


def test_nothing_is_sent_to_a_bot() -> None:
    create_socket(channel_name="bot-7")
    create_socket(2)
    assert Socket.objects.send_action("CHAT") == 1
    assert Socket.objects.get(channel_name="bot-7").send_str("psst") == 0


@pytest.mark.parametrize("content", [None, "text", [1], 7])
def test_sending_anything_but_a_dict_or_text_raises_a_type_error(content) -> None:
    with pytest.raises(TypeError, match="A message is a dict, not"):
        create_socket().send_json(content)
    with pytest.raises(TypeError):
        create_socket(2).send_str(7)


async def test_disconnect_closes_the_connection_with_the_code_and_reason() -> None:
    socket = client()
    await socket.connect()
    assert await Socket.objects.adisconnect(4001, "Dinner is ready.") == 1
    closed = await socket._next("a close")
    assert (closed["code"], closed["reason"]) == (4001, "Dinner is ready.")
    await socket.disconnect()


@pytest.mark.parametrize("code", [1005, 1006, 2000, 5000, "x"])
def test_disconnect_raises_an_error_for_an_invalid_close_code(code) -> None:
    with pytest.raises((ValueError, TypeError)):
        create_socket().disconnect(code)


async def test_the_reply_channel_of_a_row_sends_to_its_connection() -> None:
    async with client() as socket:
        row = await Socket.objects.aget()
        await Channel(row.channel_name).asend({"text": "1"})
        await row.reply_channel.asend({"text": "2"})
        assert [await socket.receive_json(), await socket.receive_json()] == [1, 2]


# Active and online sockets.


def test_online_returns_sockets_of_living_processes_and_bots() -> None:
    old = timezone.now() - timedelta(minutes=2)
    dead, living = Node.objects.create(name="dead", seen=old), Node(name="living")
    living.seen = timezone.now()
    living.save()
    create_socket(1, node=dead, connected_at=old)
    create_socket(2, node=living, connected_at=old)
    create_socket(3, node_id="too-young-for-a-lease")
    create_socket(4, channel_name="bot-4", connected_at=old)
    online = Socket.objects.online().order_by("pk").values_list("channel_name", flat=True)
    assert list(online) == ["00000000aa-1.2", "00000000aa-1.3", "bot-4"]


def test_users_returns_each_user_once(ada, bob) -> None:
    for number, user in enumerate([ada, ada, bob, None]):
        create_socket(number, user=user)
    assert sorted(Socket.objects.users(), key=str) == [ada, bob]
    assert list(Socket.objects.filter(user=bob).users()) == [bob]


def test_purge_inactive_deletes_inactive_rows_without_a_recent_ping() -> None:
    old, young = timezone.now() - timedelta(minutes=6), timezone.now()
    create_socket(1, active=True, last_ping=old)
    create_socket(2, active=False, last_ping=old)
    create_socket(3, active=False, last_ping=young)
    create_socket(4, active=False)
    assert Socket.objects.purge_inactive() == 2
    assert Socket.objects.purge_inactive(in_last_mins=0) == 1
    assert Socket.objects.get().active


def test_cleanup_stale_marks_rows_inactive_with_two_queries(django_assert_num_queries) -> None:
    create_socket(1, active=True)
    with django_assert_num_queries(2):
        assert Socket.objects.filter(active=True).cleanup_stale() == 1
    assert not Socket.objects.get().active
