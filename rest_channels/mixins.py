"""The actions of a model: create, list (whole, in pages, as a stream), retrieve, update, delete.

They are mixed into a `GenericAsyncAPIConsumer`, as DRF's are into a `GenericAPIView`:

    class People(ListModelMixin, CreateModelMixin, GenericAsyncAPIConsumer):
        queryset = User.objects.all()
        serializer_class = UserSerializer

They are `def`, so each runs in a thread. Override `perform_…` to save or delete in another way.

Source: djangochannelsrestframework 1.3.
"""

import asyncio
from typing import Any

from rest_framework import status

from .concurrency.execution import await_in_thread, run
from .concurrency.hooks import call_hook
from .concurrency.tasks import cancel_tasks
from .decorators import action
from .generics import filtered_rows, out_of_range_as_400, serializer_for
from .pagination import WebsocketLimitOffsetPagination
from .settings import api_settings

__all__ = [
    "CreateModelMixin",
    "DeleteModelMixin",
    "ListModelMixin",
    "PaginatedModelListMixin",
    "PatchModelMixin",
    "RetrieveModelMixin",
    "StreamedPaginatedListMixin",
    "UpdateModelMixin",
]

Answer = tuple[Any, int]


class CreateModelMixin:
    """`create`, with a row in `data`: 201 and the new row, serialized."""

    @action()
    def create(self: Any, data: dict[str, Any], **kwargs: Any) -> Answer:
        serializer = serializer_for(self, kwargs, data=data)
        serializer.is_valid(raise_exception=True)
        call_hook(self.perform_create, serializer, arguments=kwargs)
        return serializer.data, status.HTTP_201_CREATED

    def perform_create(self, serializer: Any, **kwargs: Any) -> None:
        serializer.save()


class ListModelMixin:
    """`list`: 200 and all rows that the filters leave."""

    @action()
    def list(self: Any, **kwargs: Any) -> Answer:
        with out_of_range_as_400(kwargs):
            return _serialized(self, kwargs, filtered_rows(self, kwargs)), status.HTTP_200_OK


class RetrieveModelMixin:
    """`retrieve`, with a `pk`: 200 and the row."""

    @action()
    def retrieve(self: Any, **kwargs: Any) -> Answer:
        row = call_hook(self.get_object, arguments=kwargs)
        return serializer_for(self, kwargs, instance=row).data, status.HTTP_200_OK


class UpdateModelMixin:
    """`update`, with a `pk` and the whole row in `data`: 200 and the row."""

    @action()
    def update(self: Any, data: dict[str, Any], **kwargs: Any) -> Answer:
        return _save_changes(self, data, kwargs, self.perform_update, partial=False)

    def perform_update(self, serializer: Any, **kwargs: Any) -> None:
        serializer.save()


class PatchModelMixin:
    """`patch`, with a `pk` and some fields in `data`: 200 and the row."""

    @action()
    def patch(self: Any, data: dict[str, Any], **kwargs: Any) -> Answer:
        return _save_changes(self, data, kwargs, self.perform_patch, partial=True)

    def perform_patch(self, serializer: Any, **kwargs: Any) -> None:
        serializer.save()


class DeleteModelMixin:
    """`delete`, with a `pk`: 204."""

    @action()
    def delete(self: Any, **kwargs: Any) -> Answer:
        row = call_hook(self.get_object, arguments=kwargs)
        call_hook(self.perform_delete, row, arguments=kwargs)
        return None, status.HTTP_204_NO_CONTENT

    def perform_delete(self, instance: Any, **kwargs: Any) -> None:
        instance.delete()


