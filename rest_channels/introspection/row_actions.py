"""What is known of the actions in `rest_channels.mixins`, whose own signature is `**kwargs`."""

from collections.abc import Container, Mapping
from typing import Any, NamedTuple

from django.db.models import AutoField, IntegerField

from ..actions.plan import RESERVED_ARGUMENTS
from ..mixins import (
    CreateModelMixin,
    DeleteModelMixin,
    ListModelMixin,
    PaginatedModelListMixin,
    PatchModelMixin,
    RetrieveModelMixin,
    StreamedPaginatedListMixin,
    UpdateModelMixin,
)
from ..observer.generics import ObserverModelInstanceMixin
from ..observer.lists import ObserverModelListMixin
from ..pagination import (
    WebsocketCursorPagination,
    WebsocketLimitOffsetPagination,
    WebsocketPageNumberPagination,
)
from ..settings import api_settings
from .descriptions import Argument
from .hints import arguments_of

__all__ = ["HAVE", "RowAction", "row_action", "row_arguments", "row_pagination"]


HAVE = Argument("have", dict[str, str], None, "Each key and tag that a client has.")
"""What a client sends that comes back to a live list."""

ROWS = ("get_queryset", "filter_queryset")
ROW = (*ROWS, "get_object")
SERIALIZER = ("get_serializer_class", "get_serializer_context")
GIVEN_ONE_ARGUMENT = (
    "filter_queryset",
    "perform_create",
    "perform_delete",
    "perform_patch",
    "perform_update",
)
"""The hooks that have an argument which is not from the frame."""


class RowAction(NamedTuple):
    """An action of a mixin.

    Attributes:
        hooks: The methods that receive the arguments of the frame which they name.
    """

    mixin: type[Any]
    hooks: tuple[str, ...] = ()
    has_key: bool = False
    may_omit_key: bool = False
    has_data: bool = False
    answers_row: bool = False
    is_list: bool = False
    is_live: bool = False
    """Whether it subscribes to a live list."""
    takes_any: bool = False


ROW_ACTIONS = {
    "create": RowAction(
        CreateModelMixin, (*SERIALIZER, "perform_create"), has_data=True, answers_row=True
    ),
    "delete": RowAction(DeleteModelMixin, (*ROW, "perform_delete"), has_key=True),
    "list": RowAction(ListModelMixin, (*ROWS, *SERIALIZER), answers_row=True, is_list=True),
    "list_cancel": RowAction(StreamedPaginatedListMixin),
    "patch": RowAction(
        PatchModelMixin,
        (*ROW, *SERIALIZER, "perform_patch"),
        has_key=True,
        has_data=True,
        answers_row=True,
    ),
    "retrieve": RowAction(RetrieveModelMixin, (*ROW, *SERIALIZER), has_key=True, answers_row=True),
    "subscribe_instance": RowAction(ObserverModelInstanceMixin, ROW, has_key=True),
    "subscribe_list": RowAction(ObserverModelListMixin, (*ROWS, *SERIALIZER), is_live=True),
    "unsubscribe_instance": RowAction(ObserverModelInstanceMixin, has_key=True, may_omit_key=True),
    "unsubscribe_list": RowAction(ObserverModelListMixin, takes_any=True),
    "update": RowAction(
        UpdateModelMixin,
        (*ROW, *SERIALIZER, "perform_update"),
        has_key=True,
        has_data=True,
        answers_row=True,
    ),
}


def row_action(cls: type[Any], name: str) -> RowAction | None:
    """Return what is known of the action `name` of `cls`, if a mixin has it."""
    found = ROW_ACTIONS.get(name)
    return found if found is not None and issubclass(cls, found.mixin) else None


def row_arguments(cls: Any, name: str, options: Mapping[str, Any]) -> list[Argument]:
    """Return the arguments that the library, and hooks, read from a frame for an action of `cls`.

    Args:
        cls: The consumer.
        name: The name of an action that `row_action` knows.
        options: What `@action` replaces of the attributes of `cls`.
    """
    action = ROW_ACTIONS[name]
    found = []
    if action.has_key:
        key = cls.lookup_url_kwarg or cls.lookup_field
        default = {"default": None} if action.may_omit_key else {}
        found.append(Argument(key, _key_type(cls), help_text="The row.", **default))
    pages = row_pagination(cls, options) if action.is_list else None
    if pages is not None:
        found += _page_arguments(pages)
    is_filtered = bool(options.get("filter_backends", cls.filter_backends))
    if ("filter_queryset" in action.hooks and is_filtered) or _reads_query(pages):
        found.append(Argument("query", dict, None, "What filters the rows."))
    if action.is_live:
        found.append(HAVE)
    known = {*RESERVED_ARGUMENTS, *(each.name for each in found)}
    return [*found, *_hook_arguments(cls, action, known)]


def _hook_arguments(cls: Any, action: RowAction, known: Container[str]) -> list[Argument]:
    """Return the arguments that the hooks of an action name, without the `known` ones."""
    found: dict[str, Argument] = {}
    for hook in action.hooks:
        given = 2 if hook in GIVEN_ONE_ARGUMENT else 1  # with `self`
        for argument in arguments_of(getattr(cls, hook), given):
            if argument.name not in known:
                found.setdefault(argument.name, argument)
    return list(found.values())


def row_pagination(cls: Any, options: Mapping[str, Any]) -> Any:
    """Return the class that makes the pages of the action `list`; `None` for lists without them."""
    if not issubclass(cls, PaginatedModelListMixin):
        return None
    own = options.get("pagination_class", cls.pagination_class)
    return own or api_settings.DEFAULT_PAGINATION_CLASS or WebsocketLimitOffsetPagination


def _key_type(cls: Any) -> type[Any] | None:
    """Return the type of the column that rows are looked up by, if it is a column."""
    model = getattr(cls.queryset, "model", None)
    if model is None:
        return None
    name = model._meta.pk.name if cls.lookup_field == "pk" else cls.lookup_field
    fields = {field.name: field for field in model._meta.concrete_fields}
    if (field := fields.get(name)) is None:
        return None
    return int if isinstance(field, AutoField | IntegerField) else str


def _reads_query(pages: Any) -> bool:
    """Return whether a pagination class reads the query string, as those of DRF do."""
    kinds = (WebsocketPageNumberPagination, WebsocketCursorPagination)
    return isinstance(pages, type) and issubclass(pages, kinds)


def _page_arguments(pages: Any) -> list[Argument]:
    kind = pages if isinstance(pages, type) else object
    size = getattr(pages, "page_size_query_param", None)
    sizes = [Argument(size, int, None, "The number of rows in a page.")] if size else []
    if issubclass(kind, WebsocketPageNumberPagination):
        return [Argument("page", int, 1, "The number of the page."), *sizes]
    if issubclass(kind, WebsocketCursorPagination):
        return [Argument("cursor", str, None, "Where the page begins."), *sizes]
    return [
        Argument("limit", int, None, "The number of rows in a page."),
        Argument("offset", int, 0, "The number of rows before the page."),
    ]
