"""What a pagination class declares has an effect, or is refused when the class is created."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from rest_framework import pagination

from rest_channels.declarations.pagination import PAGINATION_NAMES
from rest_channels.pagination import (
    WebsocketCursorPagination,
    WebsocketLimitOffsetPagination,
    WebsocketPageNumberPagination,
)

from .attributes import PAGINATIONS, public_names

DRF = [
    getattr(pagination, name)
    for name in ("LimitOffsetPagination", "PageNumberPagination", "CursorPagination")
]
NAMES = public_names(*DRF).keys() - {"paginate_queryset", "get_paginated_response"}


def test_every_public_name_of_drfs_paginations_is_in_the_table() -> None:
    assert PAGINATION_NAMES.keys() >= NAMES


@pytest.mark.parametrize(
    ("base", "declared", "advice"),
    [
        (WebsocketLimitOffsetPagination, {"defualt_limit": 5}, "Did you mean default_limit?"),
        (WebsocketPageNumberPagination, {"page_sise": 5}, "Did you mean page_size?"),
        (WebsocketCursorPagination, {"orderng": "pk"}, "Did you mean ordering?"),
        (WebsocketLimitOffsetPagination, {"get_limt": lambda self: 5}, "Did you mean get_limit?"),
        (WebsocketLimitOffsetPagination, {"limit_query_param": "n"}, "names the argument limit"),
        (WebsocketLimitOffsetPagination, {"page_size": 5}, "has no effect: write default_limit"),
        (WebsocketPageNumberPagination, {"template": None}, "has no browsable API"),
        (WebsocketPageNumberPagination, {"get_next_link": lambda self: 5}, "has no links"),
        (WebsocketLimitOffsetPagination, {"max_limit": "5"}, "must be a whole number or None"),
        (WebsocketPageNumberPagination, {"page_size": 0}, "must be at least 1"),
    ],
)
def test_an_attribute_of_a_pagination_class_without_effect_is_a_type_error(
    base, declared, advice
) -> None:
    with pytest.raises(TypeError, match=re.escape(advice)):
        type("Pages", (base,), {**declared, "__module__": "project"})
    mixin = type("Mixin", (), {**declared, "__module__": "project"})
    with pytest.raises(TypeError, match=r"Mixin\."):
        type("Pages", (base, mixin), {"__module__": "project"})


@pytest.mark.parametrize("base", PAGINATIONS)
def test_a_pagination_class_may_have_names_of_its_own(base) -> None:
    own = {"audience": "all", "rows_seen": lambda self: 5, "limit": None}
    type("Pages", (base,), {**own, "__module__": "project"})


@pytest.mark.django_db
def test_attributes_of_pages_by_number_have_their_effect() -> None:
    class Pages(WebsocketPageNumberPagination):
        django_paginator_class = type("Own", (Paginator,), {})
        invalid_page_message = "no page {page_number}"
        last_page_strings = ("end",)
        max_page_size = 2
        page_query_param = "p"
        page_size = 1
        page_size_query_param = "n"

    for name in "abc":
        User.objects.create(username=name)
    rows = User.objects.order_by("pk")
    pages = Pages()
    assert len(pages.paginate_queryset(rows)) == 1
    assert type(pages.page.paginator) is Pages.django_paginator_class
    assert len(Pages().paginate_queryset(rows, n=9)) == 2
    assert [row.username for row in Pages().paginate_queryset(rows, p="end")] == ["c"]
    with pytest.raises(pagination.NotFound, match="no page 9"):
        Pages().paginate_queryset(rows, p=9)


@pytest.mark.django_db
def test_attributes_of_pages_by_cursor_have_their_effect() -> None:
    class Pages(WebsocketCursorPagination):
        cursor_query_param = "at"
        invalid_cursor_message = "no cursor"
        offset_cutoff = 1
        ordering = "-username"
        page_size = 1

    for name in "ab":
        User.objects.create(username=name)
    rows, pages = User.objects.all(), Pages()
    assert [row.username for row in pages.paginate_queryset(rows)] == ["b"]
    following = pages.get_paginated_response([])["next"]
    assert [row.username for row in Pages().paginate_queryset(rows, at=following)] == ["a"]
    with pytest.raises(pagination.NotFound, match="no cursor"):
        Pages().paginate_queryset(rows, at="x")
