"""Live lists of odd projects, odd clients and failing databases.

Each test names what must hold also there: nobody is told the rows of others, no error of one client
or query stops another, and nothing remains of a list that has ended.
"""

import asyncio
import json
import threading

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.core.management import call_command
from django.db import OperationalError, transaction
from django.db.models import Count, Prefetch
from django.db.models.signals import post_save
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission

from rest_channels.consumers import AsyncAPIConsumer, GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.live.lane import LiveLane
from rest_channels.live.querysets import prepared, query_key
from rest_channels.live.shared_query import SharedQuery
from rest_channels.live.writes import LIVE_GROUP
from rest_channels.observer import ObserverModelListMixin, live_query, notify_changed
from rest_channels.settings import api_settings
from sockets import SocketRouter
from tests.field.clients import StalledClient
from tests.observer.models import Comment, Country, Pair, Tag, Ticket

from .client import client, page_client, subscribe
from .models import CodedChild, Item, Remark, Removable, Shelf
from .rows import TagSerializer, TitleSerializer

pytestmark = pytest.mark.django_db(transaction=True)


class Tags(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Tag.objects.order_by("name")
    serializer_class = TagSerializer


@pytest.fixture
async def staff():
    return await User.objects.acreate_user("ada", is_staff=True)


# Which queries are equal.


def test_queries_that_differ_in_binary_values_are_not_equal() -> None:
    keys = {query_key(Item.objects.filter(blob=blob), "") for blob in (b"a", b"b")}
    assert len(keys) == 2
    assert query_key(Item.objects.filter(blob=b"a"), "") in keys


def test_queries_that_differ_at_the_end_of_long_json_are_not_equal(postgresql) -> None:
    rows = Item.objects.using(postgresql)
    texts = [f"{'long' * 50}{end}" for end in "ab"]
    keys = {query_key(rows.filter(data={"text": text}), "") for text in texts}
    assert len(keys) == 2
    assert query_key(rows.filter(data={"text": texts[0]}), "") in keys


def test_queries_with_equal_prefetches_are_equal() -> None:
    def rows(name):
        tags = Prefetch("tags", Tag.objects.filter(name=name))
        return query_key(Ticket.objects.prefetch_related(tags), "")

    assert rows("a") == rows("a") != rows("b")


# What a client claims to have.


async def subscribe_with(socket, have):
    """Subscribe with claims that the test's own encoder would not write. Return the status."""
    frame = {"action": "subscribe_list", "request_id": 1, "have": have}
    await socket.send_to(json.dumps(frame))
    return (await socket.receive_json())["response_status"]


@pytest.mark.parametrize(
    "key", [str(10**40), "x", "\x00", "", "1e5", "NaN", "9" * 5000, "\ud800", "null", "[1]"]
)
async def test_keys_that_are_none_stop_no_other_client(key) -> None:
    async with client(Tags) as socket, client(Tags) as other:
        tags = await subscribe(other)
        await Tag.objects.abulk_create([Tag(name="a")])  # told by the next reading
        if await subscribe_with(socket, {key: ""}) == 400:
            assert await subscribe_with(socket, {}) == 201
        await tags.until("a")


@pytest.mark.parametrize("tag", ["", "zz", "00" * 500, None, 7, 1.5, ["a"], {}, "\u0660\u0660"])
async def test_a_tag_that_is_none_differs_from_all(tag) -> None:
    row = await Tag.objects.acreate(name="a")
    async with client(Tags) as socket:
        assert await subscribe_with(socket, {str(row.pk): tag}) == 201


class CountrySerializer(serializers.ModelSerializer):
    class Meta:
        model = Country
        fields = ["code", "name"]


class Countries(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Country.objects.order_by("name")
    serializer_class = CountrySerializer


@pytest.mark.parametrize("code", ["07", "''", "[1", "/%", "\u202e\U0001f600", '"\\'])
async def test_a_key_may_be_any_text(code) -> None:
    async with client(Countries) as socket:
        countries = await subscribe(socket)
        country = await Country.objects.acreate(code=code, name="a")
        await countries.until("a")
        reply = await socket.expect_reply(
            await socket.call("subscribe_list", have=countries.have), status=201
        )
        assert not any(reply["data"].values())
        await country.adelete()
        await countries.until()


class PairSerializer(serializers.ModelSerializer):
    name = serializers.CharField(source="b")

    class Meta:
        model = Pair
        fields = ["name"]


class Pairs(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Pair.objects.order_by("a")
    serializer_class = PairSerializer


async def test_a_client_with_composite_keys_that_comes_back_gets_only_what_differs() -> None:
    pair = await Pair.objects.acreate(a=1, b=2)
    async with client(Pairs) as socket:
        call = await socket.call("subscribe_list")
        tag = (await socket.expect_reply(call, status=201))["data"]["tags"][0]
        call = await socket.call("subscribe_list", have={"[1,2]": tag})
        reply = await socket.expect_reply(call, status=201)
        assert not any(reply["data"].values())
        await pair.adelete()
        frame = await socket.expect_event(action="diff")
        assert frame["data"]["leave"] == [[1, 2]]


def test_rows_that_are_equal_in_a_part_of_their_key_are_ordered_by_all_of_it() -> None:
    assert prepared(Pair.objects.order_by("a")).query.order_by == ("a", "pk")


def test_rows_of_a_slice_that_are_equal_in_their_order_are_ordered_by_the_key() -> None:
    rows = prepared(Tag.objects.order_by("-name")[2:5])
    assert rows.query.order_by == ("-name", "pk")
    assert (rows.query.low_mark, rows.query.high_mark) == (2, 5)


def test_a_slice_without_an_end_reads_no_more_rows_than_a_list_may_have(settings) -> None:
    settings.REST_CHANNELS = {"MAX_LIVE_ROWS": 3}
    rows = prepared(Tag.objects.order_by("name")[2:])
    assert (rows.query.low_mark, rows.query.high_mark) == (2, 6)


# Which rows a list shows.


class RemovableSerializer(serializers.ModelSerializer):
    class Meta:
        model = Removable
        fields = ["id", "name"]


class Removed(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Removable.everything.filter(is_deleted=True).order_by("name")
    serializer_class = RemovableSerializer


async def test_a_list_has_rows_that_the_base_manager_hides() -> None:
    row = await Removable.objects.acreate(name="a")
    async with client(Removed) as socket:
        removed = await subscribe(socket)
        row.is_deleted = True
        await row.asave()
        await removed.until("a")


class ShelfSerializer(serializers.ModelSerializer):
    class Meta:
        model = Shelf
        fields = ["id", "name"]


class Shelves(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Shelf.objects.order_by("name")
    serializer_class = ShelfSerializer


async def test_a_parent_is_found_by_its_own_key_if_its_children_have_others() -> None:
    async with client(Shelves) as socket:
        shelves = await subscribe(socket)
        row = await CodedChild.objects.acreate(code="x", name="a")
        await shelves.until("a")
        row.name = "b"
        await row.asave()
        await shelves.until("b")


class DeferredTags(Tags):
    queryset = Tag.objects.only("id").order_by("pk")


async def test_a_column_that_is_read_later_changes_the_list() -> None:
    tag = await Tag.objects.acreate(name="a")
    async with client(DeferredTags) as socket:
        tags = await subscribe(socket)
        tag.name = "b"
        await tag.asave()
        await tags.until("b")


NUMBERS: dict[int, int] = {}


class Numbered(TagSerializer):
    number = serializers.SerializerMethodField()

    class Meta(TagSerializer.Meta):
        fields = ["id", "name", "number"]

    def get_number(self, tag):
        return NUMBERS.get(tag.pk)


class NumberedTags(Tags):
    serializer_class = Numbered


async def test_notify_changed_renders_a_row_whose_own_values_are_the_same() -> None:
    tag = await Tag.objects.acreate(name="a")
    async with client(NumberedTags) as socket:
        tags = await subscribe(socket)
        NUMBERS[tag.pk] = 7
        await sync_to_async(notify_changed)([tag])
        await tags.next()
        assert tags.rows[tag.pk][0]["number"] == 7


class RemarkSerializer(serializers.ModelSerializer):
    text = serializers.CharField(source="about.name")

    class Meta:
        model = Remark
        fields = ["id", "text"]


class Remarks(AsyncAPIConsumer):
    @live_query(serializer_class=RemarkSerializer)
    def unknown(self):
        return Remark.objects.order_by("pk").prefetch_related("about")

    @live_query(serializer_class=RemarkSerializer)
    def known(self):
        about = GenericPrefetch("about", [Tag.objects.all()])
        return Remark.objects.order_by("pk").prefetch_related(about)

    @action()
    async def watch(self, request_id, which):
        return await getattr(self, which).subscribe(request_id=request_id), 201


async def test_a_generic_prefetch_names_the_models_of_a_generic_relation() -> None:
    tag = await Tag.objects.acreate(name="a")
    kind = await sync_to_async(ContentType.objects.get_for_model)(Tag)
    await Remark.objects.acreate(kind=kind, number=tag.pk, text="x")
    async with client(Remarks) as socket:
        remarks = await subscribe(socket, "watch", which="known")
        tag.name = "b"
        await tag.asave()
        await remarks.until("b")


async def test_a_prefetch_whose_models_are_not_known_is_refused(caplog) -> None:
    async with client(Remarks) as socket:
        call = await socket.call("watch", which="unknown")
        await socket.expect_reply(call, status=400)
    assert "GenericPrefetch" in caplog.text


# Who sees what.


class ForStaff(BasePermission):
    def has_object_permission(self, request, view, row):
        return request.user.is_staff


class StaffTags(Tags):
    permission_classes = [ForStaff]


async def set_staff(user, is_staff):
    stored = await User.objects.aget(pk=user.pk)
    stored.is_staff = is_staff
    await stored.asave()


async def test_a_user_who_loses_rights_to_rows_loses_rows_that_have_not_changed(staff) -> None:
    tag = await Tag.objects.acreate(name="a")
    async with client(StaffTags, user=staff) as socket:
        tags = await subscribe(socket)
        assert tags.shown == ["a"]
        await set_staff(staff, False)
        assert await tags.next() == {"leave": [tag.pk]}


async def test_a_client_whose_list_stays_the_same_gets_no_frame(staff) -> None:
    class Either(Tags):
        def get_queryset(self, **kwargs):
            rows = Tag.objects.order_by("name")
            return rows if self.scope["user"].is_staff else rows.filter(name="a")

    await Tag.objects.acreate(name="a")
    async with client(Either, user=staff) as socket:
        tags = await subscribe(socket)
        await set_staff(staff, False)
        await socket.expect_nothing(0.3)
        await Tag.objects.acreate(name="b")
        await socket.expect_nothing()
        await set_staff(staff, True)
        await tags.until("a", "b")


class Failing(Tags):
    error = LookupError

    def get_queryset(self, **kwargs):
        if not self.scope["user"].is_staff:
            raise self.error
        return Tag.objects.order_by("name")


async def test_a_list_ends_if_it_cannot_be_found_out_what_its_client_may_see(staff, caplog) -> None:
    async with client(Failing, user=staff) as socket:
        tags = await subscribe(socket)
        await set_staff(staff, False)
        frame = await socket.expect_event(request_id=tags.request_id)
        assert frame["response_status"] == 500
        await Tag.objects.acreate(name="a")
        await socket.expect_nothing()
    assert "LookupError" in caplog.text


async def test_a_client_is_asked_about_again_when_the_database_is_back(staff, monkeypatch) -> None:
    class Down(Failing):
        error = OperationalError

    monkeypatch.setattr("rest_channels.live.rights.RETRY_TIME", 0.05)
    async with client(Down, user=staff) as socket:
        tags = await subscribe(socket)
        await set_staff(staff, False)
        await socket.expect_nothing()
        Down.error = PermissionDenied
        frame = await socket.expect_event(request_id=tags.request_id)
        assert frame["response_status"] == 403


async def test_a_client_whose_new_list_is_too_long_receives_the_error(staff, settings) -> None:
    class Long(Tags):
        live_limit = None

        def get_queryset(self, **kwargs):
            rows = Tag.objects.order_by("name")
            return rows.none() if self.scope["user"].is_staff else rows

    settings.REST_CHANNELS = {"MAX_LIVE_ROWS": 1}
    await Tag.objects.abulk_create([Tag(name="a"), Tag(name="b")])
    async with client(Long, user=staff) as socket:
        tags = await subscribe(socket)
        await set_staff(staff, False)
        frame = await socket.expect_event(request_id=tags.request_id)
        assert frame["response_status"] == 400
        assert_nothing_remains()


# What remains of a list that has ended.


def assert_nothing_remains():
    hub = current_hub()
    lane = hub.get_component(LiveLane)
    schedule = lane._schedule
    assert [*lane._queries._partitions, *schedule._due, *schedule.being_read] == []
    assert [*lane._suspended, *(query for each in schedule._ready.values() for query in each)] == []
    assert not lane.rights._outdated
    assert LIVE_GROUP not in hub.groups


class Checked(Tags):
    check_deliveries = True
    refuses = False

    async def check_permissions(self, *args, **kwargs):
        if self.refuses:
            raise PermissionDenied


async def test_nothing_remains_of_a_list_whose_delivery_was_refused() -> None:
    class Refusing(Checked):
        pass

    async with client(Refusing) as socket:
        await subscribe(socket)
        Refusing.refuses = True
        await Tag.objects.acreate(name="a")
        assert (await socket.expect_event())["response_status"] == 403
        assert_nothing_remains()


class Held:
    """Readings wait until `go` is called."""

    def __init__(self):
        self.begun, self._go = threading.Event(), threading.Event()

    async def wait_begun(self):
        assert await asyncio.to_thread(self.begun.wait, 5)

    def go(self):
        self._go.set()

    def wait(self):
        self.begun.set()
        assert self._go.wait(5)


@pytest.fixture
def held(monkeypatch):
    """Holds readings."""
    held, read = Held(), SharedQuery.read

    def read_later(self, reading):
        held.wait()
        read(self, reading)

    monkeypatch.setattr(SharedQuery, "read", read_later)
    yield held
    held.go()


class Detached(AsyncAPIConsumer):
    @live_query(serializer_class=TagSerializer)
    def tags(self):
        return Tag.objects.order_by("name")

    @action(detached=True)
    async def watch(self, request_id):
        return await self.tags.subscribe(request_id=request_id), 201

    @action()
    async def unwatch(self, request_id):
        await self.tags.unsubscribe(request_id=request_id)
        return None, 204


async def test_a_list_that_ends_while_it_is_read_first_is_answered(held) -> None:
    async with client(Detached) as socket:
        call = await socket.call("watch")
        await held.wait_begun()
        await socket.call("unwatch", request_id=call)
        frames = [await socket.receive_json()]
        held.go()
        frames.append(await socket.receive_json())
        assert {frame["response_status"] for frame in frames} == {204, 404}
        await Tag.objects.acreate(name="a")
        await socket.expect_nothing()
        assert_nothing_remains()


async def test_a_list_that_ends_before_it_is_read_first_is_answered(monkeypatch) -> None:
    held, of = Held(), SharedQuery.of

    def of_later(subscription):
        held.wait()
        return of(subscription)

    monkeypatch.setattr(SharedQuery, "of", of_later)
    async with client(Detached) as socket:
        call = await socket.call("watch")
        await held.wait_begun()
        await socket.expect_reply(
            await socket.call("unwatch", request_id=call), action="unwatch", status=204
        )
        held.go()
        await socket.expect_reply(call, action="watch", status=404)
        assert_nothing_remains()


async def leave_during_the_first_reading(socket, held):
    """Disconnect, and wait until the reading has ended."""
    await held.wait_begun()
    ending = asyncio.create_task(socket.disconnect())
    await asyncio.sleep(0)
    held.go()
    await ending
    async with client(Tags) as other:  # its list is read after the other one
        await subscribe(other)


@pytest.mark.parametrize("consumer", [Tags, Detached])
async def test_nothing_remains_of_a_client_that_leaves_during_the_first_reading(
    held, consumer
) -> None:
    async with client(consumer) as socket:
        await socket.call("watch" if consumer is Detached else "subscribe_list")
        await leave_during_the_first_reading(socket, held)
    assert_nothing_remains()


async def test_a_client_that_leaves_during_a_reading_that_fails_stops_no_other(
    held, caplog
) -> None:
    class Fails(TagSerializer):
        def to_representation(self, row):
            raise LookupError

    class Broken(Tags):
        serializer_class = Fails

    await Tag.objects.acreate(name="a")
    async with client(Detached) as socket, client(Broken) as broken, client(Tags) as other:
        left, failed = await socket.call("watch"), await broken.call("subscribe_list")
        call = await other.call("subscribe_list")
        await held.wait_begun()
        await socket.call("unwatch", request_id=left)
        held.go()
        await broken.expect_reply(failed, status=500)
        await other.expect_reply(call, status=201)


# Many requests, large rows and failing databases.


async def test_a_burst_of_subscriptions_has_at_most_max_live_lists() -> None:
    async with client(Tags) as socket:
        calls = [await socket.call("subscribe_list") for _ in range(200)]
        replies = [await socket.expect_reply(call) for call in calls]
        found = [reply["response_status"] for reply in replies]
        assert found == [201] * 32 + [400] * 168
        await socket.expect_reply(await socket.call("unsubscribe_list", request_id=None))
        assert_nothing_remains()


@pytest.mark.parametrize("request_id", [0, -1, 1.5, "", "a", False, [1, [2]], {"a": None}])
async def test_a_request_id_may_be_any_value(request_id) -> None:
    async with client(Tags) as socket:
        frame = {"action": "subscribe_list", "request_id": request_id}
        for _twice in range(2):
            await socket.send_json(frame)
            assert (await socket.receive_json())["response_status"] == 201
        await Tag.objects.acreate(name="a")
        event = await socket.receive_json()
        assert (event["action"], event["request_id"]) == ("diff", request_id)
        await socket.expect_nothing()
        await socket.send_json({**frame, "action": "unsubscribe_list"})
        assert (await socket.receive_json())["response_status"] == 204
        assert_nothing_remains()


async def test_a_subscription_without_a_request_id_is_refused() -> None:
    async with client(Tags) as socket:
        for frame in ({}, {"request_id": None}):
            await socket.send_json({"action": "subscribe_list", **frame})
            assert (await socket.receive_json())["response_status"] == 400
        assert_nothing_remains()


async def test_a_deactivated_user_is_told_nothing_of_the_same_commit(staff) -> None:
    def commit():
        with transaction.atomic():
            Tag.objects.create(name="a")
            User.objects.get(pk=staff.pk).delete()

    async with client(Tags, user=staff) as socket:
        await subscribe(socket)
        await sync_to_async(commit)()
        with pytest.raises(AssertionError, match="4442"):  # the next message is the close
            await socket.receive_json()


async def test_a_list_goes_on_when_the_database_is_back(monkeypatch, caplog) -> None:
    read, down = SharedQuery.read, threading.Event()

    def fail(self, reading):
        if down.is_set():
            raise OperationalError("The database is down.")
        read(self, reading)

    monkeypatch.setattr(SharedQuery, "read", fail)
    monkeypatch.setattr("rest_channels.live.lane.RETRY_TIME", 0.05)
    async with client(Tags) as socket, client(Tags) as other:
        tags = await subscribe(socket)
        down.set()
        await Tag.objects.acreate(name="a")
        call = await other.call("subscribe_list")
        await other.expect_reply(call, status=500)
        down.clear()
        await tags.until("a")


class Nothing(TagSerializer):
    def to_representation(self, row):
        return None if row.name == "none" else super().to_representation(row)


class NothingTags(Tags):
    serializer_class = Nothing


async def test_a_list_goes_on_after_a_row_that_cannot_be_rendered(caplog) -> None:
    async with client(NothingTags) as socket:
        tags = await subscribe(socket)
        row = await Tag.objects.acreate(name="none")
        await socket.expect_nothing()
        row.name = "a"
        await row.asave()
        await tags.until("a")


class Arguments(AsyncAPIConsumer):
    @live_query(serializer_class=TagSerializer)
    def tags(self, tag):
        return Tag.objects.filter(pk=tag.pk)

    @action()
    async def watch(self, request_id):
        tag = await Tag.objects.afirst()
        return await self.tags.subscribe(request_id=request_id, tag=tag), 201


async def test_an_argument_that_is_a_row_is_kept() -> None:
    tag = await Tag.objects.acreate(name="a")
    async with client(Arguments) as socket:
        tags = await subscribe(socket, "watch")
        tag.name = "b"
        await tag.asave()
        await tags.until("b")


class Wide(TagSerializer):
    def to_representation(self, row):
        return {"id": row.pk, "name": row.name, "text": "x" * 20_000}


class WideTags(Tags):
    serializer_class = Wide
    live_limit = None


async def test_a_list_of_twenty_megabytes_reaches_a_client_that_reads() -> None:
    await Tag.objects.abulk_create([Tag(name="a") for _ in range(1000)])
    async with client(WideTags) as socket:
        tags = await subscribe(socket)
        assert len(tags.order) == 1000


async def test_a_client_that_does_not_read_what_differs_is_closed() -> None:
    reader = StalledClient(WideTags.as_asgi(), dialect="action")
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
        assert code == 4503
        assert sum(map(len, frames)) < 3 * api_settings.OUTBOX_BYTES
    assert_nothing_remains()


# Databases and relations.


class Tickets(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Ticket.objects.order_by("title").prefetch_related("tags")
    serializer_class = TitleSerializer


class FilteredTickets(Tickets):
    queryset = Ticket.objects.prefetch_related(Prefetch("tags", Tag.objects.filter(name="x")))


class Replica:
    """A router that reads a replica, which is always behind."""

    def db_for_read(self, model, **hints):
        return "other"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, first, second, **hints):
        return True


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.parametrize("consumer", [Tickets, FilteredTickets])
async def test_what_is_prefetched_is_not_read_from_a_replica(settings, consumer) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.Replica"]
    ticket, tag = await Ticket.objects.acreate(title="a"), await Tag.objects.acreate(name="x")
    await sync_to_async(ticket.tags.add)(tag)
    async with client(consumer) as socket:
        tickets = await subscribe(socket)
        assert tickets.rows[str(ticket.pk)][0]["names"] == ["x"]


class OfTickets(Tags):
    queryset = Tag.objects.filter(tickets__title="a").distinct().order_by("name")


class Counted(Tags):
    queryset = Tag.objects.annotate(n=Count("tickets")).filter(n__gt=0).order_by("-n", "name")


@pytest.mark.parametrize("consumer", [OfTickets, Counted])
async def test_a_relation_that_is_written_from_either_side_changes_the_list(consumer) -> None:
    tag, ticket = await Tag.objects.acreate(name="a"), await Ticket.objects.acreate(title="a")
    async with client(consumer) as socket:
        tags = await subscribe(socket)
        for add, remove in [
            (lambda: ticket.tags.add(tag), ticket.tags.clear),
            (lambda: ticket.tags.set([tag]), lambda: ticket.tags.set([])),
            (lambda: tag.tickets.add(ticket), tag.tickets.clear),
            (lambda: tag.tickets.set([ticket]), lambda: tag.tickets.remove(ticket)),
            (lambda: ticket.tags.add(tag), ticket.delete),
        ]:
            await sync_to_async(add)()
            await tags.until("a")
            await sync_to_async(remove)()
            await tags.until()


class Either(Tags):
    queryset = Tag.objects.filter(name="a").union(Tag.objects.filter(name="b")).order_by("name")


async def test_a_union_is_a_list() -> None:
    async with client(Either) as socket:
        tags = await subscribe(socket)
        row = await Tag.objects.acreate(name="b")
        await Tag.objects.acreate(name="a")
        await tags.until("a", "b")
        await row.adelete()
        await tags.until("a")


async def test_a_fixture_changes_the_list(tmp_path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([{"model": "observer.tag", "pk": 5, "fields": {"name": "a"}}]))
    async with client(Tags) as socket:
        tags = await subscribe(socket)
        await sync_to_async(call_command)("loaddata", str(file), verbosity=0)
        await tags.until("a")


class CommentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Comment
        fields = ["text"]


class Comments(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Comment.objects.order_by("user__username")
    serializer_class = CommentSerializer


async def test_the_order_and_the_rows_follow_a_row_of_another_app(staff) -> None:
    bob = await User.objects.acreate_user("bob")
    async with client(Comments) as socket:
        comments = await subscribe(socket)
        await Comment.objects.acreate(text="of ada", user=staff)
        await Comment.objects.acreate(text="of bob", user=bob)
        await comments.until("of ada", "of bob")
        staff.username = "zoe"
        await staff.asave()
        await comments.until("of bob", "of ada")
        await bob.adelete()
        await comments.until("of ada")


async def test_what_a_receiver_and_a_commit_hook_save_is_in_the_list() -> None:
    def save_another(instance, created, **kwargs):
        if created and instance.name == "a":
            Tag.objects.create(name="b")

    def write():
        with transaction.atomic():
            transaction.on_commit(lambda: Tag.objects.create(name="a"))

    post_save.connect(save_another, sender=Tag)
    try:
        async with client(Tags) as socket:
            tags = await subscribe(socket)
            await sync_to_async(write)()
            await tags.until("a", "b")
    finally:
        post_save.disconnect(save_another, sender=Tag)


# Lists of a `SocketRouter`.

page = SocketRouter()


@page.live("TAGS", serializer_class=TagSerializer, stop="STOP_TAGS")
def tags_of_page(socket, content):
    if content.get("fails"):
        raise LookupError
    return Tag.objects.order_by("name")


@pytest.mark.parametrize("have", [[], "a", 7, {str(10**40): ""}, {"x": None}])
async def test_what_a_client_of_a_page_claims_to_have_stops_no_list(have) -> None:
    async with page_client(page) as socket:
        await socket.send_json({"type": "TAGS", "have": have})
        await socket.receive_json()
        await socket.send_json({"type": "TAGS"})
        assert (await socket.receive_json())["rows"] == []
        await Tag.objects.acreate(name="a")
        assert len((await socket.receive_json())["enter"]) == 1


async def test_nothing_remains_of_a_list_of_a_page_that_is_stopped_during_its_first_reading(
    held,
) -> None:
    async with page_client(page) as socket:
        await socket.send_json({"type": "TAGS"})
        await held.wait_begun()
        await socket.send_json({"type": "STOP_TAGS"})
        held.go()
        assert (await socket.receive_json())["type"] == "TAGS"
        await socket.send_json({"type": "TAGS", "fails": True})
        assert (await socket.receive_json())["type"] == "ERROR"
        assert_nothing_remains()


async def test_nothing_remains_of_a_page_that_is_left_during_the_first_reading(held) -> None:
    async with page_client(page) as socket:
        await socket.send_json({"type": "TAGS"})
        await leave_during_the_first_reading(socket, held)
    assert_nothing_remains()
