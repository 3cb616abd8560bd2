"""Rows in pages: DRF's paginators, asked by an action's arguments instead of a query string.

`WebsocketLimitOffsetPagination` has the name and the answer that djangochannelsrestframework gave
it. A cursor is a token: it goes back as the argument `cursor`.
"""

from collections.abc import Sequence
from copy import copy
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core import exceptions as core
from django.utils.translation import gettext as _
from rest_framework import pagination
from rest_framework.exceptions import NotFound, ValidationError

from .settings import api_settings

__all__ = [
    "WebsocketCursorPagination",
    "WebsocketLimitOffsetPagination",
    "WebsocketPageNumberPagination",
]


MOST = 2**62
"""More rows than any database counts."""


class WebsocketLimitOffsetPagination(pagination.LimitOffsetPagination):
    """`limit` and `offset` → `{"count", "limit", "offset", "results"}`.

    Without a `limit` it is the setting `PAGE_SIZE`; where that is `None`, all rows are one list.
    """

    default_limit: int | None = None
    limit: int | None
    offset: int
    count: int

    def paginate_queryset(  # type: ignore[override]
        self,
        queryset: Any,
        scope: dict[str, Any] | None = None,
        view: Any = None,
        **kwargs: Any,
    ) -> list[Any] | None:
        """The rows of a page; `None` where they are not to be parted. Raises `ValidationError`."""
        self.limit, self.offset = self.get_limit(**kwargs), self.get_offset(**kwargs)
        if self.limit is None:
            return None
        self.count = self.get_count(queryset)
        return list(queryset[self.offset : self.offset + self.limit])

    def get_limit(self, limit: Any = None, **kwargs: Any) -> int | None:  # type: ignore[override]
        """How many rows: what was asked for, else the default; not more than `max_limit`."""
        if limit is None:
            limit = self.default_limit or api_settings.PAGE_SIZE
        if limit is None:
            return None
        number = _whole("limit", limit, 1)
        return number if self.max_limit is None else min(number, self.max_limit)

    def get_offset(self, offset: Any = 0, **kwargs: Any) -> int:  # type: ignore[override]
        """How many rows to pass over."""
        return _whole("offset", offset, 0)

    def get_paginated_response(self, data: Any) -> dict[str, Any]:  # type: ignore[override]
        """A page with its bounds."""
        bounds = {"count": self.count, "limit": self.limit, "offset": self.offset}
        return {**bounds, "results": data}


class _ByArguments:
    """Pages of a size, of DRF's paginators, that are asked for by an action's arguments."""

    page_size: int | None = None
    page_size_query_param: str | None = None

    def paginate_queryset(
        self, queryset: Any, scope: Any = None, view: Any = None, **kwargs: Any
    ) -> Sequence[Any]:
        """The rows of a page. Raises `NotFound` for one that is not there."""
        if self.page_size is None:
            self.page_size = api_settings.PAGE_SIZE or api_settings.DEFAULT_PAGE_SIZE
        paginate: Any = super().paginate_queryset  # type: ignore[misc]
        return paginate(queryset, _asking(kwargs, view), view) or []

    def get_page_size(self, request: Any) -> int | None:
        """How many rows a page has. Raises `ValidationError` for more than can be counted."""
        size: int | None = super().get_page_size(request)  # type: ignore[misc]
        return _whole(self.page_size_query_param or "page_size", size, 1) if size else size


class WebsocketPageNumberPagination(_ByArguments, pagination.PageNumberPagination):  # type: ignore[misc]
    """`page`, and `page_size` where `page_size_query_param` allows it.

    The answer is `{"count", "page", "pages", "results"}`. The size is `page_size`, else the setting
    `PAGE_SIZE`, else `DEFAULT_PAGE_SIZE`.
    """

    def get_paginated_response(self, data: Any) -> dict[str, Any]:  # type: ignore[override]
        """A page with its number."""
        page: Any = self.page
        pages = page.paginator
        bounds = {"count": pages.count, "page": page.number, "pages": pages.num_pages}
        return {**bounds, "results": data}


class WebsocketCursorPagination(_ByArguments, pagination.CursorPagination):
    """`cursor` → `{"next", "previous", "results"}`, where both are cursors, or `None` at an end."""

    def paginate_queryset(  # type: ignore[override]
        self, queryset: Any, scope: Any = None, view: Any = None, **kwargs: Any
    ) -> Sequence[Any]:
        """The rows after the cursor. Raises `NotFound` for one that leads nowhere."""
        try:
            return super().paginate_queryset(queryset, scope, view, **kwargs)
        except (
            ValueError,
            core.ValidationError,
        ) as error:  # of another ordering
            if getattr(self, "cursor", None) is None:
                raise
            raise NotFound(self.invalid_cursor_message) from error

    def get_paginated_response(self, data: Any) -> dict[str, Any]:  # type: ignore[override]
        """A page with the ways to its neighbours."""
        links = {"next": self.get_next_link(), "previous": self.get_previous_link()}
        cursors = {name: self._cursor_of(link) for name, link in links.items()}
        return {**cursors, "results": data}

    def _cursor_of(self, link: str | None) -> str | None:
        return parse_qs(urlsplit(link).query)[self.cursor_query_param][0] if link else None


def _asking(arguments: dict[str, Any], view: Any) -> Any:
    """The view's request with `arguments` as its query string, beside the frame's `query`.

    Paginators ask filters how rows are ordered, and those look there.
    """
    texts = {name: str(value) for name, value in arguments.items() if isinstance(value, str | int)}
    if view is None:
        return SimpleNamespace(query_params=texts, build_absolute_uri=lambda: "")
    query = arguments.get("query")
    request = copy(view.request)
    request.set_query_params({**(query if isinstance(query, dict) else {}), **texts})
    request.build_absolute_uri = lambda: ""
    return request


def _whole(name: str, value: Any, least: int) -> int:
    """`value` as a whole number. Raises `ValidationError` that names it."""
    try:
        number = int(value)
        if isinstance(value, bool | float) or not least <= number <= MOST:
            raise ValueError
    except (TypeError, ValueError):
        wrong = _("A whole number from %(least)d to %(most)d is required.")
        wrong %= {"least": least, "most": MOST}
        raise ValidationError({name: [wrong]}) from None
    return number
