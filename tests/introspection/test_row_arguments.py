"""The arguments of the actions of a model are described exactly if the server reads them."""

import pytest
from django.contrib.auth.models import User
from rest_framework import serializers
from rest_framework.filters import SearchFilter

from rest_channels.consumers import ModelConsumer
from rest_channels.decorators import action
from rest_channels.introspection.operations import operations_of
from rest_channels.pagination import WebsocketPageNumberPagination
from rest_channels.testing import SocketCommunicator


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = User
        fields = ["username"]


class Users(ModelConsumer):
    queryset = User.objects.order_by("pk")
    serializer_class = UserSerializer
    search_fields = ["username"]


class Searched(Users):
    filter_backends = [SearchFilter]


class SearchedByItsAction(Users):
    @action(filter_backends=[SearchFilter])
    def list(self, **kwargs):
        return super().list(**kwargs)


class Numbered(Users):
    class pagination_class(WebsocketPageNumberPagination):  # noqa: N801 - an attribute
        page_size = 1


class ReadByItsQueryset(Users):
    def get_queryset(self, query=None, **kwargs):
        return super().get_queryset().filter(username=(query or {}).get("search", "ada"))


def arguments(cls, name):
    (found,) = [each for each in operations_of(cls) if each.name == name]
    return [argument.name for argument in found.arguments]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cls", [Users, Searched, SearchedByItsAction, Numbered, ReadByItsQueryset])
async def test_a_list_is_described_with_a_query_exactly_if_the_query_changes_its_answer(cls):
    for name in ("ada", "ben"):
        await User.objects.acreate_user(name)
    async with SocketCommunicator(cls.as_asgi(), dialect="action") as socket:
        every = await socket.expect_reply(await socket.call("list"), status=200)
        query = {"search": "ben", "page": 2}
        found = await socket.expect_reply(await socket.call("list", query=query), status=200)
    assert ("query" in arguments(cls, "list")) == (found["data"] != every["data"])


def test_arguments_that_hooks_name_belong_to_the_actions_that_call_them() -> None:
    class Own(Users):
        def get_queryset(self, shop, **kwargs):
            return super().get_queryset()

        async def perform_create(self, serializer, notify: bool = False):
            await serializer.asave()

    assert arguments(Own, "list") == ["limit", "offset", "shop"]
    assert arguments(Own, "retrieve") == ["pk", "shop"]
    assert arguments(Own, "create") == ["notify"]
