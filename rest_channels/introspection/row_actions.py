"""What is known of the actions in `rest_channels.mixins`, whose own signature is `**kwargs`."""

from typing import Any, NamedTuple

from django.db.models import AutoField, IntegerField

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
from ..pagination import (
    WebsocketCursorPagination,
    WebsocketLimitOffsetPagination,
    WebsocketPageNumberPagination,
)
from ..settings import api_settings
from .descriptions import Argument

__all__ = ["RowAction", "row_action", "row_arguments", "row_pagination"]


class RowAction(NamedTuple):
    """An action of a mixin."""

    mixin: type[Any]
    has_key: bool = False
    may_omit_key: bool = False
    has_data: bool = False
    answers_row: bool = False
    is_list: bool = False


ROW_ACTIONS = {
    "create": RowAction(CreateModelMixin, has_data=True, answers_row=True),
    "delete": RowAction(DeleteModelMixin, has_key=True),
    "list": RowAction(ListModelMixin, answers_row=True, is_list=True),
    "list_cancel": RowAction(StreamedPaginatedListMixin),
    "patch": RowAction(PatchModelMixin, has_key=True, has_data=True, answers_row=True),
    "retrieve": RowAction(RetrieveModelMixin, has_key=True, answers_row=True),
    "subscribe_instance": RowAction(ObserverModelInstanceMixin, has_key=True),
    "unsubscribe_instance": RowAction(ObserverModelInstanceMixin, has_key=True, may_omit_key=True),
    "update": RowAction(UpdateModelMixin, has_key=True, has_data=True, answers_row=True),
}


def row_action(cls: type[Any], name: str) -> RowAction | None:
    """Return what is known of the action `name` of `cls`, if a mixin has it."""
    found = ROW_ACTIONS.get(name)
    return found if found is not None and issubclass(cls, found.mixin) else None


def row_arguments(cls: Any, action: RowAction) -> list[Argument]:
    """Return the arguments that the library reads from a frame for `action` of `cls`."""
    found = []
    if action.has_key:
        key = cls.lookup_url_kwarg or cls.lookup_field
        default = {"default": None} if action.may_omit_key else {}
        found.append(Argument(key, _key_type(cls), help_text="The row.", **default))
    if action.is_list:
        found += _page_arguments(cls)
    if (action.has_key or action.is_list) and cls.filter_backends:
        found.append(Argument("query", dict, None, "What filters the rows."))
    return found


def row_pagination(cls: Any) -> Any:
    """Return the class that makes the pages of the action `list`; `None` for lists without them."""
    if not issubclass(cls, PaginatedModelListMixin):
        return None
    chosen = cls.pagination_class or api_settings.DEFAULT_PAGINATION_CLASS
    return chosen or WebsocketLimitOffsetPagination


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


def _page_arguments(cls: Any) -> list[Argument]:
    if (pages := row_pagination(cls)) is None:
        return []
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
