"""Queries that are read together return what each of them returns alone."""

import random

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F, FilteredRelation, Prefetch, Q
from rest_framework import serializers
from rest_framework.permissions import BasePermission

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.live import grouped_readings
from rest_channels.live.dependencies import find_dependencies
from rest_channels.live.querysets import prepared
from rest_channels.live.shared_query import SharedQuery
from rest_channels.observer import ObserverModelListMixin
from tests.observer.models import Message, Room

from .client import client, subscribe
from .models import Item, ItemProxy, Shelf

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def whole(monkeypatch):
    """Single queries are read as if there were many. These are those that are read whole."""
    found, read = [], SharedQuery.read

    def noting(self, reading):
        found.append(self)
        read(self, reading)

    monkeypatch.setattr(SharedQuery, "read", noting)
    monkeypatch.setattr(grouped_readings, "MIN_QUERIES", 1)
    return found


class Lists:
    """Live queries without clients."""

    def __init__(self, *querysets, limit=None):
        querysets = [prepared(each, limit) for each in querysets]
        self.queries = [SharedQuery(each, find_dependencies(each), (), "") for each in querysets]
        self.read(None)

    def read(self, keys):
        """Read the queries after a commit that has written these rows; `None`: any."""
        for query in self.queries:
            query.note(query.label, keys)
        readings = [query.begin() for query in self.queries]
        grouped_readings.read_all(readings)
        for query, reading in zip(self.queries, readings, strict=True):
            query.end(reading)
            if reading.error is not None:
                raise reading.error
            query.install(reading)

    def check(self, *written):
        """Read them after a commit, and compare the rows and their order with the querysets."""
        self.read({each.pk if hasattr(each, "pk") else each for each in written})
        for query in self.queries:
            assert query.keys == tuple(dict.fromkeys(row.pk for row in query.queryset.all()))


def make(*numbers, **values):
    return [Item.objects.create(number=number, **values) for number in numbers]


def change(row, **values):
    for name, value in values.items():
        setattr(row, name, value)
    row.save()
    return row


# Rows that enter, leave and move.


def test_rows_that_enter_leave_move_and_change_are_where_the_database_has_them(whole) -> None:
    a, b, _c = make(1, 3, 5, size=1)
    lists = Lists(*(Item.objects.filter(size=size).order_by("number") for size in (1, 2)))
    whole.clear()
    lists.check(*make(4, size=1))
    lists.check(change(a, number=9))
    lists.check(change(b, size=2))
    lists.check(change(b, text="other"))
    key = a.pk
    a.delete()
    lists.check(key)
    assert not whole


ORDERS = [
    ["number"],
    ["-number", "name"],
    [F("number").desc(nulls_last=True)],
    [F("name").asc(nulls_first=True), "-pk"],
    ["shelf_id", "-day"],
    ["-pk"],
    [F("text")],
]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_random_writes_lead_to_what_the_database_returns(whole, order) -> None:
    chance = random.Random(str(order))
    shelves = [Shelf.objects.create(name=name) for name in "ab"]
    rows = Item.objects.order_by(*order)
    querysets = [rows.filter(size=1), rows.filter(Q(text__contains="b") | Q(number=None))]
    querysets += [rows.filter(tags=shelves[0]), rows.filter(tags__in=shelves).distinct()]
    querysets += [rows.reverse(), rows.select_related("shelf")]
    lists = Lists(*querysets, *(each[:3] for each in querysets))

    def write():
        values = {
            "size": chance.choice([1, 2]),
            "number": chance.choice([None, 1, 2, 3]),
            "name": chance.choice([None, "a", "B", "c"]),
            "text": chance.choice(["a", "b", "ab"]),
            "shelf": chance.choice([None, *shelves]),
        }
        if len(rows) > 5 and chance.random() < 0.7:
            return change(chance.choice(rows), **values).pk
        row = Item.objects.create(**values)
        row.tags.set(chance.sample(shelves, chance.randint(0, 2)))
        return row.pk

    whole.clear()
    for _ in range(12):
        written = [write() for _ in range(chance.randint(1, 3))]
        rows = rows.all()
        if len(rows) > 8:
            gone = chance.choice(rows)
            written.append(gone.pk)
            gone.delete()
        lists.check(*written)
    assert len(whole) < 12 * len(lists.queries) / 3


@pytest.mark.parametrize("related", ["tags", "shelf", "shelf__items"])
def test_rows_with_prefetched_rows_are_read_together(whole, related) -> None:
    shelf = Shelf.objects.create(name="a")
    (row,) = make(1, size=1, shelf=shelf)
    row.tags.set([shelf])
    lists = Lists(Item.objects.filter(size=1).prefetch_related(related).order_by("number"))
    whole.clear()
    lists.check(*make(0, size=1))
    assert not whole


