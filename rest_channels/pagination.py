"""DRF's paginators, controlled by an action's arguments instead of a query string.

`WebsocketLimitOffsetPagination` has the name and the answer that it has in
djangochannelsrestframework.
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

from .actions.plan import RESERVED_ARGUMENTS
from .declarations.pagination import check_pagination_class
from .handshake.http_request import query_dict
from .settings import api_settings

__all__ = [
    "WebsocketCursorPagination",
    "WebsocketLimitOffsetPagination",
    "WebsocketPageNumberPagination",
]

MAX_NUMBER = 2**62  # more rows than any database has, and every database accepts it


class _WebsocketPagination:
    """The base of all pagination classes. It refuses what their subclasses declare in vain."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_pagination_class(cls)


class WebsocketLimitOffsetPagination(_WebsocketPagination, pagination.LimitOffsetPagination):
    """Pages by `limit` and `offset`: `{"count", "limit", "offset", "results"}`.

    Without a `limit`, the setting `PAGE_SIZE` counts. If it is `None`, all rows are one list.
    """

    default_limit: int | None = None
    limit: int | None
    offset: int
    count: int

    def paginate_queryset(  # type: ignore[override]
        self, queryset: Any, scope: dict[str, Any] | None = None, view: Any = None, **kwargs: Any
    ) -> list[Any] | None:
        """Return the rows of a page; `None` for all rows in one list. Raises `ValidationError`."""
        self.limit, self.offset = self.get_limit(**kwargs), self.get_offset(**kwargs)
        if self.limit is None:
            return None
        self.count = self.get_count(queryset)
        return list(queryset[self.offset : self.offset + self.limit])

    def get_limit(self, limit: Any = None, **kwargs: Any) -> int | None:  # type: ignore[override]
        """Return the number of rows in a page: `limit`, else the default; at most `max_limit`."""
        if limit is None:
            limit = self.default_limit or api_settings.PAGE_SIZE
        if limit is None:
            return None
        number = _whole_number("limit", limit, 1)
        return number if self.max_limit is None else min(number, self.max_limit)

    def get_offset(self, offset: Any = 0, **kwargs: Any) -> int:  # type: ignore[override]
        return _whole_number("offset", offset, 0)

    def get_paginated_response(self, data: Any) -> dict[str, Any]:  # type: ignore[override]
        position = {"count": self.count, "limit": self.limit, "offset": self.offset}
        return {**position, "results": data}

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a page, or of the list of all rows if it may be one."""
        page = _page_schema(schema, count="integer", limit="integer", offset="integer")
        return page if self.get_limit() is not None else {"anyOf": [schema, page]}


class _ArgumentPagination(_WebsocketPagination):
    """DRF's paginators with a page size, controlled by an action's arguments."""

    page_size: int | None = None
    page_size_query_param: str | None = None

    def paginate_queryset(
        self, queryset: Any, scope: Any = None, view: Any = None, **kwargs: Any
    ) -> Sequence[Any]:
        """Return the rows of a page. Raises `NotFound` if there is no such page."""
        if self.page_size is None:
            self.page_size = api_settings.PAGE_SIZE or api_settings.DEFAULT_PAGE_SIZE
        paginate: Any = super().paginate_queryset  # type: ignore[misc]
        return paginate(queryset, _request_with(kwargs, view), view) or []

    def get_page_size(self, request: Any) -> int | None:
        size: int | None = super().get_page_size(request)  # type: ignore[misc]
        return _whole_number(self.page_size_query_param or "page_size", size, 1) if size else size


class WebsocketPageNumberPagination(_ArgumentPagination, pagination.PageNumberPagination):  # type: ignore[misc]
    """Pages by number: `{"count", "page", "pages", "results"}`.

    The argument is `page`, and the one that `page_size_query_param` names, if any. The size is
    `page_size`, else the setting `PAGE_SIZE`, else `DEFAULT_PAGE_SIZE`.
    """

    def get_paginated_response(self, data: Any) -> dict[str, Any]:  # type: ignore[override]
        page: Any = self.page
        pages = page.paginator
        position = {"count": pages.count, "page": page.number, "pages": pages.num_pages}
        return {**position, "results": data}

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        return _page_schema(schema, count="integer", page="integer", pages="integer")


class WebsocketCursorPagination(_ArgumentPagination, pagination.CursorPagination):
    """Pages by `cursor`: `{"next", "previous", "results"}`, with cursors, or `None` at an end."""

    def paginate_queryset(  # type: ignore[override]
        self, queryset: Any, scope: Any = None, view: Any = None, **kwargs: Any
    ) -> Sequence[Any]:
        """Return the rows after the cursor. Raises `NotFound` for an invalid cursor."""
        try:
            return super().paginate_queryset(queryset, scope, view, **kwargs)
        except (ValueError, core.ValidationError) as error:  # a cursor of another ordering
            if getattr(self, "cursor", None) is None:
                raise
            raise NotFound(self.invalid_cursor_message) from error

    def get_paginated_response(self, data: Any) -> dict[str, Any]:  # type: ignore[override]
        links = {"next": self.get_next_link(), "previous": self.get_previous_link()}
        cursors = {name: self._cursor_of(link) for name, link in links.items()}
        return {**cursors, "results": data}

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        return _page_schema(schema, next=["string", "null"], previous=["string", "null"])

    def _cursor_of(self, link: str | None) -> str | None:
        return parse_qs(urlsplit(link).query)[self.cursor_query_param][0] if link else None


def _page_schema(rows: Any, **position: Any) -> dict[str, Any]:
    """Return the JSON Schema of a page, as DRF's paginators do for OpenAPI."""
    properties = {name: {"type": kind} for name, kind in position.items()}
    required = [*position, "results"]
    return {
        "type": "object",
        "properties": {**properties, "results": rows},
        "required": required,
    }


def _request_with(arguments: dict[str, Any], view: Any) -> Any:
    """Return the view's request; its query string is `arguments` and the frame's `query`.

    Paginators and ordering filters read it.
    """
    own = {
        name: value
        for name, value in arguments.items()
        if isinstance(value, str | int) and name not in RESERVED_ARGUMENTS
    }
    if view is None:
        return SimpleNamespace(query_params=query_dict(own), build_absolute_uri=lambda: "")
    query = arguments.get("query")
    request = copy(view.request)
    request.set_query_params({**(query if isinstance(query, dict) else {}), **own})
    request.build_absolute_uri = lambda: ""
    return request


def _whole_number(name: str, value: Any, minimum: int) -> int:
    """Return `value` as a whole number. Raise `ValidationError` (400), with the key `name`."""
    try:
        number = int(value)
        if isinstance(value, bool | float) or not minimum <= number <= MAX_NUMBER:
            raise ValueError
    except (TypeError, ValueError):
        message = _("A whole number from %(least)d to %(most)d is required.")
        message %= {"least": minimum, "most": MAX_NUMBER}
        raise ValidationError({name: [message]}) from None
    return number
