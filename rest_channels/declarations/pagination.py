"""Check what a pagination class declares: values, names without effect, misspelt names."""

from collections.abc import Iterable
from inspect import getattr_static, isfunction
from typing import Any

from .classes import is_own_class
from .names import misspelling, nearest_name
from .values import type_error

__all__ = ["PAGINATION_NAMES", "check_pagination_class"]

_HTML = "a socket has no browsable API: delete it"
_SCHEMA = "actions are in no OpenAPI schema: delete it"
_LINKS = "an answer has no links: override get_paginated_response()"
_CURSOR = "derive the class from WebsocketCursorPagination"
_LIMIT_OFFSET = "derive the class from WebsocketLimitOffsetPagination"
_PAGE_NUMBER = "derive the class from WebsocketPageNumberPagination"

UNUSED: dict[str, str] = {
    "cursor_query_description": _SCHEMA,
    "display_page_controls": _HTML,
    "get_html_context": _HTML,
    "get_next_link": _LINKS,
    "get_previous_link": _LINKS,
    "get_results": _HTML,
    "get_schema_operation_parameters": _SCHEMA,
    "limit_query_description": _SCHEMA,
    "limit_query_param": "a frame names the argument limit",
    "offset_query_description": _SCHEMA,
    "offset_query_param": "a frame names the argument offset",
    "page_query_description": _SCHEMA,
    "page_size_query_description": _SCHEMA,
    "template": _HTML,
    "to_html": _HTML,
}
"""Names of DRF's pagination classes that nothing reads here, with what to write instead."""

PAGINATION_NAMES: dict[str, str] = {
    **UNUSED,
    "cursor_query_param": _CURSOR,
    "decode_cursor": _CURSOR,
    "default_limit": "write page_size",
    "django_paginator_class": _PAGE_NUMBER,
    "encode_cursor": _CURSOR,
    "get_count": _LIMIT_OFFSET,
    "get_limit": "override get_page_size(request)",
    "get_offset": _LIMIT_OFFSET,
    "get_ordering": "order the queryset",
    "get_page_number": _PAGE_NUMBER,
    "get_paginated_response_schema": "describe the pages in it",
    "get_page_size": "override get_limit(limit=None, **kwargs)",
    "invalid_cursor_message": _CURSOR,
    "invalid_page_message": _PAGE_NUMBER,
    "last_page_strings": _PAGE_NUMBER,
    "max_limit": "write max_page_size and page_size_query_param",
    "max_page_size": "write max_limit",
    "offset_cutoff": _CURSOR,
    "ordering": "order the queryset",
    "page_query_param": _PAGE_NUMBER,
    "page_size": "write default_limit",
    "page_size_query_param": "a frame names the argument limit",
}
"""All names of DRF's pagination classes, with what to write in a class that does not read them."""

LINKS = {"get_next_link", "get_previous_link"}
"""Methods that only a pagination by cursor calls."""

VALUES: dict[str, Any] = {
    "cursor_query_param": str,
    "default_limit": int | None,
    "max_limit": int | None,
    "max_page_size": int | None,
    "offset_cutoff": int | None,
    "page_query_param": str,
    "page_size": int | None,
    "page_size_query_param": str | None,
}


def check_pagination_class(cls: type) -> None:
    """Raise `TypeError` for an attribute that would be ignored, or that has a wrong value."""
    bases = [each for each in cls.__mro__ if not each.__module__.startswith("rest_framework.")]
    own = [*filter(is_own_class, bases)]
    supported = {name for base in cls.__mro__ if base not in own for name in vars(base)}
    supported -= UNUSED.keys() - (LINKS if "decode_cursor" in supported else set())
    for owner in own:
        for name, value in vars(owner).items():
            where = f"{owner.__name__}.{name}"
            if name.startswith("_"):
                continue
            if name not in supported:
                _refuse_unknown(cls, where, name, supported)
            elif name in VALUES and (error := type_error(value, VALUES[name], minimum=1)):
                raise TypeError(f"{where} = {value!r} {error}.")


def _refuse_unknown(cls: type, where: str, name: str, supported: Iterable[str]) -> None:
    if advice := PAGINATION_NAMES.get(name):
        raise TypeError(f"{where} has no effect: {advice}.")
    is_method = isfunction(getattr_static(cls, name))
    known = [each for each in supported if isfunction(getattr_static(cls, each)) == is_method]
    if other := nearest_name(name, sorted(known)):
        raise misspelling(where, other)