def test_rows_in_a_list_of_another_name_are_not_compared(whole) -> None:
    (row,) = make(1)
    row.tags.set([Shelf.objects.create(name="a")])
    tags = Prefetch("tags", to_attr="marks")
    lists = Lists(Item.objects.prefetch_related(tags).order_by("number"))
    whole.clear()
    lists.check(*make(0))
    assert len(whole) == 1


def test_a_list_at_its_limit_is_read_whole_only_if_a_row_from_beyond_may_come_in(whole) -> None:
    a, b, c, _d = make(1, 2, 3, 4)
    lists = Lists(Item.objects.order_by("number"), limit=3)
    whole.clear()
    lists.check(*make(0))  # a, b and the new row are in
    lists.check(change(a, text="other"))
    assert not whole
    lists.check(change(b, number=9))  # c comes in
    lists.check(change(c, text="other"))  # the last of the list: it might have gone
    assert len(whole) == 2


def test_a_row_that_a_join_repeats_counts_as_often_for_the_limit(whole) -> None:
    shelves = [Shelf.objects.create(name="a") for _ in range(2)]
    lists = Lists(Item.objects.filter(tags__name="a").order_by("number"), limit=2)
    for number in (3, 2, 1):
        (row,) = make(number)
        row.tags.set(shelves)
        lists.check(row)
        lists.check(change(row, text="other"))
    assert len(whole) == 1 + 2 * 3


def test_a_row_that_a_join_repeats_is_in_a_distinct_list_once(whole) -> None:
    shelves = [Shelf.objects.create(name="a") for _ in range(2)]
    lists = Lists(Item.objects.filter(tags__name="a").distinct().order_by("number"), limit=2)
    whole.clear()
    for number in (3, 2, 1):
        (row,) = make(number)
        row.tags.set(shelves)
        lists.check(row)
    assert not whole


def test_a_row_that_was_written_again_without_being_told_is_read_whole(whole) -> None:
    a, b = make(1, 2, size=1)
    lists = Lists(Item.objects.filter(size=1).order_by("number"))
    whole.clear()
    change(a, number=3)
    lists.check(change(b, number=4))
    assert len(whole) == 1


def test_a_row_that_was_deleted_without_being_told_is_not_kept(whole) -> None:
    a, b = make(1, 2, size=1)
    lists = Lists(Item.objects.filter(size=1).order_by("number"))
    a.delete()
    lists.check(change(b, number=4))


def test_a_list_that_grows_too_long_is_refused(whole, settings) -> None:
    settings.REST_CHANNELS = {"MAX_LIVE_ROWS": 2}
    make(1, 2)
    lists = Lists(Item.objects.all())
    with pytest.raises(serializers.ValidationError):
        lists.check(*make(3))


@pytest.mark.parametrize(
    "rows",
    [
        Item.objects.annotate(n=Count("tags")),
        Item.objects.order_by("shelf__name"),
        Item.objects.order_by("shelf"),
        Item.objects.order_by("tags__name"),
        ItemProxy.objects.all(),
        Item.objects.only("name").order_by("number"),
        Item.objects.filter(size=1).union(Item.objects.filter(size=2)),
        Item.objects.all()[1:3],
        Item.objects.alias(
            named=FilteredRelation("shelf", condition=Q(shelf__name="a"))
        ).select_related("named"),
        Shelf(pk=1).items.all(),
    ],
    ids=[*"abcdefghij"],
)
def test_what_differs_in_more_than_its_condition_is_read_whole(whole, rows) -> None:
    lists = Lists(rows)
    whole.clear()
    lists.check(*make(1, 2, size=1))
    assert len(whole) == 1


def test_queries_that_cannot_be_read_together_are_read_alone(whole, monkeypatch, caplog) -> None:
    def fail(*args):
        raise ValueError

    lists = Lists(*(Item.objects.filter(size=size) for size in range(3)))
    monkeypatch.setattr(grouped_readings, "read_matches", fail)
    whole.clear()
    lists.check(*make(1, size=1))
    assert len(whole) == 3
    assert "ValueError" in caplog.text


@pytest.mark.parametrize("bound", ["MAX_COUNTS", "MAX_VALUES"])
def test_what_is_too_much_for_one_statement_is_divided(whole, monkeypatch, bound) -> None:
    lists = Lists(*(Item.objects.filter(size=size) for size in range(9)))
    monkeypatch.setattr(grouped_readings, bound, 3)
    whole.clear()
    lists.check(*(row for size in range(9) for row in make(1, size=size)))
    lists.check(*make(2, size=3))
    assert not whole


