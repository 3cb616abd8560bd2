"""Lists with tenants: each follows the rows of its own tenant only."""

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.live.lane import LiveLane
from rest_channels.observer import ObserverModelListMixin
from tests.field.tenants import NAMES, clients, in_tenant, schemas_with
from tests.observer.models import Comment, Country

from .client import subscribe
from .rows import CommentSerializer


@pytest.fixture(autouse=True)
def partition(settings):
    settings.REST_CHANNELS = {"PARTITION": "tests.field.tenants.Tenants"}


@pytest.fixture
def schemas(postgresql, settings):
    """One schema of PostgreSQL for each tenant, with a table of comments."""
    settings.DATABASE_ROUTERS = ["tests.field.tenants.SchemaRouter"]
    with schemas_with(postgresql, Comment) as alias:
        yield alias


class PersonalSerializer(CommentSerializer):
    def to_representation(self, row):
        assert self.context["view"] is not None
        return super().to_representation(row)


class CountingSerializer(CommentSerializer):
    """Makes a query while it renders a row."""

    def to_representation(self, row):
        return {"id": row.pk, "text": f"{row.text} of {Comment.objects.count()}"}


class Comments(ObserverModelListMixin, GenericAsyncAPIConsumer):
    queryset = Comment.objects.exclude(text="hidden").order_by("text")
    serializer_class = CommentSerializer


class Personal(Comments):
    serializer_class = PersonalSerializer


class Counting(Comments):
    serializer_class = CountingSerializer


class Seen(Comments):
    def get_queryset(self, **kwargs):
        return Comment.objects.order_by("text")

    def viewers(self, rows):
        raise AssertionError("There is no user.")


@pytest.mark.parametrize("consumer", [Comments, Personal, Seen])
async def test_a_list_has_only_rows_of_its_own_schema(schemas, consumer) -> None:
    async with clients(consumer) as sockets:
        lists = [await subscribe(socket) for socket in sockets]
        for name, rows, other in zip(NAMES, lists, reversed(sockets), strict=True):
            with in_tenant(name):
                comment = await Comment.objects.acreate(pk=1, text=f"of {name}")
                await rows.until(f"of {name}")
                await other.expect_nothing()
                comment.text = f"{name}"
                await comment.asave()
                await rows.until(name)
        with in_tenant("ada"):
            await Comment.objects.all().adelete()
        await lists[0].until()
        await sockets[1].expect_nothing()
        assert lists[1].shown == ["bob"]
    assert current_hub().get_component(LiveLane)._queries._partitions == {}


async def test_rows_are_rendered_in_the_tenant_of_their_list(schemas) -> None:
    with in_tenant("bob"):
        await Comment.objects.abulk_create([Comment(text="hidden") for _ in range(2)])
    async with clients(Counting) as sockets:
        lists = [await subscribe(socket) for socket in sockets]
        for name, rows, number in zip(NAMES, lists, (1, 3), strict=True):
            with in_tenant(name):
                await Comment.objects.acreate(text="a")
            await rows.until(f"a of {number}")


async def test_one_transaction_may_write_for_several_tenants(schemas) -> None:
    def write():
        with transaction.atomic(schemas):
            for name in NAMES:
                with in_tenant(name):
                    Comment.objects.create(pk=1, text=f"of {name}")
            with in_tenant("ada"):
                Comment.objects.create(pk=2, text="z")

    async with clients(Comments) as sockets:
        lists = [await subscribe(socket) for socket in sockets]
        await sync_to_async(write)()
        await lists[0].until("of ada", "z")
        await lists[1].until("of bob")


class CountrySerializer(serializers.ModelSerializer):
    class Meta:
        model = Country
        fields = ["code", "name"]


class Countries(ObserverModelListMixin, GenericAsyncAPIConsumer):
    serializer_class = CountrySerializer

    def get_queryset(self, **kwargs):
        return Country.objects.order_by("name")


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
async def test_a_list_has_only_rows_of_its_own_database(settings) -> None:
    settings.DATABASE_ROUTERS = ["tests.field.tenants.DatabaseRouter"]
    async with clients(Countries) as sockets:
        lists = [await subscribe(socket) for socket in sockets]
        for name, rows in zip(NAMES, lists, strict=True):
            with in_tenant(name):
                await Country.objects.acreate(code="x", name=name)
            await rows.until(name)
        with in_tenant("bob"):
            await Country.objects.all().adelete()
        await lists[1].until()
        await sockets[0].expect_nothing()
        assert lists[0].shown == ["ada"]
