"""`Socket` and its querysets: rows that can be spoken to."""

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

pytestmark = pytest.mark.django_db(transaction=True)


def client(where="/game/1/", **kwargs):
    return SocketCommunicator(RoutedSocketHandler.as_asgi(), where, dialect="type", **kwargs)


def made(number=1, **fields):
    """A row of a connection that lives on a node that is not here."""
    fields = {"channel_name": f"00000000aa-1.{number:x}", "path": "/game/1/", **fields}
    return Socket.objects.create(**fields)


async def test_a_row_says_who_is_where_since_when_and_from_where(ada) -> None:
    a_second, before = timedelta(seconds=1), timezone.now()
    async with client(user=ada):
        row = await Socket.objects.select_related("user").aget()
        assert (row.user, row.path, row.user_ip, row.active) == (ada, "/game/1/", "127.0.0.1", True)
        assert before - a_second < row.connected_at < row.last_ping + a_second
        assert row.channel_name.startswith(f"{row.node_id}.")
        assert repr(row) == "<Socket ada@/game/1/ (active)>"


async def test_a_session_with_a_table_is_a_foreign_key(ada) -> None:
    session = SessionStore()
    await session.acreate()
    async with client(session=session):
        row = await Socket.objects.aget()
        assert (row.session_id, row.session_key) == (session.session_key, None)
        await Session.objects.all().adelete()
        assert not await Socket.objects.aexists()


async def test_one_without_a_table_is_a_key() -> None:
    session = CachedSession()
    await session.acreate()
    async with client(session=session):
        row = await Socket.objects.aget()
        assert (row.session_id, row.session_key) == (None, session.session_key)


async def test_a_session_that_lives_in_a_cookie_is_not_noted() -> None:
    session = CookieSession()
    session["a"] = 1
    await session.asave()
    async with client(session=session):
        row = await Socket.objects.aget()
        assert (row.session_id, row.session_key) == (None, None)


async def test_several_connections_of_one_session_are_several_rows(ada) -> None:
    session = SessionStore()
    await session.acreate()
    async with client(session=session, user=ada), client(session=session, user=ada):
        assert await Socket.objects.filter(session=session.session_key).acount() == 2
        assert await Socket.objects.users().acount() == 1


async def test_who_connects_as_somebody_who_has_gone_is_refused(ada) -> None:
    await User.objects.all().adelete()
    socket = client(user=ada)
    await socket.connect()
    assert (await socket.receive_json())["details"] == "Your session has ended."
    await socket.expect_close(4401)
    await socket.disconnect()


# To speak.


async def test_a_filter_chooses_who_hears(ada, bob) -> None:
    await (await Team.objects.acreate(name="staff")).user_set.aadd(ada)
    async with (
        client(user=ada) as hers,
        client(user=bob) as his,
        client("/game/2/", user=ada) as far,
    ):
        staff = Socket.objects.filter(user__groups__name="staff", path="/game/1/")
        assert await staff.asend_action("CHAT", text="hi") == 1
        await hers.expect_event(type="CHAT", text="hi")
        await his.expect_nothing()
        await far.expect_nothing()


async def test_every_verb_has_its_twin(ada) -> None:
    async with client(user=ada) as socket:
        for reachable in (Socket.objects.all(), await Socket.objects.aget()):
            assert await reachable.asend_str("text") == 1
            assert await reachable.asend_json({"a": 1}) == 1
            assert await reachable.asend_action("X", b=2) == 1
            assert await reachable.acleanup_stale() == 1
            await (await reachable.agroup()).asend({"text": "1"})
            assert await socket.receive_from() == "text"
            assert (await socket.receive_json()).keys() == {"a", "TIMESTAMP"}
            await socket.expect_event(type="X", b=2)
            await socket.expect_event(type="PING")
            assert await socket.receive_json() == 1
            assert await reachable.amark_active() == await reachable.amark_inactive() == 1


async def test_in_def_they_do_the_same() -> None:
    class Handler(RoutedSocketHandler):
        routes = (("SAY", "on_say"),)

        def on_say(self, content):
            for reachable in (Socket.objects.all(), self.socket):
                assert reachable.send_str("text") == reachable.send_json({"a": 1}) == 1
                assert reachable.send_action("X", b=2) == reachable.cleanup_stale() == 1
                assert len(reachable.group()) == 1
                reachable.group().send({"text": "1"})
                assert reachable.mark_inactive() == reachable.mark_active() == 1
                reachable.disconnect(4000)

    async with SocketCommunicator(Handler.as_asgi()) as socket:
        await socket.send_json({"type": "SAY"})
        frames = [await socket.receive_from() for _ in range(5)]
        assert (frames[0], frames[4]) == ("text", "1")
        await socket.expect_close(4000)


