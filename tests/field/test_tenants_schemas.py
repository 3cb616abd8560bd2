"""One PostgreSQL schema for each tenant: no row leaves it, and equal keys are different rows."""

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction
from rest_framework import serializers

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.observer import ObserverModelInstanceMixin, model_observer
from tests.field.tenants import (
    NAMES,
    Following,
    clients,
    in_tenant,
    schemas_with,
    subscribe,
    tenant,
)
from tests.observer.models import Comment


@pytest.fixture(autouse=True)
def partition(settings):
    settings.REST_CHANNELS = {"PARTITION": "tests.field.tenants.Tenants"}


@pytest.fixture
def schemas(postgresql, settings):
    """One schema of PostgreSQL for each tenant, with a table of comments."""
    settings.DATABASE_ROUTERS = ["tests.field.tenants.SchemaRouter"]
    with schemas_with(postgresql, Comment) as alias:
        yield alias


class CommentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Comment
        fields = ["id", "text"]


class PersonalSerializer(CommentSerializer):
    def to_representation(self, row):
        assert self.context["view"] is not None
        return super().to_representation(row)


class Comments(Following, ObserverModelInstanceMixin, GenericAsyncAPIConsumer):
    queryset = Comment.objects.all()
    serializer_class = CommentSerializer
    every = model_observer(Comment, serializer_class=CommentSerializer)


class Personal(Comments):
    serializer_class = PersonalSerializer
    every = model_observer(Comment, serializer_class=PersonalSerializer)


class Checking(Comments):
    check_deliveries = True


class Saving(Comments):
    every = model_observer(Comment)

    @every.serializer
    def every(self, instance, action):
        return {"id": instance.pk, "text": Comment.objects.get(pk=instance.pk).text}


@pytest.mark.parametrize("consumer", [Comments, Personal, Checking, Saving])
@pytest.mark.parametrize("name", ["follow", "subscribe_instance"])
async def test_a_subscriber_receives_only_rows_of_its_own_schema(schemas, consumer, name) -> None:
    for each in NAMES:
        with in_tenant(each):
            await Comment.objects.acreate(pk=1, text=f"of {each}")
    async with clients(consumer) as (ada, bob):
        await subscribe(name, ada, bob, pk=1)
        with in_tenant("ada"):
            await (await Comment.objects.aget(pk=1)).asave()
        assert (await ada.receive_json())["data"] == {"id": 1, "text": "of ada"}
        await bob.expect_nothing()
        with in_tenant("bob"):
            await Comment.objects.filter(pk=1).aupdate(text="new")
            await (await Comment.objects.aget(pk=1)).adelete()
        assert (await bob.receive_json())["action"] in ("update", "delete")
        await ada.expect_nothing()


async def test_an_action_that_saves_publishes_to_its_own_tenant(schemas) -> None:
    class Writing(Comments):
        @action()
        def write(self):
            Comment.objects.create(pk=7, text=f"by {tenant.get()}")
            return None, 201

    async with clients(Writing) as (ada, bob):
        await subscribe("follow", ada, bob)
        await bob.expect_reply(await bob.call("write"))
        assert (await bob.receive_json())["data"] == {"id": 7, "text": "by bob"}
        await ada.expect_nothing()


def test_rows_of_two_schemas_with_one_key_are_two_rows_in_one_transaction(
    schemas, observe, published
) -> None:
    observe(Comment, lambda row: row.text)
    with transaction.atomic(using=schemas):
        for name in NAMES:
            with in_tenant(name):
                Comment.objects.create(pk=1, text=name)
    assert published == [[(1, "ada", "create"), (1, "bob", "create")]]


def test_an_instance_that_is_saved_in_another_schema_is_another_row(
    schemas, observe, published
) -> None:
    observe(Comment, lambda row: row.text)
    with in_tenant("bob"):
        Comment.objects.create(pk=1, text="b")
    with in_tenant("ada"):
        comment = Comment.objects.create(pk=1, text="a")
    published.clear()
    with in_tenant("bob"):
        comment.save()
    assert published == [[(1, "b", "delete"), (1, "a", "create")]]


async def test_a_row_is_rendered_in_its_schema_although_the_commit_is_outside_of_it(
    schemas,
) -> None:
    async with clients(Saving) as (ada, bob):
        await subscribe("follow", ada, bob)

        def write():
            with transaction.atomic(using=schemas), in_tenant("ada"):
                Comment.objects.create(pk=1, text="of ada")

        await sync_to_async(write)()
        assert (await ada.receive_json())["data"] == {"id": 1, "text": "of ada"}
        await bob.expect_nothing()
