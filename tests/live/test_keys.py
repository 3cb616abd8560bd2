"""Lists of rows with odd primary keys, and of models with several tables."""

from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.observer import ObserverModelListMixin
from tests.observer.models import (
    Bookstore,
    Cafe,
    Country,
    NamedPlace,
    Pair,
    Place,
    Price,
    Tag,
    TagProxy,
    Ticket,
    Word,
)

from .client import client, subscribe
from .models import Numbered, Shout

pytestmark = pytest.mark.django_db(transaction=True)


def lists_of(rows, column="name"):
    """Return a consumer with the list of a queryset. Its rows show one column as their name."""

    class Row(serializers.BaseSerializer):
        def to_representation(self, row):
            return {"name": str(getattr(row, column))}

    body = {"queryset": rows, "serializer_class": Row}
    return type("Lists", (ObserverModelListMixin, GenericAsyncAPIConsumer), body)


async def come_back(socket, rows):
    """Subscribe again with what a client has; nothing may differ."""
    call = await socket.call("subscribe_list", have=rows.have)
    reply = await socket.expect_reply(call, status=201)
    assert not any(reply["data"].values())


BIG = 2**53


@pytest.mark.parametrize("pk", [-1, 0, -(2**63), BIG, BIG + 1, 2**62])
async def test_a_key_may_be_any_number(pk) -> None:
    async with client(lists_of(Numbered.objects.order_by("name"))) as socket:
        rows = await subscribe(socket)
        row = await Numbered.objects.acreate(pk=pk, name="a")
        await rows.until("a")
        row.name = "b"
        await row.asave()
        await rows.until("b")
        await come_back(socket, rows)
        await row.adelete()
        await rows.until()


async def test_keys_that_javascript_cannot_tell_apart_are_sent_as_text() -> None:
    async with client(lists_of(Numbered.objects.order_by("pk"))) as socket:
        for number in (BIG - 1, BIG, BIG + 1):
            await Numbered.objects.acreate(pk=number, name=str(number))
        rows = await subscribe(socket)
        assert rows.order == [BIG - 1, str(BIG), str(BIG + 1)]
        await Numbered.objects.filter(pk=BIG).adelete()
        assert await rows.next() == {"leave": [str(BIG)]}


@pytest.mark.parametrize(
    ("rows", "old", "new"),
    [
        (Word.objects.order_by("pk"), 5, 6),
        (Word.objects.order_by("pk"), 6, 5),
    ],
)
async def test_a_row_whose_key_is_updated_leaves_and_enters(rows, old, new) -> None:
    await Word.objects.acreate(pk=old, slug="a", name="a")
    async with client(lists_of(rows)) as socket:
        words = await subscribe(socket)
        await Word.objects.filter(pk=old).aupdate(id=new)
        changes = await words.next()
        assert (changes["leave"], words.order, words.shown) == ([old], [new], ["a"])


async def test_a_row_that_is_saved_with_another_key_is_another_row() -> None:
    country = await Country.objects.acreate(code="a", name="a")
    async with client(lists_of(Country.objects.order_by("code"))) as socket:
        rows = await subscribe(socket)
        country.code = "b"
        await country.asave()
        await rows.until("a", "a")
        assert rows.order == ["a", "b"]


async def test_a_part_of_a_composite_key_may_change() -> None:
    await Pair.objects.acreate(a=1, b=2)
    async with client(lists_of(Pair.objects.order_by("a"), "b")) as socket:
        rows = await subscribe(socket)
        row = await Pair.objects.acreate(a=-1, b=3)
        await rows.until("3", "2")
        await row.adelete()
        await rows.until("2")
        await Pair.objects.acreate(a=1, b=3)
        await rows.until("2", "3")


async def test_a_decimal_key_may_be_written_in_several_ways() -> None:
    async with client(lists_of(Price.objects.order_by("pk"), "text")) as socket:
        rows = await subscribe(socket)
        price = await Price.objects.acreate(amount=Decimal("1.5"), text="a")
        await rows.until("a")
        price.text = "b"
        await price.asave()
        await rows.until("b")
        await come_back(socket, rows)
        await Price(amount="1.50").adelete()
        await rows.until()