# What clients are told.


class MessageSerializer(serializers.ModelSerializer):
    room = serializers.CharField(source="room.name")

    class Meta:
        model = Message
        fields = ["id", "text", "room"]


class OwnMessages(ObserverModelListMixin, GenericAsyncAPIConsumer):
    serializer_class = MessageSerializer
    live_limit = 3

    def get_queryset(self, **kwargs):
        rows = Message.objects.filter(room__current_users=self.scope["user"])
        return rows.select_related("room").order_by("-pk")

    def viewers(self, rows):
        members = Room.current_users.through.objects.filter(room__messages__in=rows)
        return members.values_list("room__messages", "user")


class Readers:
    """Users in one room, each with a list of their own."""

    def __init__(self, consumer, count):
        self.consumer, self.count = consumer, count

    async def __aenter__(self):
        names = [f"user{number}" for number in range(self.count)]
        self.users = await User.objects.abulk_create([User(username=name) for name in names])
        self.users = [user async for user in User.objects.order_by("pk")]
        self.room = await Room.objects.acreate(name="a", host=self.users[0])
        await self.room.current_users.aadd(*self.users)
        self.sockets = [client(self.consumer, user=user, timeout=30) for user in self.users]
        for socket in self.sockets:
            await socket.connect()
        self.lists = [await subscribe(socket) for socket in self.sockets]
        return self

    async def __aexit__(self, *args):
        for socket in self.sockets:
            await socket.disconnect()

    async def write(self, text):
        return await Message.objects.acreate(room=self.room, text=text, user=self.users[0])

    async def until(self, *texts):
        for each in self.lists:
            await each.until(*texts)


async def test_a_row_that_many_users_see_costs_three_statements_with_viewers(queries) -> None:
    async with Readers(OwnMessages, 100) as readers:
        await readers.write("a")
        await readers.until("a")

        async def cost(write, *texts):
            queries.clear()
            await write
            own = len([sql for sql in queries if not sql.lstrip("(").startswith("SELECT")])
            await readers.until(*texts)
            return len(queries) - own

        message = await Message.objects.afirst()
        assert await cost(readers.write("b"), "b", "a") == 3
        message.text = "c"
        assert await cost(message.asave(), "b", "c") == 3
        assert await cost(message.adelete(), "b") <= 3


async def test_a_row_is_rendered_once_for_all_lists(monkeypatch) -> None:
    rendered, render = [], MessageSerializer.to_representation

    def note(self, row):
        rendered.append(row.text)
        return render(self, row)

    async with Readers(OwnMessages, 20) as readers:
        await readers.write("a")
        await readers.until("a")
        monkeypatch.setattr(MessageSerializer, "to_representation", note)
        await readers.write("b")
        await readers.until("b", "a")
        assert rendered == ["b"]


class OthersOnly(BasePermission):
    """A user may not see messages that have their own name."""

    def has_object_permission(self, request, view, message):
        return message.text != request.user.username


class GuardedMessages(OwnMessages):
    permission_classes = [OthersOnly]


async def test_single_rows_are_hidden_from_users_who_may_not_see_them() -> None:
    async with Readers(GuardedMessages, 10) as readers:
        await readers.write("a")
        await readers.until("a")
        message = await readers.write("user3")
        for number, each in enumerate(readers.lists):
            await each.until(*(["a"] if number == 3 else ["user3", "a"]))
        message.text = "user5"
        await message.asave()
        for number, each in enumerate(readers.lists):
            await each.until(*(["a"] if number == 5 else ["user5", "a"]))


class OwnSerializer(serializers.ModelSerializer):
    name = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = ["id", "name"]

    def get_name(self, message):
        return f"{message.text} for {self.context['scope']['user'].username}"


class PersonalMessages(OwnMessages):
    serializer_class = OwnSerializer


async def test_a_serializer_that_uses_the_user_renders_for_each_of_them() -> None:
    async with Readers(PersonalMessages, 10) as readers:
        for text in ("a", "b"):
            await readers.write(text)
        for number, each in enumerate(readers.lists):
            await each.until(f"b for user{number}", f"a for user{number}")


async def test_who_leaves_the_room_and_who_joins_it_see_what_their_query_returns() -> None:
    async with Readers(OwnMessages, 10) as readers:
        message = await readers.write("a")
        await readers.until("a")

        def write():
            with transaction.atomic():
                readers.room.current_users.remove(readers.users[2])
                message.text = "b"
                message.save()

        await sync_to_async(write)()
        for number, each in enumerate(readers.lists):
            await each.until(*([] if number == 2 else ["b"]))
        await readers.room.current_users.aadd(readers.users[2])
        await readers.until("b")
