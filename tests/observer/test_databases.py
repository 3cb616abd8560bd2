"""Two databases with their own transactions, and a database router that separates reads."""

import contextlib

import pytest
from django.db import DatabaseError, transaction
from rest_framework import serializers

from rest_channels.consumers import ModelConsumer
from rest_channels.observer import notify_changed
from rest_channels.testing import SocketCommunicator

from .models import Country, Word

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


class SplitRouter:
    """A router that reads from one database, and writes to another."""

    def db_for_read(self, model, **hints):
        return "default"

    def db_for_write(self, model, **hints):
        return "other"


@pytest.fixture
def countries(observe):
    return observe(Country)


def test_each_database_publishes_its_changes_at_its_own_commit(published, countries) -> None:
    with transaction.atomic(), transaction.atomic(using="other"):
        Country.objects.using("other").create(code="de")
        Country.objects.create(code="fr")
        assert published == []
    assert published == [[("de", "all", "create")], [("fr", "all", "create")]]


def test_a_rollback_of_one_database_keeps_the_changes_of_another(published, countries) -> None:
    with transaction.atomic():
        Country.objects.create(code="fr")
        with contextlib.suppress(DatabaseError), transaction.atomic(using="other"):
            Country.objects.using("other").create(code="de")
            raise DatabaseError
    assert published == [[("fr", "all", "create")]]


def test_a_save_on_one_database_does_not_wait_for_the_commit_of_another(
    published, countries
) -> None:
    with transaction.atomic():
        Country.objects.using("other").create(code="de")
        assert published == [[("de", "all", "create")]]


async def test_a_delivery_reads_the_row_from_the_database_it_was_written_to(settings) -> None:
    settings.DATABASE_ROUTERS = [f"{__name__}.SplitRouter"]

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


def test_notify_changed_waits_for_the_database_that_the_row_is_written_to(
    published, countries, settings
) -> None:
    country = Country(code="de")
    country.save(using="default")
    published.clear()
    settings.DATABASE_ROUTERS = [f"{__name__}.SplitRouter"]
    row = Country.objects.get()
    assert row._state.db == "default"
    with transaction.atomic(using="other"):
        notify_changed([row])
        assert published == []
    assert published == [[("de", "all", "update")]]


def test_bulk_create_waits_for_the_database_that_its_queryset_names(
    published, settings, observe
) -> None:
    observe(Word)
    settings.DATABASE_ROUTERS = [f"{__name__}.SplitRouter"]
    with transaction.atomic():
        Word.objects.using("default").bulk_create([Word(slug="a")])
        assert published == []
    assert [action for [(_pk, _group, action)] in published] == ["create"]
