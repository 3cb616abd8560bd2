"""Who sees which rows: what changes a client's rights changes its list."""

import asyncio
import threading
from contextlib import asynccontextmanager, closing

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, transaction
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.engine.identity_index import RevocationIndex
from rest_channels.engine.publish import current_hub
from rest_channels.observer import ObserverModelListMixin
from tests.observer.models import Comment, Message, Room, Tag

from .client import client, subscribe
from .rows import CommentSerializer, MessageSerializer, TagSerializer, members_of

pytestmark = pytest.mark.django_db(transaction=True)


class Tags(ObserverModelListMixin, GenericAsyncAPIConsumer):
    """Tags that users with the permission `view_tag` see."""

    serializer_class = TagSerializer

    def get_queryset(self, **kwargs):
        if not self.scope["user"].has_perm("observer.view_tag"):
            return Tag.objects.none()
        return Tag.objects.order_by("name")


class Messages(ObserverModelListMixin, GenericAsyncAPIConsumer):
    """Messages of the rooms that a user is in."""

    serializer_class = MessageSerializer

    def get_queryset(self, **kwargs):
        return Message.objects.filter(room__current_users=self.scope["user"]).order_by("pk")


class SeenMessages(Messages):
    """The same, with the users who see a message."""

    def viewers(self, rows):
        return members_of(rows)


@pytest.fixture
async def ada():
    return await User.objects.acreate_user("ada")


@pytest.fixture
def may_view():
    return Permission.objects.get(codename="view_tag", content_type__app_label="observer")


@pytest.mark.parametrize("consumer", [Messages, SeenMessages])
async def test_a_member_that_joins_or_leaves_a_room_sees_its_messages_come_and_go(
    ada, consumer
) -> None:
    room = await Room.objects.acreate(name="a", host=ada)
    message = await Message.objects.acreate(room=room, text="hello", user=ada)
    async with client(consumer, user=ada) as socket:
        messages = await subscribe(socket)
        assert messages.shown == []
        await room.current_users.aadd(ada)
        await messages.until("hello")
        await room.current_users.aremove(ada)
        assert await messages.next() == {"leave": [message.pk]}
        await room.current_users.aadd(ada)
        await messages.until("hello")
        await room.adelete()
        await messages.until()


async def test_a_permission_that_is_given_or_taken_changes_the_list(ada, may_view) -> None:
    await Tag.objects.acreate(name="a")
    async with client(Tags, user=ada) as socket:
        tags = await subscribe(socket)
        assert tags.shown == []
        await ada.user_permissions.aadd(may_view)
        await tags.until("a")
        await ada.user_permissions.aremove(may_view)
        await tags.until()


async def test_a_permission_of_a_group_changes_the_lists_of_its_members(ada, may_view) -> None:
    await Tag.objects.acreate(name="a")
    group = await Group.objects.acreate(name="staff")
    await ada.groups.aadd(group)
    async with client(Tags, user=ada) as socket:
        tags = await subscribe(socket)
        await group.permissions.aadd(may_view)
        await tags.until("a")
        await ada.groups.aremove(group)
        await tags.until()


class Refusing(ObserverModelListMixin, GenericAsyncAPIConsumer):
    serializer_class = TagSerializer

    def get_queryset(self, **kwargs):
        if not self.scope["user"].is_staff:
            raise PermissionDenied
        return Tag.objects.order_by("name")


async def test_a_client_that_get_queryset_refuses_receives_the_error_once(ada) -> None:
    ada.is_staff = True
    await ada.asave()
    async with client(Refusing, user=ada) as socket:
        tags = await subscribe(socket)
        stored = await User.objects.aget(pk=ada.pk)
        stored.is_staff = False
        await stored.asave()
        frame = await socket.expect_event()
        assert (frame["response_status"], frame["request_id"]) == (403, tags.request_id)
        await Tag.objects.acreate(name="a")
        await socket.expect_nothing()


class ShowsUser(TagSerializer):
    user = serializers.SerializerMethodField()

    class Meta(TagSerializer.Meta):
        fields = ["id", "name", "user"]

    def get_user(self, tag):
        return self.context["scope"]["user"].username


