"""Two databases, each with transactions of its own; and one that is read elsewhere."""

import contextlib

import pytest
from django.db import DatabaseError, transaction
from rest_framework import serializers

from rest_channels.consumers import ModelConsumer
from rest_channels.testing import SocketCommunicator

from .conftest import Watcher
from .models import Country

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


class Apart:
    """A router: reads go to one database, what is written to another."""

    def db_for_read(self, model, **hints):
        return "default"

    def db_for_write(self, model, **hints):
        return "other"


@pytest.fixture
def countries():
    return Watcher(Country)


def test_each_database_commits_for_itself(told, countries) -> None:
    with transaction.atomic(), transaction.atomic(using="other"):
        Country.objects.using("other").create(code="de")
        Country.objects.create(code="fr")
        assert told == []
    assert told == [[("de", "all", "create")], [("fr", "all", "create")]]


def test_each_database_rolls_back_for_itself(told, countries) -> None:
    with transaction.atomic():
        Country.objects.create(code="fr")
        with contextlib.suppress(DatabaseError), transaction.atomic(using="other"):
            Country.objects.using("other").create(code="de")
            raise DatabaseError
    assert told == [[("fr", "all", "create")]]


def test_a_save_on_one_database_does_not_wait_for_another(told, countries) -> None:
    with transaction.atomic():
        Country.objects.using("other").create(code="de")
        assert told == [[("de", "all", "create")]]


async def test_a_row_is_read_where_it_was_written(settings) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.Apart"]

    class CountrySerializer(serializers.ModelSerializer):
        class Meta:
            model = Country
            fields = ["name"]

    class Countries(ModelConsumer):
        queryset = Country.objects.all()
        serializer_class = CountrySerializer

    await Country(code="de", name="stale").asave(using="default")
    country = await Country.objects.acreate(code="de")
    async with SocketCommunicator(Countries.as_asgi(), dialect="action") as socket:
        call = await socket.call("subscribe_instance", pk="de")
        await socket.expect_reply(call, response_status=201)
        country.name = "Germany"
        await country.asave()
        await socket.expect_reply(call, data={"name": "Germany"})
