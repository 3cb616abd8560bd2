"""All lists of pages have the size that their pagination class says."""

import pytest
from django.contrib.auth.models import User
from rest_framework.serializers import ModelSerializer

from rest_channels.consumers import GenericAsyncAPIConsumer
from rest_channels.mixins import PaginatedModelListMixin, StreamedPaginatedListMixin
from rest_channels.pagination import WebsocketLimitOffsetPagination
from rest_channels.testing import SocketCommunicator

pytestmark = pytest.mark.django_db(transaction=True)


class Names(ModelSerializer):
    class Meta:
        model = User
        fields = ("username",)


class TwoByDefault(WebsocketLimitOffsetPagination):
    default_limit = 2


class AtMostOne(TwoByDefault):
    max_limit = 1


class OwnLimit(WebsocketLimitOffsetPagination):
    def get_limit(self, limit=None, **kwargs):
        return 2 if limit is None else super().get_limit(limit)


class OwnAnswer(TwoByDefault):
    def get_paginated_response(self, data):
        return {"rows": data, "limit": self.limit}


@pytest.fixture(autouse=True)
async def users():
    for name in "abc":
        await User.objects.acreate(username=name)


async def pages(mixin, pagination, count, **frame):
    """Return the limits and the numbers of rows of the first `count` pages."""

    class Users(mixin, GenericAsyncAPIConsumer):
        queryset = User.objects.order_by("pk")
        serializer_class = Names
        pagination_class = pagination

    async with SocketCommunicator(Users.as_asgi()) as socket:
        await socket.send_json({"action": "list", "request_id": 1, **frame})
        found = [(await socket.receive_json())["data"] for _ in range(count)]
    return [(page["limit"], len(page.get("results") or page["rows"])) for page in found]


@pytest.mark.parametrize("mixin", [PaginatedModelListMixin, StreamedPaginatedListMixin])
@pytest.mark.parametrize(
    ("pagination", "frame", "first"),
    [
        (TwoByDefault, {}, (2, 2)),
        (TwoByDefault, {"limit": 1}, (1, 1)),
        (AtMostOne, {}, (1, 1)),
        (AtMostOne, {"limit": 3}, (1, 1)),
        (OwnLimit, {}, (2, 2)),
        (OwnAnswer, {}, (2, 2)),
    ],
)
async def test_a_page_has_the_limit_of_its_pagination_class(
    mixin, pagination, frame, first
) -> None:
    assert await pages(mixin, pagination, 1, **frame) == [first]


async def test_a_stream_sends_every_page_with_the_limit_of_its_pagination_class() -> None:
    assert await pages(StreamedPaginatedListMixin, TwoByDefault, 2) == [(2, 2), (2, 1)]
    assert await pages(StreamedPaginatedListMixin, OwnAnswer, 2) == [(2, 2), (2, 1)]
    assert await pages(StreamedPaginatedListMixin, AtMostOne, 3) == [(1, 1)] * 3


async def test_the_setting_of_the_page_size_counts_without_a_default_limit(settings) -> None:
    settings.REST_CHANNELS = {"PAGE_SIZE": 2}
    for mixin in (PaginatedModelListMixin, StreamedPaginatedListMixin):
        assert await pages(mixin, WebsocketLimitOffsetPagination, 1) == [(2, 2)]


async def test_a_stream_without_any_limit_has_the_default_page_size(settings) -> None:
    settings.REST_CHANNELS = {"DEFAULT_PAGE_SIZE": 2}
    assert await pages(StreamedPaginatedListMixin, None, 2) == [(2, 2), (2, 1)]
