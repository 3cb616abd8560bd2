"""Readings that take long, or cannot be made: they delay nothing else, and lose nothing."""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from rest_framework import serializers

from rest_channels.concurrency.threads import thread_pool
from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.engine.hub import Hub
from rest_channels.engine.publish import current_hub
from rest_channels.live import schedule
from rest_channels.live.lane import LiveLane
from rest_channels.live.row_index import RowIndex
from rest_channels.live.shared_query import SharedQuery
from rest_channels.live.writes import LIVE_GROUP
from rest_channels.observer import ObserverModelListMixin
from tests.observer.models import Comment, Tag

from .client import LiveList, client, subscribe
from .rows import CommentSerializer, TagSerializer

pytestmark = pytest.mark.django_db(transaction=True)


class Tags(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Tag.objects.order_by("name")
    serializer_class = TagSerializer


class ShortTags(Tags):
    live_limit = 5


class Shown(Tags):
    queryset = Tag.objects.filter(name="shown")


class Comments(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Comment.objects.order_by("text")
    serializer_class = CommentSerializer


class Gate:
    """Holds a function of a thread until it is opened."""

    def __init__(self):
        self.reached, self._opened, self.passed = threading.Event(), threading.Event(), 0

    def wait(self):
        self.reached.set()
        assert self._opened.wait(5)
        self.passed += 1

    def open(self):
        self._opened.set()


@pytest.fixture
def holding(monkeypatch, settle):
    """`async with holding(kind, name, holds)`: calls of a method wait, if `holds(self)` is true."""

    @asynccontextmanager
    async def hold(kind, name, holds=lambda held: True):
        gate, method = Gate(), getattr(kind, name)

        def wait(held, *args):
            found = method(held, *args)
            if holds(held):
                gate.wait()
            return found

        monkeypatch.setattr(kind, name, wait)
        gate.begun = lambda: settle(gate.reached.is_set)
        try:
            yield gate
        finally:
            monkeypatch.setattr(kind, name, method)
            gate.open()

    return hold


@pytest.fixture
def calls(monkeypatch):
    """How many queries each call has read."""
    found, read = [], schedule.read_all

    def note(readings):
        found.append(len(readings))
        read(readings)

    monkeypatch.setattr(schedule, "read_all", note)
    return found


@pytest.fixture
async def ada():
    return await User.objects.acreate_user("ada", is_staff=True)


def of_comments(query):
    return query.label == "observer.comment"


async def test_a_list_that_is_read_slowly_delays_no_other_list(holding) -> None:
    async with client(Comments) as first, client(Tags) as second:
        comments, tags = await subscribe(first), await subscribe(second)
        async with holding(SharedQuery, "read", of_comments) as gate:
            await Comment.objects.acreate(text="a")
            await gate.begun()
            await Tag.objects.acreate(name="a")
            await tags.until("a")
        await comments.until("a")


def make_slow(limit):
    """Let the list of tags with this limit be one that was slow the last time."""
    lane = current_hub().get_component(LiveLane)
    for query in lane._queries.of_groups([LIVE_GROUP]):
        query.seconds = float(query.queryset.query.high_mark == limit)


async def test_a_list_that_was_slow_delays_no_other_list_of_its_model(holding) -> None:
    async with client(Tags) as first, client(ShortTags) as second:
        tags, short = await subscribe(first), await subscribe(second)
        make_slow(5)
        async with holding(SharedQuery, "read", lambda query: query.seconds == 1) as gate:
            await Tag.objects.acreate(name="a")
            await gate.begun()
            await tags.until("a")
            await Tag.objects.acreate(name="b")
            await tags.until("a", "b")
        await short.until("a", "b")


async def test_a_client_subscribes_while_another_list_is_read_slowly(holding) -> None:
    async with client(Comments) as first, client(Tags) as second:
        async with holding(SharedQuery, "read", of_comments) as gate:
            call = await first.call("subscribe_list")
            await gate.begun()
            await subscribe(second)
        await first.expect_reply(call, status=201)


async def test_a_list_is_never_read_twice_at_a_time(holding) -> None:
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        async with holding(SharedQuery, "read") as gate:
            for name in "abc":
                await Tag.objects.acreate(name=name)
                await gate.begun()
            await socket.expect_nothing()
            assert gate.passed == 0
            gate.open()
            await tags.until("a", "b", "c")
            assert gate.passed == 2


@pytest.mark.parametrize(("slow", "expected"), [(5, [1, 1]), (None, [2])])
async def test_only_a_list_that_was_slow_is_read_in_a_call_of_its_own(
    calls, slow, expected
) -> None:
    async with client(Tags) as first, client(ShortTags) as second:
        tags, short = await subscribe(first), await subscribe(second)
        calls.clear()
        make_slow(slow or 0)
        await Tag.objects.acreate(name="a")
        await tags.until("a")
        await short.until("a")
        assert calls == expected


async def test_a_row_that_leaves_during_the_reading_that_returns_it_is_not_kept(holding) -> None:
    async with client(Shown) as socket:
        tags = await subscribe(socket)
        async with holding(SharedQuery, "read") as gate:
            tag = await Tag.objects.acreate(name="shown")
            await gate.begun()
            async with holding(RowIndex, "read") as lookup:
                tag.name = "other"
                await tag.asave()
                await lookup.begun()
                lookup.open()
            await socket.expect_nothing()
        await tags.until("shown")
        await tags.until()


# Clients whose rights change.


class ForStaff(Tags):
    def get_queryset(self, **kwargs):
        rows = Tag.objects.order_by("name")
        return rows if self.scope["user"].is_staff else rows.filter(name="public")


def subscriptions_of_hub():
    """The subscriptions of all clients."""
    partition = current_hub().get_component(LiveLane)._queries._partitions[LIVE_GROUP]
    return [each for query in partition.by_key.values() for each in query.subscriptions]


async def set_staff(user, is_staff):
    stored = await User.objects.aget(pk=user.pk)
    stored.is_staff = is_staff
    await stored.asave()


async def test_a_client_that_is_asked_about_slowly_delays_no_other_list(holding, ada) -> None:
    async with client(ForStaff, user=ada) as first, client(Comments) as second:
        tags, comments = await subscribe(first), await subscribe(second)
        async with holding(ForStaff, "get_queryset") as gate:
            await set_staff(ada, False)
            await gate.begun()
            await Comment.objects.acreate(text="a")
            await comments.until("a")
            await Tag.objects.acreate(name="secret")
            await first.expect_nothing(0.2)
        await Tag.objects.acreate(name="public")
        await tags.until("public")
        assert "secret" not in str(tags.rows)


async def test_what_an_audit_has_found_before_rights_changed_is_ignored(
    holding, ada, settle
) -> None:
    held = []
    async with client(ForStaff, user=ada) as socket:
        tags = await subscribe(socket)
        rights = current_hub().get_component(LiveLane).rights
        (subscription,) = subscriptions_of_hub()
        async with holding(ForStaff, "get_queryset", lambda _self: not held) as gate:
            rights.audit([subscription])
            await gate.begun()
            held.append(gate)  # only the audit waits
            await set_staff(ada, False)
            await Tag.objects.acreate(name="public")
            await tags.until("public")
        await settle(lambda: not rights._audited)
        await Tag.objects.acreate(name="secret")
        await Tag.objects.acreate(name="public")
        await tags.until("public", "public")


async def test_a_client_whose_rights_change_during_the_first_reading_gets_what_it_may_see(
    holding, ada
) -> None:
    await Tag.objects.abulk_create([Tag(name="public"), Tag(name="secret")])
    async with client(ForStaff, user=ada) as socket:
        async with holding(SharedQuery, "read") as gate:
            call = await socket.call("subscribe_list")
            await gate.begun()
            await set_staff(ada, False)
            await socket.expect_nothing()
        reply = await socket.expect_reply(call, status=201)
        tags = LiveList(socket, reply["data"], call)
        assert tags.shown == ["public"]
        await Tag.objects.acreate(name="public")
        await tags.until("public", "public")


async def test_a_client_whose_rights_change_during_a_reading_is_told_nothing_else(
    holding, ada
) -> None:
    async with client(ForStaff, user=ada) as socket:
        tags = await subscribe(socket)
        async with holding(SharedQuery, "read") as gate:
            await Tag.objects.acreate(name="secret")
            await gate.begun()
            await set_staff(ada, False)
            await socket.expect_nothing(0.2)
        await socket.expect_nothing(0.1)
        await Tag.objects.acreate(name="public")
        assert (await tags.next()).keys() == {"enter"}
        assert tags.shown == ["public"]


class ShowsUser(TagSerializer):
    user = serializers.SerializerMethodField()

    class Meta(TagSerializer.Meta):
        fields = ["id", "name", "user"]

    def get_user(self, tag):
        return self.context["scope"]["user"].username


class Personal(Tags):
    serializer_class = ShowsUser


async def rename(user, name):
    stored = await User.objects.aget(pk=user.pk)
    stored.username = name
    await stored.asave()


async def test_a_client_is_not_told_what_was_rendered_before_its_user_changed(
    holding, settle, ada
) -> None:
    async with client(Personal, user=ada) as socket:
        tags = await subscribe(socket)
        async with holding(SharedQuery, "read") as gate:
            tag = await Tag.objects.acreate(name="a")
            await gate.begun()
            async with holding(Personal, "get_queryset") as asked:
                await rename(ada, "eve")
                await asked.begun()
            rights = current_hub().get_component(LiveLane).rights
            await settle(lambda: not rights._asked)
        assert (await tags.next()).keys() == {"enter"}
        assert tags.rows[tag.pk][0]["user"] == "eve"
        await socket.expect_nothing()


class Down(ForStaff):
    is_down = False

    def get_queryset(self, **kwargs):
        if self.is_down:
            raise OperationalError
        return super().get_queryset(**kwargs)


async def test_a_client_is_told_nothing_until_the_database_says_what_it_may_see(
    ada, monkeypatch
) -> None:
    monkeypatch.setattr("rest_channels.live.rights.RETRY_TIME", 0.05)
    async with client(Down, user=ada) as socket:
        tags = await subscribe(socket)
        monkeypatch.setattr(Down, "is_down", True)
        await set_staff(ada, False)
        await Tag.objects.acreate(name="secret")
        await socket.expect_nothing(0.2)
        monkeypatch.setattr(Down, "is_down", False)
        await Tag.objects.acreate(name="public")
        assert (await tags.next()).keys() == {"enter"}
        assert tags.shown == ["public"]


# Calls that fail.


@pytest.fixture
def threadless(monkeypatch):
    """Calls in the pool fail while the list that it returns is not empty."""
    failing, submit = [], thread_pool.submit

    def submit_or_fail(work):
        if failing and work.lease.urgent:
            failing.pop()
            raise RuntimeError("can't start new thread")
        submit(work)

    monkeypatch.setattr(thread_pool, "submit", submit_or_fail)
    monkeypatch.setattr("rest_channels.live.lane.RETRY_TIME", 0.05)
    monkeypatch.setattr("rest_channels.live.rights.RETRY_TIME", 0.05)
    return failing


@pytest.mark.parametrize("failures", [1, 2, 3])
async def test_what_is_due_is_read_later_if_there_is_no_thread(threadless, failures) -> None:
    async with client(Tags) as first, client(Comments) as second:
        tags, comments = await subscribe(first), await subscribe(second)
        threadless += [1] * failures
        await asyncio.gather(Tag.objects.acreate(name="a"), Comment.objects.acreate(text="a"))
        await tags.until("a")
        await comments.until("a")
    assert threadless == []


async def test_a_client_that_comes_when_there_is_no_thread_waits_for_one(threadless) -> None:
    async with client(Tags) as first, client(Comments) as second:
        await subscribe(first)
        call = await second.call("subscribe_list")
        threadless += [1]
        await second.expect_reply(call, status=201)
        await Tag.objects.acreate(name="a")


async def test_a_client_is_asked_about_later_if_there_is_no_thread(threadless, ada) -> None:
    await Tag.objects.abulk_create([Tag(name="public"), Tag(name="secret")])
    async with client(ForStaff, user=ada) as socket:
        tags = await subscribe(socket)
        lane = current_hub().get_component(LiveLane)
        threadless += [1]
        ada.is_staff = False
        lane.rights.note([*next(iter(lane._queries.of_groups([LIVE_GROUP]))).subscriptions])
        await tags.until("public")
    assert threadless == []


async def test_a_list_goes_on_after_a_call_that_was_cancelled(holding, settle, monkeypatch) -> None:
    monkeypatch.setattr("rest_channels.live.lane.RETRY_TIME", 0.05)
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        async with holding(SharedQuery, "read") as gate:
            await Tag.objects.acreate(name="a")
            await gate.begun()
            (task,) = [each for each in current_hub()._tasks if "_call" in repr(each)]
            task.cancel()
            await settle(task.done)
        await tags.until("a")


# The group in which a hub receives what other processes write.


async def test_a_list_that_moves_to_another_query_stays_in_the_group_of_hubs(
    monkeypatch, ada
) -> None:
    left, leave = [], Hub.leave
    monkeypatch.setattr(Hub, "leave", lambda *args: (left.append(args[1]), leave(*args)))
    await Tag.objects.acreate(name="secret")
    async with client(ForStaff, user=ada) as socket:
        tags = await subscribe(socket)
        await set_staff(ada, False)
        await tags.until()
        assert LIVE_GROUP not in left
    assert LIVE_GROUP in left


async def test_what_was_written_until_the_hub_is_in_the_group_again_is_read(
    monkeypatch, holding, settle, ada
) -> None:
    joined, join, hub = asyncio.get_running_loop().create_future(), Hub.join, current_hub()
    async with client(ForStaff, user=ada) as socket:
        tags = await subscribe(socket)
        async with holding(ForStaff, "get_queryset") as asked:
            await set_staff(ada, False)
            await asked.begun()
            await Tag.objects.acreate(name="secret")
            await settle(lambda: LIVE_GROUP not in hub.groups)  # its only list waits
            monkeypatch.setattr(Hub, "join", lambda *args: join(*args) or joined)
        await settle(lambda: LIVE_GROUP in hub.groups)
        lane = hub.get_component(LiveLane)
        await settle(lambda: lane._task is None and not lane._schedule.being_read)
        await Tag.objects.abulk_create([Tag(name="public")])
        await socket.expect_nothing()
        joined.set_result(None)
        await tags.until("public")
