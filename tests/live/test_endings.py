"""What remains when readings are slow, fail, or are in the middle of something that ends."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import OperationalError
from rest_framework.permissions import BasePermission

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.live import lane
from rest_channels.live.row_index import RowIndex
from rest_channels.live.shared_query import SharedQuery
from rest_channels.observer import ObserverModelListMixin, notify_changed
from rest_channels.settings import api_settings
from tests.field.clients import StalledClient
from tests.observer.models import Comment, Room, Tag

from .client import client, subscribe
from .rows import CommentSerializer, TagSerializer
from .test_faults import Held, assert_nothing_remains

pytestmark = pytest.mark.django_db(transaction=True)


class Tags(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Tag.objects.order_by("name")
    serializer_class = TagSerializer


@pytest.fixture
def hold(monkeypatch):
    """`held = hold(RowIndex)`: from now on each `read` of the class waits for `held.go()`."""
    made = []

    def hold(kind):
        held, read = Held(), kind.read

        def read_later(self, *args):
            held.wait()
            return read(self, *args)

        monkeypatch.setattr(kind, "read", read_later)
        made.append(held)
        return held

    yield hold
    for held in made:
        held.go()


@pytest.mark.parametrize("kind", [RowIndex, SharedQuery])
async def test_nothing_remains_of_the_last_client_that_leaves_during_a_reading(hold, kind) -> None:
    async with client(Tags) as socket:
        await subscribe(socket)
        held = hold(kind)
        await Tag.objects.acreate(name="a")
        await held.wait_begun()
        ending = asyncio.create_task(socket.disconnect())
        await asyncio.sleep(0)
        held.go()
        await ending
    assert_nothing_remains()
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        assert tags.shown == ["a"]
        await Tag.objects.acreate(name="b")
        await tags.until("a", "b")
    assert_nothing_remains()


async def test_a_subscription_that_takes_too_long_is_answered_and_leaves_nothing(
    hold, settings, caplog
) -> None:
    settings.REST_CHANNELS = {"HANDLER_TIMEOUT": 0.1}
    held = hold(SharedQuery)
    async with client(Tags) as socket:
        await socket.expect_reply(await socket.call("subscribe_list"), status=504)
        held.go()
        settings.REST_CHANNELS = {}
        async with client(Tags) as other:  # its list is read after the other one
            await subscribe(other)
        assert_nothing_remains()


async def test_the_audit_goes_on_when_the_database_is_back(settings, monkeypatch, caplog) -> None:
    settings.REST_CHANNELS = {"LIVE_AUDIT": 0.05}
    read, down = SharedQuery._rows, [False]

    def rows(self):
        if down[0]:
            raise OperationalError("The database is down.")
        return read(self)

    monkeypatch.setattr(SharedQuery, "_rows", rows)
    monkeypatch.setattr(lane, "RETRY_TIME", 0.05)
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        down[0] = True
        await asyncio.sleep(0.2)
        await Tag.objects.abulk_create([Tag(name="a")])
        down[0] = False
        await tags.until("a")
        await Tag.objects.all().aupdate(name="b")
        await tags.until("b")


class Late(Tags):
    name = "a"

    def get_queryset(self, **kwargs):
        return Tag.objects.filter(name=self.name)


async def test_what_get_queryset_computes_is_computed_anew_with_each_audit(
    settings, monkeypatch
) -> None:
    settings.REST_CHANNELS = {"LIVE_AUDIT": 0.05}
    await Tag.objects.acreate(name="a")
    await Tag.objects.acreate(name="b")
    async with client(Late) as socket:
        tags = await subscribe(socket)
        assert tags.shown == ["a"]
        monkeypatch.setattr(Late, "name", "b")
        await tags.until("b")


class SlowlyFound(Tags):
    asked: list[str] = []

    def get_queryset(self, **kwargs):
        time.sleep(0.02)
        self.asked.append("")
        return Tag.objects.order_by("name")


async def test_a_commit_is_told_before_an_audit_has_asked_for_all_querysets(settings) -> None:
    """An audit knows of no change, so a commit need not wait for it."""
    settings.REST_CHANNELS = {"LIVE_AUDIT": 2}
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(client(SlowlyFound)) for _ in range(60)]
        lists = [await subscribe(socket) for socket in sockets]
        settings.REST_CHANNELS = {"LIVE_AUDIT": None}
        SlowlyFound.asked.clear()
        async with asyncio.timeout(5):
            while not SlowlyFound.asked:  # noqa: ASYNC110 - a thread adds to it
                await asyncio.sleep(0.001)
        await Tag.objects.acreate(name="a")
        await lists[-1].until("a")
        assert len(SlowlyFound.asked) < len(lists)


# Slow clients.


class Wide(TagSerializer):
    def to_representation(self, row):
        return {"id": row.pk, "name": row.name, "text": "x" * 20_000}


class Checking(Tags):
    serializer_class = Wide
    check_deliveries = True


class Replying(Tags):
    serializer_class = Wide

    async def reply(self, *args, **kwargs):
        await super().reply(*args, **kwargs)


@pytest.mark.parametrize("consumer", [Checking, Replying])
async def test_a_client_whose_frames_are_queued_is_closed_if_it_does_not_read(consumer) -> None:
    reader = StalledClient(consumer.as_asgi(), dialect="action")
    async with reader, client(Tags) as other:
        await reader.call("subscribe_list")
        assert (await reader.read_one())["response_status"] == 201
        tags = await subscribe(other)
        for number in range(8):
            rows = [Tag(name=f"{number}") for _ in range(20)]
            await Tag.objects.abulk_create(rows)
            await sync_to_async(notify_changed)(rows)
            await tags.next()
        frames, code = await reader.read_to_the_end(100)
        assert code in (4503, 4429)
        assert sum(map(len, frames)) < 3 * api_settings.OUTBOX_BYTES
    assert_nothing_remains()


# Permissions of objects.


class InRoom(BasePermission):
    """Reads another table, of which the list knows nothing."""

    def has_object_permission(self, request, view, row):
        return Room.objects.filter(name=row.text, current_users=request.user.pk).exists()


class Guarded(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Comment.objects.order_by("pk")
    serializer_class = CommentSerializer
    permission_classes = [InRoom]


async def test_a_row_that_changes_is_checked_with_what_a_permission_reads_now(settings) -> None:
    settings.REST_CHANNELS = {"LIVE_AUDIT": None}
    ada = await User.objects.acreate_user("ada")
    room = await Room.objects.acreate(name="a", host=ada)
    await room.current_users.aadd(ada)
    row = await Comment.objects.acreate(text="a")
    async with client(Guarded, user=ada) as socket:
        comments = await subscribe(socket)
        assert comments.shown == ["a"]
        await room.current_users.aremove(ada)
        await row.asave()
        assert await comments.next() == {"leave": [row.pk]}


async def test_the_audit_finds_what_a_permission_reads_now(settings) -> None:
    settings.REST_CHANNELS = {"LIVE_AUDIT": 0.1}
    ada = await User.objects.acreate_user("ada")
    room = await Room.objects.acreate(name="a", host=ada)
    await room.current_users.aadd(ada)
    await Comment.objects.acreate(text="a")
    async with client(Guarded, user=ada) as socket:
        comments = await subscribe(socket)
        await room.current_users.aremove(ada)
        await comments.until()