class PaginatedModelListMixin(ListModelMixin):
    """`list` in pages: 200 and a page of the rows that the filters leave.

    Attributes:
        pagination_class: One of `rest_channels.pagination`. `None`: the setting
            `DEFAULT_PAGINATION_CLASS`, else `WebsocketLimitOffsetPagination`.
    """

    pagination_class: Any = None

    @property
    def paginator(self: Any) -> Any:
        """The paginator of the action that is running."""
        context = self.action_context
        if context.paginator is None:
            chosen_class = self.pagination_class or api_settings.DEFAULT_PAGINATION_CLASS
            context.paginator = (chosen_class or WebsocketLimitOffsetPagination)()
        return context.paginator

    @action()
    def list(self: Any, **kwargs: Any) -> Answer:
        with out_of_range_as_400(kwargs):
            rows = filtered_rows(self, kwargs)
            page = call_hook(self.paginate_queryset, rows, arguments=kwargs)
            if page is None:
                return _serialized(self, kwargs, rows), status.HTTP_200_OK
            return _page_of(self, kwargs, page), status.HTTP_200_OK

    def paginate_queryset(self: Any, queryset: Any, **kwargs: Any) -> Any:
        """Return the rows of the page that `kwargs` name. Raises `ValidationError`, `NotFound`."""
        paginate = self.paginator.paginate_queryset
        return call_hook(paginate, queryset, self.scope, self, arguments=kwargs)

    def get_paginated_response(self: Any, data: Any) -> Any:
        """Return `data`, the rows of a page, with the position of the page."""
        return self.paginator.get_paginated_response(data)


class StreamedPaginatedListMixin(PaginatedModelListMixin):
    """`list` sends page after page under one `request_id`, while later frames are handled.

    `list_cancel` ends all streams of the connection (200). The pagination class has to page by
    `limit` and `offset`.
    """

    sleep_time_between_pages: float = 0.0
    """In seconds."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        pages = vars(cls).get("pagination_class")
        if isinstance(pages, type) and not issubclass(pages, WebsocketLimitOffsetPagination):
            raise TypeError(
                f"{cls.__name__}.pagination_class = {pages!r} has no pages by limit and offset, "
                "which a list needs to be streamed: derive it from WebsocketLimitOffsetPagination."
            )

    @action(detached=True)
    async def list(self: Any, action: str, request_id: Any, **kwargs: Any) -> None:
        """Send all rows that the filters leave, page by page, as fast as the client reads."""
        if not isinstance(self.paginator, WebsocketLimitOffsetPagination):
            raise TypeError(
                f"{type(self).__name__} streams pages by limit and offset: derive its "
                "pagination_class from WebsocketLimitOffsetPagination."
            )
        offset = kwargs.get("offset", 0)
        self._streams.add(asyncio.current_task())
        try:
            while offset is not None:
                page, offset = await run(self._page, {**kwargs, "offset": offset})
                await self.reply(
                    action, data=page, status=status.HTTP_200_OK, request_id=request_id
                )
                await asyncio.sleep(self.sleep_time_between_pages)
        finally:
            self._streams.discard(asyncio.current_task())

    @action()
    async def list_cancel(self: Any, **kwargs: Any) -> Answer:
        """End all streams of this connection."""
        await cancel_tasks(set(self._streams), 1.0)
        return None, status.HTTP_200_OK

    def _page(self: Any, kwargs: dict[str, Any]) -> tuple[Any, int | None]:
        """Return a page, and the offset of the next one: `None` after the last."""
        paginator = self.paginator
        with out_of_range_as_400(kwargs):
            if paginator.get_limit(**kwargs) is None:  # then a list without a stream has no pages
                kwargs = {**kwargs, "limit": api_settings.DEFAULT_PAGE_SIZE}
            page = call_hook(self.paginate_queryset, filtered_rows(self, kwargs), arguments=kwargs)
            data = _page_of(self, kwargs, page)
        following = paginator.offset + paginator.limit
        return data, following if following < paginator.count else None

    @property
    def _streams(self: Any) -> set[asyncio.Task[Any]]:
        streams: set[asyncio.Task[Any]] = self._connection.view_state.setdefault("streams", set())
        return streams


def _serialized(consumer: Any, kwargs: dict[str, Any], rows: Any) -> Any:
    return serializer_for(consumer, kwargs, instance=rows, many=True).data


def _page_of(consumer: Any, kwargs: dict[str, Any], page: Any) -> Any:
    data = _serialized(consumer, kwargs, page)
    return await_in_thread(consumer.get_paginated_response(data))


def _save_changes(
    consumer: Any, data: Any, kwargs: dict[str, Any], save: Any, *, partial: bool
) -> Answer:
    row = call_hook(consumer.get_object, arguments={**kwargs, "data": data})
    serializer = serializer_for(consumer, kwargs, instance=row, data=data, partial=partial)
    serializer.is_valid(raise_exception=True)
    call_hook(save, serializer, arguments=kwargs)
    # As in DRF: prefetched relations may be older than the saved row.
    vars(row).pop("_prefetched_objects_cache", None)
    return serializer.data, status.HTTP_200_OK
