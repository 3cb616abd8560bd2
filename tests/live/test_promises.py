"""Costs and bounds of live lists, and what mends them."""

import asyncio
import gc
import tracemalloc
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import TestCase
from django.utils import translation
from rest_framework import serializers

from rest_channels.cluster.counts import counts
from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.live.lane import LiveLane
from rest_channels.live.shared_query import SharedQuery
from rest_channels.live.writes import LIVE_GROUP
from rest_channels.observer import ObserverModelListMixin, live_query
from rest_channels.protocol.messages import Gap
from sockets import SocketRouter
from tests.observer.models import Comment, Message, Room, Tag, Ticket

from .client import client, page_client, subscribe, subscribe_page
from .rows import CommentSerializer, MessageSerializer, TagSerializer, TitleSerializer, members_of

pytestmark = pytest.mark.django_db(transaction=True)


class Tags(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Tag.objects.order_by("name")
    serializer_class = TagSerializer


@pytest.fixture
def readings(monkeypatch):
    """The SQL of each statement with which lists are read."""
    statements = []
    read = SharedQuery.read

    def counted(self, reading):
        def note(execute, sql, *args):
            statements.append(sql)
            return execute(sql, *args)

        with connection.execute_wrapper(note):
            read(self, reading)

    monkeypatch.setattr(SharedQuery, "read", counted)
    return statements


async def test_many_clients_of_one_list_cost_one_statement_for_each_commit(readings) -> None:
    sockets = [client(Tags) for _ in range(20)]
    for socket in sockets:
        await socket.connect()
    lists = [await subscribe(socket) for socket in sockets]
    readings.clear()
    await Tag.objects.acreate(name="a")
    for tags in lists:
        await tags.until("a")
    assert len(readings) == 1
    for socket in sockets:
        await socket.disconnect()


async def test_a_list_that_nobody_has_any_more_is_not_read(readings) -> None:
    async with client(Tags) as socket, client(Tags) as other:
        tags, kept = await subscribe(socket), await subscribe(other)
        await socket.expect_reply(
            await socket.call("unsubscribe_list", request_id=tags.request_id), status=204
        )
        call = await other.call("unsubscribe_list", request_id=kept.request_id)
        await other.expect_reply(call, status=204)
        readings.clear()
        await Tag.objects.acreate(name="a")
        await socket.expect_nothing()
        assert readings == []
        assert LIVE_GROUP not in current_hub().groups


async def test_a_write_that_the_list_does_not_depend_on_is_not_read(readings) -> None:
    async with client(Tags) as socket:
        await subscribe(socket)
        readings.clear()
        await Comment.objects.acreate(text="a")
        await socket.expect_nothing()
        assert readings == []


class OwnComments(ObserverModelListMixin, GenericAsyncAPIConsumer):
    serializer_class = CommentSerializer

    def get_queryset(self, **kwargs):
        return Comment.objects.filter(user=self.scope["user"]).order_by("pk")


async def test_only_lists_that_a_changed_row_was_or_may_be_in_are_read(readings) -> None:
    users = [await User.objects.acreate_user(f"user{number}") for number in range(5)]
    sockets = [client(OwnComments, user=user) for user in users]
    for socket in sockets:
        await socket.connect()
    lists = [await subscribe(socket) for socket in sockets]
    readings.clear()
    comment = await Comment.objects.acreate(text="a", user=users[0])
    await lists[0].until("a")
    assert len(readings) == 1
    comment.user = users[1]
    await comment.asave()
    await lists[0].until()
    await lists[1].until("a")
    assert len(readings) == 3
    comment.user = None
    await comment.asave()
    await lists[1].until()
    assert len(readings) == 4
    for socket in sockets:
        await socket.disconnect()


def messages_of(user):
    return Message.objects.filter(room__current_users=user).order_by("pk")


class OwnMessages(ObserverModelListMixin, GenericAsyncAPIConsumer):
    serializer_class = MessageSerializer

    def get_queryset(self, **kwargs):
        return messages_of(self.scope["user"])

    def viewers(self, rows):
        return members_of(rows)


class OwnQuery(AsyncAPIConsumer):
    @live_query(serializer_class=MessageSerializer, viewers=members_of)
    def messages(self):
        return messages_of(self.scope["user"])

    @action()
    async def subscribe_list(self, request_id):
        return await self.messages.subscribe(request_id=request_id), 201


own_page = SocketRouter()


@own_page.live("MESSAGES", serializer_class=MessageSerializer, viewers=members_of)
def own_messages(socket, content):
    return messages_of(socket.user)


@pytest.mark.parametrize("declared", [OwnMessages, OwnQuery, own_page])
async def test_with_viewers_only_the_lists_of_users_who_see_a_row_are_read(
    readings, declared
) -> None:
    users = [await User.objects.acreate_user(f"user{number}") for number in range(5)]
    room = await Room.objects.acreate(name="a", host=users[0])
    await room.current_users.aadd(*users[:2])
    is_page = declared is own_page
    sockets = [(page_client if is_page else client)(declared, user=user) for user in users]
    for socket in sockets:
        await socket.connect()
    lists = [
        await (subscribe_page(socket, "MESSAGES") if is_page else subscribe(socket))
        for socket in sockets
    ]
    readings.clear()
    message = await Message.objects.acreate(room=room, text="a", user=users[4])
    await lists[0].until("a")
    await lists[1].until("a")
    assert len(readings) == 2
    await message.adelete()
    await lists[0].until()
    await lists[1].until()
    assert len(readings) == 4
    for socket in sockets:
        await socket.disconnect()


class RoomMessages(OwnMessages):
    """Its clients are rooms, or other things with a key, and no users."""

    def get_queryset(self, **kwargs):
        return Message.objects.filter(room__name=self.scope["user"].name).order_by("pk")


@pytest.mark.parametrize("kind", [Room, SimpleNamespace])
async def test_a_client_that_is_no_user_is_not_taken_for_the_user_with_its_key(kind) -> None:
    host = await User.objects.acreate_user("host")
    room = await Room.objects.acreate(name="a", host=host)
    reader = room if kind is Room else SimpleNamespace(pk=room.pk, name="a", is_authenticated=True)
    async with client(RoomMessages, user=reader) as socket:
        rows = await subscribe(socket)
        await Message.objects.acreate(room=room, text="a", user=host)
        await rows.until("a")


WRONG_VIEWERS = {
    "rows": lambda rows: [(row, row.user) for row in rows.select_related("user")],
    "values": lambda rows: members_of(rows).values("room__messages", "user"),
    "flat": lambda rows: rows.values_list("pk", flat=True),
    "nothing": lambda rows: None,
}


@pytest.mark.parametrize("viewers", WRONG_VIEWERS.values(), ids=WRONG_VIEWERS)
async def test_no_user_misses_a_row_if_viewers_return_no_pairs_of_keys(viewers, caplog) -> None:
    class Wrong(OwnQuery):
        @live_query(serializer_class=MessageSerializer, viewers=viewers)
        def messages(self):
            return messages_of(self.scope["user"])

    ada = await User.objects.acreate_user("ada")
    room = await Room.objects.acreate(name="a", host=ada)
    await room.current_users.aadd(ada)
    async with client(Wrong, user=ada) as socket:
        messages = await subscribe(socket)
        await Message.objects.acreate(room=room, text="a", user=ada)
        await messages.until("a")
    assert "viewers" in caplog.text


def too_many(self, rows): ...


async def not_in_a_thread(rows): ...


@pytest.mark.parametrize("viewers", ["members_of", [], Tag, too_many, not_in_a_thread])
def test_viewers_that_are_no_function_of_the_rows_are_refused(viewers) -> None:
    with pytest.raises(TypeError, match="write a function that takes the rows"):
        live_query(serializer_class=MessageSerializer, viewers=viewers)
    with pytest.raises(TypeError, match="write a function that takes the rows"):
        own_page.live("A", serializer_class=MessageSerializer, viewers=viewers)


def test_a_live_query_without_a_serializer_is_refused() -> None:
    with pytest.raises(TypeError, match="write a serializer class"):
        live_query(serializer_class=None)


async def test_a_client_has_at_most_max_live_lists(settings) -> None:
    settings.REST_CHANNELS = {"MAX_LIVE": 1}
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        call = await socket.call("subscribe_list")
        await socket.expect_reply(call, status=400)
        await socket.expect_reply(
            await socket.call("subscribe_list", request_id=tags.request_id), status=201
        )


class Everything(Tags):
    live_limit = None


async def test_a_list_of_a_thousand_rows_takes_little_memory() -> None:
    class All(ObserverModelListMixin, GenericAsyncAPIConsumer):
        queryset = Comment.objects.order_by("pk")
        serializer_class = CommentSerializer
        live_limit = None

    await Comment.objects.abulk_create([Comment(text="a" * 50) for _ in range(1_000)])
    async with client(All) as socket:
        for action_name in ("subscribe_list", "unsubscribe_list"):  # what is made once is made
            await socket.expect_reply(await socket.call(action_name, request_id="a"))
        gc.collect()
        tracemalloc.start()
        await socket.expect_reply(await socket.call("subscribe_list", request_id="b"), status=201)
        gc.collect()
        size, _peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert 30_000 < size < 150_000


async def test_a_list_that_grows_too_long_is_refused(settings) -> None:
    settings.REST_CHANNELS = {"MAX_LIVE_ROWS": 2}
    for name in "ab":
        await Tag.objects.acreate(name=name)
    async with client(Everything) as socket:
        tags = await subscribe(socket)
        await Tag.objects.acreate(name="c")
        frame = await socket.expect_event()
        assert (frame["response_status"], frame["request_id"]) == (400, tags.request_id)
        call = await socket.call("subscribe_list")
        await socket.expect_reply(call, status=400)


@pytest.mark.parametrize("limit", [0, -1, True, "5", 2.0])
def test_a_limit_that_is_no_number_of_rows_is_refused_when_the_class_is_made(limit) -> None:
    with pytest.raises(TypeError, match="live_limit"):
        type("Wrong", (Tags,), {"live_limit": limit})


@pytest.mark.parametrize("reread", [0, -1, True, "5"])
def test_an_interval_that_is_no_time_is_refused(reread) -> None:
    with pytest.raises(TypeError, match="reread"):
        live_query(serializer_class=TagSerializer, reread=reread)


def test_an_option_that_a_live_query_does_not_have_is_refused_with_what_to_write() -> None:
    with pytest.raises(TypeError, match="slice the queryset"):
        live_query(serializer_class=TagSerializer, live_limit=50)


async def test_a_queryset_of_values_is_refused(caplog) -> None:
    class Values(Tags):
        queryset = Tag.objects.values("name")

    async with client(Values) as socket:
        await socket.expect_reply(await socket.call("subscribe_list"), status=500)
    assert "without values()" in caplog.text


@pytest.mark.parametrize("have", [[], "a", {"1": 2, "x": None}])
async def test_what_a_client_claims_to_have_never_fails_its_list(have) -> None:
    await Tag.objects.acreate(name="a")
    async with client(Tags) as socket:
        call = await socket.call("subscribe_list", have=have)
        reply = await socket.expect_reply(call)
        assert reply["response_status"] == (201 if isinstance(have, dict) else 400)
        if isinstance(have, dict):
            assert len(reply["data"]["enter"]) == 1 or reply["data"]["change"]


async def test_a_lost_message_lets_each_list_be_read_again() -> None:
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        await Tag.objects.abulk_create([Tag(name="a")])
        await socket.expect_nothing()
        current_hub().get_component(LiveLane).deliver(Gap((LIVE_GROUP,)))
        await tags.until("a")


async def test_the_audit_finds_what_was_written_without_django(settings) -> None:
    settings.REST_CHANNELS = {"LIVE_AUDIT": 0.1}
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        before = counts.mended
        await Tag.objects.abulk_create([Tag(name="a")])
        await tags.until("a")
        assert counts.mended == before + 1


class Late(TagSerializer):
    reads = 0

    def to_representation(self, row):
        type(self).reads += 1
        return {**super().to_representation(row), "reads": self.reads}


class Desk(AsyncAPIConsumer):
    @live_query(serializer_class=TagSerializer)
    def named(self, start):
        return Tag.objects.filter(name__startswith=start).order_by("-pk")[:2]

    @live_query(serializer_class=Late, reread=0.05)
    def late(self):
        return Tag.objects.all()

    @live_query(serializer_class=TagSerializer)
    def random(self):
        return Tag.objects.order_by("?")

    @action()
    async def watch_random(self, request_id):
        return await self.random.subscribe(request_id=request_id), 201

    @action()
    async def watch(self, request_id, start, have=None):
        return await self.named.subscribe(start=start, request_id=request_id, have=have), 201

    @action()
    async def unwatch(self, request_id):
        await self.named.unsubscribe(request_id=request_id)
        return None, 204

    @action()
    async def watch_late(self, request_id):
        return await self.late.subscribe(request_id=request_id), 201


async def test_a_live_query_follows_the_queryset_of_its_function() -> None:
    async with client(Desk) as socket:
        tags = await subscribe(socket, "watch", start="a")
        for name in ("a1", "b", "a2", "a3"):
            await Tag.objects.acreate(name=name)
        await tags.until("a3", "a2")
        await socket.expect_reply(
            await socket.call("unwatch", request_id=tags.request_id), status=204
        )
        await Tag.objects.acreate(name="a4")
        await socket.expect_nothing()


@pytest.mark.parametrize("is_shown", [True, False])
async def test_the_reason_why_a_query_is_refused_is_logged(settings, caplog, is_shown) -> None:
    settings.REST_CHANNELS = {"DEBUG_ERRORS": is_shown}
    async with client(Desk) as socket:
        reply = await socket.expect_reply(await socket.call("watch_random"), status=400)
        assert ("reread=seconds" in str(reply["errors"])) is is_shown
    assert "reread=seconds" in caplog.text


async def test_a_query_with_reread_is_read_again_without_a_write() -> None:
    await Tag.objects.acreate(name="a")
    async with client(Desk) as socket:
        tags = await subscribe(socket, "watch_late")
        assert (await tags.next()).keys() == {"change"}


class Text(TagSerializer):
    def to_representation(self, tag):
        return {"id": tag.pk, "name": str(translation.gettext("Not found"))}


class Translated(Tags):
    serializer_class = Text


async def test_each_language_has_its_own_rendering() -> None:
    await Tag.objects.acreate(name="a")
    german = {"accept-language": "de"}
    async with client(Translated) as first, client(Translated, headers=german) as second:
        english, translated = await subscribe(first), await subscribe(second)
        assert english.shown == ["Not found"]
        assert translated.shown != english.shown


class TicketSerializer(serializers.ModelSerializer):
    class Meta:
        model = Ticket
        fields = ["title"]


class Tickets(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Ticket.objects.order_by("title")
    serializer_class = TicketSerializer


async def test_a_row_that_is_rendered_without_its_key_gets_it_as_pk() -> None:
    ticket = await Ticket.objects.acreate(title="a")
    async with client(Tickets) as socket:
        tickets = await subscribe(socket)
        assert tickets.rows[str(ticket.pk)][0] == {"title": "a", "pk": str(ticket.pk)}


class Tagged(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Ticket.objects.order_by("title")
    serializer_class = TitleSerializer


async def test_a_row_changes_with_the_related_rows_that_its_serializer_shows() -> None:
    ticket, tag = await Ticket.objects.acreate(title="a"), await Tag.objects.acreate(name="x")
    async with client(Tagged) as socket:
        tickets = await subscribe(socket)
        for change, names in (
            (lambda: ticket.tags.add(tag), ["x"]),
            (lambda: Tag(pk=tag.pk, name="y").save(), ["y"]),
            (lambda: Tag.objects.all().delete(), []),
        ):
            await sync_to_async(change)()
            await tickets.next()
            assert tickets.rows[str(ticket.pk)][0]["names"] == names


async def test_rows_that_a_join_repeats_are_in_the_list_once() -> None:
    class Joined(Tags):
        queryset = Tag.objects.filter(tickets__title__startswith="a").order_by("name")

    tag = await Tag.objects.acreate(name="a")
    for _ in range(2):
        await (await Ticket.objects.acreate(title="a")).tags.aadd(tag)
    async with client(Joined) as socket:
        tags = await subscribe(socket)
        assert tags.shown == ["a"]


async def test_a_client_that_leaves_ends_its_subscriptions() -> None:
    async with client(Tags) as socket:
        await subscribe(socket)
        async with client(Tags) as other:
            await subscribe(other)
        queries = current_hub().get_component(LiveLane)._queries._partitions
        (query,) = queries[LIVE_GROUP].by_key.values()
        assert len(query.subscriptions) == 1
    assert LIVE_GROUP not in current_hub().groups


async def test_writes_during_a_reading_are_told_by_the_next_one() -> None:
    async with client(Tags) as socket:
        tags = await subscribe(socket)

        def write(name):
            with transaction.atomic():
                Tag.objects.create(name=name)

        names = [f"{number:02}" for number in range(30)]
        await asyncio.gather(*(sync_to_async(write)(name) for name in names))
        await tags.until(*names)


class InATestCase(TestCase):
    async def test_a_list_follows_what_a_test_has_not_committed(self) -> None:
        user = await User.objects.acreate_user("ada")
        async with client(Tags, user=user) as socket:
            tags = await subscribe(socket)
            await Tag.objects.acreate(name="a")
            await tags.until("a")
