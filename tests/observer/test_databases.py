"""Two databases, each with transactions of its own; and one that is read elsewhere."""

import contextlib

import pytest
from django.db import DatabaseError, transaction
from rest_framework import serializers

from rest_channels.consumers import ModelConsumer
from rest_channels.observer import notify_changed
from rest_channels.testing import SocketCommunicator

from .conftest import Watcher
from .models import Country, Word

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


def test_what_was_read_elsewhere_is_told_where_it_is_written(told, countries, settings) -> None:
    country = Country(code="de")
    country.save(using="default")
    told.clear()
    settings.DATABASE_ROUTERS = [f"{__name__}.Apart"]
    row = Country.objects.get()
    assert row._state.db == "default"
    with transaction.atomic(using="other"):
        notify_changed([row])
        assert told == []
    assert told == [[("de", "all", "update")]]


def test_a_database_that_is_named_is_where_rows_are_made(told, settings) -> None:
    watcher = Watcher(Word)
    settings.DATABASE_ROUTERS = [f"{__name__}.Apart"]
    with transaction.atomic():
        Word.objects.using("default").bulk_create([Word(slug="a")])
        assert told == []
    assert [action for [(_pk, _group, action)] in told] == ["create"]
    assert watcher.model is Word