async def test_one_is_addressed_once_however_often_it_is_found(ada) -> None:
    for name in ("staff", "guests"):
        await (await Team.objects.acreate(name=name)).user_set.aadd(ada)
    async with client(user=ada) as socket:
        assert await Socket.objects.filter(user__groups__pk__gt=0).asend_action("CHAT") == 1
        await socket.expect_event(type="CHAT")
        await socket.expect_nothing()


def test_to_speak_to_many_costs_one_query(django_assert_num_queries) -> None:
    for number in range(1, 51):
        made(number)
    with django_assert_num_queries(1):
        assert Socket.objects.filter(path="/game/1/").send_action("CHAT", text="hi") == 50
    with django_assert_num_queries(0):
        assert made_row().send_action("CHAT") == 1


def made_row():
    return Socket(channel_name="00000000aa-1.1", path="/game/1/")


def test_a_bot_is_never_spoken_to() -> None:
    made(channel_name="bot-7")
    made(2)
    assert Socket.objects.send_action("CHAT") == 1
    assert Socket.objects.get(channel_name="bot-7").send_str("psst") == 0


@pytest.mark.parametrize("content", [None, "text", [1], 7])
def test_what_is_no_message_is_an_error(content) -> None:
    with pytest.raises(TypeError, match="A message is a dict, not"):
        made().send_json(content)
    with pytest.raises(TypeError):
        made(2).send_str(7)


async def test_it_can_be_disconnected_with_a_reason() -> None:
    socket = client()
    await socket.connect()
    assert await Socket.objects.adisconnect(4001, "Dinner is ready.") == 1
    closed = await socket._next("a close")
    assert (closed["code"], closed["reason"]) == (4001, "Dinner is ready.")
    await socket.disconnect()


@pytest.mark.parametrize("code", [1005, 1006, 2000, 5000, "x"])
def test_it_cannot_be_disconnected_with_any_number(code) -> None:
    with pytest.raises((ValueError, TypeError)):
        made().disconnect(code)


async def test_its_reply_channel_leads_to_it() -> None:
    async with client() as socket:
        row = await Socket.objects.aget()
        await Channel(row.channel_name).asend({"text": "1"})
        await row.reply_channel.asend({"text": "2"})
        assert [await socket.receive_json(), await socket.receive_json()] == [1, 2]


# Who is there.


def test_online_are_those_whose_process_lives() -> None:
    old = timezone.now() - timedelta(minutes=2)
    dead, living = Node.objects.create(name="dead", seen=old), Node(name="living")
    living.seen = timezone.now()
    living.save()
    made(1, node=dead, connected_at=old)
    made(2, node=living, connected_at=old)
    made(3, node_id="too-young-for-a-lease")
    made(4, channel_name="bot-4", connected_at=old)
    online = Socket.objects.online().order_by("pk").values_list("channel_name", flat=True)
    assert list(online) == ["00000000aa-1.2", "00000000aa-1.3", "bot-4"]


def test_users_are_each_there_once(ada, bob) -> None:
    for number, user in enumerate([ada, ada, bob, None]):
        made(number, user=user)
    assert sorted(Socket.objects.users(), key=str) == [ada, bob]
    assert list(Socket.objects.filter(user=bob).users()) == [bob]


def test_who_owes_a_sign_of_life_for_long_can_be_purged() -> None:
    old, young = timezone.now() - timedelta(minutes=6), timezone.now()
    made(1, active=True, last_ping=old)
    made(2, active=False, last_ping=old)
    made(3, active=False, last_ping=young)
    made(4, active=False)
    assert Socket.objects.purge_inactive() == 2
    assert Socket.objects.purge_inactive(in_last_mins=0) == 1
    assert Socket.objects.get().active


def test_cleanup_marks_inactive_who_does_not_answer(django_assert_num_queries) -> None:
    made(1, active=True)
    with django_assert_num_queries(2):
        assert Socket.objects.filter(active=True).cleanup_stale() == 1
    assert not Socket.objects.get().active
