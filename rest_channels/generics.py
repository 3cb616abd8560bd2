"""`GenericAsyncAPIConsumer`: a queryset, a serializer and a lookup, as DRF's `GenericAPIView`.

The mixins of `rest_channels.mixins` add actions. Each method here receives the arguments of the
action that it accepts: `get_queryset(self, **kwargs)` all of them, `get_queryset(self)` none. A
client can look up rows by `lookup_field` only.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from rest_framework import exceptions

from .actions.authorization import authorize_object
from .api_consumer import AsyncAPIConsumer
from .concurrency.execution import await_in_thread
from .concurrency.hooks import call_hook
from .protocol.arguments import method_parameters
from .serializer_fields import keep_fields

__all__ = ["GenericAsyncAPIConsumer", "filtered_rows", "out_of_range_as_400", "serializer_for"]

OUT_OF_RANGE_ERRORS = (OverflowError, DataError)  # for numbers that no column can hold
NUMERIC_ARGUMENTS = ("query", "cursor", "page", "page_size", "limit", "offset")


@contextmanager
def out_of_range_as_400(arguments: dict[str, Any]) -> Iterator[None]:
    """Turn an error about a number out of range into `ValidationError` (400)."""
    try:
        yield
    except OUT_OF_RANGE_ERRORS as error:
        message = [_("A number is out of range.")]
        if not (names := [name for name in NUMERIC_ARGUMENTS if name in arguments]):
            raise
        raise exceptions.ValidationError(dict.fromkeys(names, message)) from error


class GenericAsyncAPIConsumer(AsyncAPIConsumer):
    """A consumer of the rows of a model. Its methods query, so they are for `def` actions.

    Attributes:
        queryset: The rows; or override `get_queryset`.
        serializer_class: DRF's; or override `get_serializer_class`.
        lookup_field: The field to look rows up by.
        lookup_url_kwarg: The argument of an action with its value. `None`: `lookup_field`.
        filter_backends: DRF's or django-filter's. They see the frame's `query`, an object, as the
            query string.
    """

    queryset: Any = None
    serializer_class: Any = None
    lookup_field = "pk"
    lookup_url_kwarg: str | None = None
    filter_backends: Sequence[Any] = ()

    def get_queryset(self, **kwargs: Any) -> QuerySet[Any, Any]:
        """Return the rows for this action and this user."""
        if self.queryset is None:
            raise TypeError(f"Set {type(self).__name__}.queryset, or override its get_queryset().")
        return self.queryset.all()  # type: ignore[no-any-return]

    def filter_queryset(self, queryset: QuerySet[Any, Any], **kwargs: Any) -> QuerySet[Any, Any]:
        """Return `queryset`, filtered by the filter backends."""
        if self.filter_backends:
            request = self.request
            request.set_query_params(kwargs.get("query", {}))
            for backend in self.filter_backends:
                queryset = backend().filter_queryset(request, queryset, self)
        return queryset

    def get_object(self, **kwargs: Any) -> Any:
        """Return the row that `kwargs` name.

        Raises:
            ValidationError: 400, `kwargs` have no key.
            Http404: There is no such row.
            PermissionDenied: 403, a permission refuses the row.
        """
        key = self.lookup_url_kwarg or self.lookup_field
        if key not in kwargs:
            raise exceptions.ValidationError({key: [_("This argument is required.")]})
        value = kwargs[key]
        if isinstance(value, bool) or not isinstance(value, str | int) or "\0" in str(value):
            raise Http404
        try:
            row = get_object_or_404(filtered_rows(self, kwargs), **{self.lookup_field: value})
        except (TypeError, ValueError, ValidationError, *OUT_OF_RANGE_ERRORS) as error:
            raise Http404 from error
        check: Any = self.check_object_permissions
        await_in_thread(check(self.request, row))
        return row

    def check_object_permissions(self, request: Any, obj: Any) -> None:
        """Raise `PermissionDenied` (403) if a permission refuses `obj`, as DRF does."""
        try:
            authorize_object(self.action_context, self, obj)
        except exceptions.PermissionDenied as error:
            raise self._authentication.adapt_error(error)  # noqa: B904 - it has its cause

    def get_serializer(
        self, *args: Any, action_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """Return a serializer, made with `args` and `kwargs`.

        `action_kwargs` are the arguments of the action. `None`: of the action that is running. As
        in djangochannelsrestframework they may be the first argument, if `instance` or `data` is
        named.
        """
        if args and type(args[0]) is dict and not kwargs.keys().isdisjoint(("instance", "data")):
            action_kwargs, *args = args  # type: ignore[assignment]
        arguments = action_kwargs or self.action_context.action_kwargs or {}
        serializer_class = call_hook(self.get_serializer_class, arguments=arguments)
        kwargs.setdefault("context", call_hook(self.get_serializer_context, arguments=arguments))
        return keep_fields(serializer_class(*args, **kwargs))

    def get_serializer_class(self, **kwargs: Any) -> Any:
        """Return the serializer class for this action; `self.action` is its name."""
        if self.serializer_class is None:
            name = type(self).__name__
            raise TypeError(f"Set {name}.serializer_class, or override its get_serializer_class().")
        return self.serializer_class

    def get_serializer_context(self, **kwargs: Any) -> dict[str, Any]:
        """Return the context of serializers."""
        return {"scope": self.scope, "consumer": self, "request": self.request, "view": self}


def filtered_rows(consumer: Any, kwargs: dict[str, Any]) -> Any:
    """Return the filtered rows of `consumer` for an action with the arguments `kwargs`."""
    queryset = call_hook(consumer.get_queryset, arguments=kwargs)
    return call_hook(consumer.filter_queryset, queryset, arguments=kwargs)


def serializer_for(consumer: Any, kwargs: dict[str, Any], **options: Any) -> Any:
    """Return the serializer of `consumer` for an action with the arguments `kwargs`.

    A `get_serializer` that names `action_kwargs` receives them. Any other, as in DRF, would pass
    them on to the serializer. So for any other they are in the action's context.
    """
    if "action_kwargs" in method_parameters(consumer.get_serializer, 0).names:
        return await_in_thread(consumer.get_serializer(action_kwargs=kwargs, **options))
    context = consumer.action_context
    before, context.action_kwargs = context.action_kwargs, kwargs
    try:
        return await_in_thread(consumer.get_serializer(**options))
    finally:
        context.action_kwargs = before
