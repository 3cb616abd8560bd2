"""Writes that happen while a list is subscribed to, or while rows are read, are never missed."""

import asyncio
from contextlib import contextmanager
from threading import Event

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import transaction
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.engine.hub import Hub
from rest_channels.live.row_index import RowIndex
from rest_channels.live.shared_query import SharedQuery
from rest_channels.live.writes import LIVE_GROUP
from rest_channels.observer import ObserverModelListMixin
from tests.observer.models import Comment, Message, Room, Tag, Ticket

from .client import LiveList, client, subscribe
from .rows import CommentSerializer, MessageSerializer, TagSerializer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reading(monkeypatch, settle):
    """`with reading(RowIndex)`: the next `read` of the class waits, once it has read the rows."""

    @contextmanager
    def hold(kind):
        read, has_read, may_end = kind.read, Event(), Event()

        def read_and_wait(self, *args):
            monkeypatch.setattr(kind, "read", read)
            found = read(self, *args)
            has_read.set()
            may_end.wait(5)
            return found

        monkeypatch.setattr(kind, "read", read_and_wait)
        try:
            yield lambda: settle(has_read.is_set)
        finally:
            may_end.set()

    return hold


class Tags(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Tag.objects.order_by("name")
    serializer_class = TagSerializer


class Shown(Tags):
    queryset = Tag.objects.filter(name="shown")


class OwnComments(ObserverModelListMixin, GenericAsyncAPIConsumer):
    serializer_class = CommentSerializer

    def get_queryset(self, **kwargs):
        return Comment.objects.filter(user=self.scope["user"])


class ByUser(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Comment.objects.order_by("user__username")
    serializer_class = CommentSerializer


class OfOpenRooms(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Message.objects.filter(room__name__startswith="open").order_by("text")
    serializer_class = MessageSerializer


class TicketSerializer(serializers.ModelSerializer):
    names = serializers.SerializerMethodField()

    class Meta:
        model = Ticket
        fields = ["id", "title", "names"]

    def get_names(self, ticket):
        return [tag.name for tag in ticket.tags.all()]


class Prefetched(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Ticket.objects.prefetch_related("tags")
    serializer_class = TicketSerializer


class TitleSerializer(serializers.ModelSerializer):
    tags = serializers.SlugRelatedField("name", many=True, read_only=True)

    class Meta:
        model = Ticket
        fields = ["id", "title", "tags"]


class Titles(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Ticket.objects.all()
    serializer_class = TitleSerializer


async def test_a_row_that_is_written_before_the_list_is_registered_is_in_it(monkeypatch) -> None:
    of = SharedQuery.of

    def of_and_write(subscription):
        query = of(subscription)
        Tag.objects.create(name="a")
        return query

    monkeypatch.setattr(SharedQuery, "of", of_and_write)
    async with client(Tags) as socket:
        assert (await subscribe(socket)).shown == ["a"]


async def test_a_list_is_read_only_when_writes_of_other_processes_arrive(monkeypatch) -> None:
    joined, join = asyncio.get_running_loop().create_future(), Hub.join

    def join_slowly(hub, group, member):
        return join(hub, group, member) or (joined if group == LIVE_GROUP else None)

    monkeypatch.setattr(Hub, "join", join_slowly)
    async with client(Tags) as socket:
        call = await socket.call("subscribe_list")
        await socket.expect_nothing()
        await Tag.objects.acreate(name="a")
        joined.set_result(None)
        assert (await socket.expect_reply(call, status=201))["data"]["rows"] != []


async def test_a_row_that_is_written_after_the_snapshot_is_told_next(reading) -> None:
    async with client(Tags) as socket:
        with reading(SharedQuery) as has_read:
            call = await socket.call("subscribe_list")
            await has_read()
            await Tag.objects.acreate(name="a")
        reply = await socket.expect_reply(call, status=201)
        tags = LiveList(socket, reply["data"], call)
        assert tags.shown == []
        await tags.until("a")


async def test_a_client_that_comes_during_a_reading_gets_the_next_one(reading) -> None:
    async with client(Tags) as first, client(Tags) as second:
        tags = await subscribe(first)
        with reading(SharedQuery) as has_read:
            await Tag.objects.acreate(name="a")
            await has_read()
            call = await second.call("subscribe_list")
            await second.expect_nothing()
        await tags.until("a")
        assert len((await second.expect_reply(call, status=201))["data"]["rows"]) == 1


async def test_a_related_row_that_is_written_during_a_reading_is_told_next(reading) -> None:
    host = await User.objects.acreate_user("host")
    for name in ("closed a", "closed b"):
        room = await Room.objects.acreate(name=name, host=host)
        await Message.objects.acreate(room=room, text=name[-1], user=host)
    async with client(OfOpenRooms) as socket:
        messages = await subscribe(socket)
        with reading(SharedQuery) as has_read:
            await sync_to_async(Room(pk=room.pk, name="open b", host=host).save)()
            await has_read()
            await sync_to_async(Room(pk=room.pk - 1, name="open a", host=host).save)()
        await messages.until("a", "b")


async def test_a_row_that_is_written_while_others_are_looked_up_is_told_next(reading) -> None:
    async with client(Shown) as socket:
        tags = await subscribe(socket)
        with reading(RowIndex) as has_read:
            await Tag.objects.acreate(name="other")
            await has_read()
            await Tag.objects.acreate(name="shown")
        await tags.until("shown")


async def test_what_a_row_is_rendered_with_may_change_during_a_reading(reading) -> None:
    ticket, tag = await Ticket.objects.acreate(title="a"), await Tag.objects.acreate(name="x")
    await ticket.tags.aadd(tag)
    async with client(Titles) as socket:
        tickets = await subscribe(socket)
        with reading(SharedQuery) as has_read:
            ticket.title = "b"
            await ticket.asave()
            await has_read()
            await sync_to_async(Tag(pk=tag.pk, name="y").save)()
        await tickets.next()
        await tickets.next()
        assert tickets.rows[str(ticket.pk)][0]["tags"] == ["y"]


async def test_a_row_is_read_again_though_the_instance_that_was_saved_is_outdated() -> None:
    ada = await User.objects.acreate_user("ada")
    comment = await Comment.objects.acreate(text="a")

    def write():
        with transaction.atomic():
            Comment(pk=comment.pk, text="a", user=ada, date=comment.date).save()
            comment.text = "b"
            comment.save(update_fields=["text"])  # this instance still has no user

    async with client(OwnComments, user=ada) as socket:
        comments = await subscribe(socket)
        await sync_to_async(write)()
        await comments.until("b")


async def test_rows_may_change_places_though_none_of_them_has_changed() -> None:
    for name in ("a", "b"):
        user = await User.objects.acreate_user(name)
        await Comment.objects.acreate(text=name, user=user)
    async with client(ByUser) as socket:
        comments = await subscribe(socket)
        assert comments.shown == ["a", "b"]
        for name, order in (("0", ["b", "a"]), ("b", ["a", "b"])):
            user.username = name
            await user.asave()
            await comments.until(*order)


async def test_a_row_changes_with_the_related_rows_that_its_queryset_prefetches() -> None:
    ticket, tag = await Ticket.objects.acreate(title="a"), await Tag.objects.acreate(name="x")
    await ticket.tags.aadd(tag)
    async with client(Prefetched) as socket:
        tickets = await subscribe(socket)
        tag.name = "y"
        await tag.asave()
        await tickets.next()
        assert tickets.rows[str(ticket.pk)][0]["names"] == ["y"]


@pytest.mark.parametrize("queryset", [Tag.objects.all(), Tag.objects.prefetch_related("tickets")])
async def test_only_rows_that_have_changed_are_rendered_again(monkeypatch, queryset) -> None:
    rendered, render = [], TagSerializer.to_representation

    def render_and_note(self, tag):
        rendered.append(tag.name)
        return render(self, tag)

    class Ordered(Tags):
        pass

    Ordered.queryset = queryset.order_by("name")
    a, _b = [await Tag.objects.acreate(name=name) for name in "ab"]
    async with client(Ordered) as socket:
        tags = await subscribe(socket)
        monkeypatch.setattr(TagSerializer, "to_representation", render_and_note)
        a.name = "c"
        await a.asave()
        await tags.until("b", "c")
        assert rendered == ["c"]