async def test_a_key_that_its_field_converts_is_the_key_that_is_stored() -> None:
    async with client(lists_of(Shout.objects.order_by("pk"), "pk")) as socket:
        rows = await subscribe(socket)
        row = await Shout.objects.acreate(pk="a")  # stored as "A"
        await rows.until("A")
        await row.adelete()
        await rows.until()


# Models with several tables, and several models of one table.


@pytest.mark.parametrize("written", [Place, NamedPlace, Cafe, Bookstore])
@pytest.mark.parametrize("listed", [Place, NamedPlace, Cafe, Bookstore])
async def test_a_list_has_what_is_written_as_a_parent_a_child_or_a_proxy(listed, written) -> None:
    """`Bookstore` is a `Cafe`, which is a `Place`; `NamedPlace` is a proxy of `Place`."""
    row = await sync_to_async(Bookstore.objects.create)(name="a", sells="books")
    async with client(lists_of(listed.objects.order_by("name"))) as socket:
        rows = await subscribe(socket)
        assert rows.shown == ["a"]
        same = await written.objects.aget(pk=row.pk if written is Bookstore else row.place_ptr_id)
        same.name = "b"
        await same.asave()
        await rows.until("b")
        await sync_to_async(written.objects.all().delete)()
        await rows.until()


async def test_a_child_that_is_deleted_without_its_parent_leaves_only_its_own_list() -> None:
    row = await sync_to_async(Cafe.objects.create)(name="a")
    async with (
        client(lists_of(Cafe.objects.order_by("name"))) as socket,
        client(lists_of(Place.objects.order_by("name"))) as other,
    ):
        cafes, places = await subscribe(socket), await subscribe(other)
        await sync_to_async(row.delete)(keep_parents=True)
        await cafes.until()
        await other.expect_nothing()
        assert places.shown == ["a"]


@pytest.mark.parametrize("listed", [Tag, TagProxy])
@pytest.mark.parametrize("written", [Tag, TagProxy])
async def test_a_proxy_is_its_model(listed, written) -> None:
    async with client(lists_of(listed.objects.order_by("name"))) as socket:
        rows = await subscribe(socket)
        row = await written.objects.acreate(name="a")
        await rows.until("a")
        await row.adelete()
        await rows.until()


# What a queryset may have.


@pytest.mark.parametrize(
    "rows",
    [
        Ticket.objects.only("title"),
        Ticket.objects.defer("title"),
        Ticket.objects.only("id"),
        Ticket.objects.defer("title").select_related(None),
        Ticket.objects.select_for_update(),
        Ticket.objects.select_for_update(skip_locked=True, of=("self",)),
        Ticket.objects.order_by("title").reverse(),
        Ticket.objects.using("default"),
        Ticket.objects.filter(title__in=["a", "b"]).distinct(),
        Ticket.objects.none() | Ticket.objects.all(),
    ],
)
async def test_a_queryset_may_defer_lock_and_more(rows) -> None:
    async with client(lists_of(rows, "title")) as socket:
        tickets = await subscribe(socket)
        row = await Ticket.objects.acreate(title="a")
        await tickets.until("a")
        row.title = "b"
        await row.asave()
        await tickets.until("b")
        await come_back(socket, tickets)
        await row.adelete()
        await tickets.until()


async def test_a_queryset_that_locks_its_rows_is_read_without_a_lock(postgresql) -> None:
    rows = Tag.objects.using(postgresql).select_for_update().order_by("name")
    async with client(lists_of(rows)) as socket:
        tags = await subscribe(socket)
        row = await Tag.objects.using(postgresql).acreate(name="a")
        await tags.until("a")
        await row.adelete()
        await tags.until()


async def test_a_list_may_be_empty_for_ever() -> None:
    async with client(lists_of(Tag.objects.none())) as socket:
        tags = await subscribe(socket)
        await Tag.objects.acreate(name="a")
        await socket.expect_nothing()
        assert tags.shown == []