class Personal(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Tag.objects.order_by("name")
    serializer_class = ShowsUser


async def test_a_serializer_that_reads_its_context_is_rendered_for_each_user(ada) -> None:
    bob = await User.objects.acreate_user("bob")
    async with client(Personal, user=ada) as first, client(Personal, user=bob) as second:
        lists = [await subscribe(first), await subscribe(second)]
        tag = await Tag.objects.acreate(name="a")
        for tags in lists:
            await tags.until("a")
        assert [tags.rows[tag.pk][0]["user"] for tags in lists] == ["ada", "bob"]


class FailsForBob(ShowsUser):
    def get_user(self, tag):
        name = super().get_user(tag)
        if name == "bob" and tag.name == "broken":
            raise LookupError
        return name


class Broken(Personal):
    serializer_class = FailsForBob


async def test_a_serializer_that_fails_for_one_user_fails_no_other_user(ada, caplog) -> None:
    bob = await User.objects.acreate_user("bob")
    async with client(Broken, user=ada) as first, client(Broken, user=bob) as second:
        lists = [await subscribe(first), await subscribe(second)]
        tag = await Tag.objects.acreate(name="broken")
        await lists[0].until("broken")
        await second.expect_nothing()
        tag.name = "mended"
        await tag.asave()
        for tags in lists:
            await tags.until("mended")
    assert "cannot be rendered" in caplog.text


class IsOwn(BasePermission):
    def has_object_permission(self, request, view, row):
        return row.user_id == request.user.pk


class Guarded(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Comment.objects.order_by("pk")
    serializer_class = CommentSerializer
    permission_classes = [IsOwn]


async def test_rows_that_a_permission_of_objects_refuses_are_not_in_the_list(ada) -> None:
    bob = await User.objects.acreate_user("bob")
    own = await Comment.objects.acreate(text="a", user=ada)
    await Comment.objects.acreate(text="b", user=bob)
    async with client(Guarded, user=ada) as socket:
        comments = await subscribe(socket)
        assert comments.shown == ["a"]
        own.user = bob
        await own.asave()
        assert await comments.next() == {"leave": [own.pk]}


@pytest.fixture
def commit():
    """`async with commit(user, change)`: a row is written in the commit that changes a user.

    A hook of the project, which was registered before, waits until the block has ended.
    """
    ended = threading.Event()

    def write(user, change):
        with closing(connection), transaction.atomic():
            transaction.on_commit(lambda: ended.wait(5))
            Tag.objects.create(name="secret")
            change(User.objects.get(pk=user.pk))

    @asynccontextmanager
    async def run(user, change):
        task = asyncio.create_task(asyncio.to_thread(write, user, change))
        try:
            yield
        finally:
            ended.set()
            await task

    return run


def deactivate(user):
    user.is_active = False
    user.save()


@pytest.mark.parametrize("change", [User.delete, deactivate])
async def test_a_user_who_is_closed_is_not_told_what_the_same_commit_has_written(
    ada, commit, change
) -> None:
    async with client(Personal, user=ada) as socket:
        await subscribe(socket)
        async with commit(ada, change):
            message = await socket._next("a close")
            assert message["type"] == "websocket.close"


class OfGroups(ObserverModelListMixin, GenericAsyncAPIConsumer):
    serializer_class = TagSerializer

    def get_queryset(self, **kwargs):
        rows = Tag.objects.order_by("name")
        return rows if self.scope["user"].groups.exists() else rows.filter(name="public")


async def test_a_user_who_leaves_a_group_is_not_told_what_the_same_commit_has_written(
    ada, commit
) -> None:
    await ada.groups.aadd(await Group.objects.acreate(name="staff"))
    async with client(OfGroups, user=ada) as socket:
        tags = await subscribe(socket)
        async with commit(ada, lambda user: user.groups.clear()):
            await socket.expect_nothing(0.2)
            await Tag.objects.acreate(name="public")
            assert (await tags.next()).keys() == {"enter"}
            assert tags.shown == ["public"]


async def test_nothing_waits_for_a_check_that_was_not_begun_when_the_last_client_left(
    ada, monkeypatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def wait(*args):
        begun.set()
        may_end.wait(5)

    monkeypatch.setattr("rest_channels.engine.account_status.account_status", wait)
    index = current_hub().get_component(RevocationIndex)
    async with client(Tags, user=ada):
        await ada.asave()
        await asyncio.to_thread(begun.wait, 5)
        await ada.asave()
        assert len(index.checks()) == 2
    may_end.set()
    assert index.checks() == []
