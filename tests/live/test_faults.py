"""Live lists of odd projects, odd clients and failing databases.

Each test names what must hold also there: nobody is told the rows of others, no error of one client
or query stops another, and nothing remains of a list that has ended.
"""

import json

import pytest
from django.db.models import Prefetch
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.live.querysets import prepared, query_key
from rest_channels.observer import ObserverModelListMixin
from tests.observer.models import Country, Pair, Tag, Ticket

from .client import client, subscribe
from .models import Item

pytestmark = pytest.mark.django_db(transaction=True)


class TagSerializer(serializers.ModelSerializer):
    class Meta:
        model = Tag
        fields = ["id", "name"]


class Tags(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Tag.objects.order_by("name")
    serializer_class = TagSerializer


# Which queries are equal.


def test_queries_that_differ_in_binary_values_are_not_equal() -> None:
    keys = {query_key(Item.objects.filter(blob=blob), "") for blob in (b"a", b"b")}
    assert len(keys) == 2
    assert query_key(Item.objects.filter(blob=b"a"), "") in keys


def test_queries_that_differ_at_the_end_of_long_json_are_not_equal(postgresql) -> None:
    rows = Item.objects.using(postgresql)
    texts = [f"{'long' * 50}{end}" for end in "ab"]
    assert len({query_key(rows.filter(data={"text": text}), "") for text in texts}) == 2


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
