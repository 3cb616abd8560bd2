"""`manage.py check` names live lists that no client can subscribe to, and expensive ones."""

import pytest
from django.db.models import F, Window
from django.db.models.functions import Now, Rank

from rest_channels.checks.live_lists import live_list_messages
from rest_channels.consumers import ModelConsumer
from rest_channels.observer import ObserverModelListMixin
from tests.observer.models import Tag

from .rows import TagSerializer


def messages(queryset, *bases):
    members = {"queryset": queryset, "serializer_class": TagSerializer}
    return list(live_list_messages(type("Tags", (*bases, ModelConsumer), members)))


def test_a_list_that_changes_with_the_time_is_an_error() -> None:
    (message,) = messages(Tag.objects.annotate(now=Now()), ObserverModelListMixin)
    assert message.id == "rest_channels.E030"
    assert "Now()" in message.msg
    assert "@live_query(serializer_class=…, reread=60)" in message.hint


@pytest.mark.parametrize(
    "queryset",
    [
        Tag.objects.order_by("name")[10:20],
        Tag.objects.annotate(rank=Window(Rank(), order_by=F("name").asc())).filter(rank__lt=3),
        Tag.objects.filter(name="a").union(Tag.objects.filter(name="b")),
    ],
    ids=["offset", "window function", "union"],
)
def test_a_list_whose_rows_depend_on_each_other_is_named_as_expensive(queryset) -> None:
    (message,) = messages(queryset, ObserverModelListMixin)
    assert message.id == "rest_channels.W027"
    assert "observer.Tag" in message.msg


@pytest.mark.parametrize(
    "queryset", [None, Tag.objects.all(), Tag.objects.filter(name="a").order_by("name")[:10]]
)
def test_a_list_whose_rows_are_independent_is_fine(queryset) -> None:
    assert messages(queryset, ObserverModelListMixin) == []


def test_a_consumer_without_live_lists_may_have_any_queryset() -> None:
    assert messages(Tag.objects.annotate(now=Now())) == []
