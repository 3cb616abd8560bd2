"""`GenericAsyncAPIConsumer`: a queryset, a serializer, a lookup; as DRF's `GenericAPIView`.

The mixins of `rest_channels.mixins` make actions of it. What an action's client sent is passed on
to every method here that takes it: `get_queryset(self, **kwargs)` sees all of it, and
`get_queryset(self)` nothing. No key of a client's ever becomes a lookup: only `lookup_field` is.
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
from .actions.hooks import call_hook
from .api_consumer import AsyncAPIConsumer
from .concurrency.execution import await_in_thread
from .protocol.arguments import method_parameters

__all__ = ["GenericAsyncAPIConsumer", "filtered_rows", "out_of_range_as_400", "serializer_for"]

OUT_OF_RANGE_ERRORS = (OverflowError, DataError)
"""What databases raise for numbers that none of their columns holds."""

EXPECTED_ERRORS = ("query", "cursor", "page", "page_size", "limit", "offset")


@contextmanager
def out_of_range_as_400(arguments: dict[str, Any]) -> Iterator[None]:
    """The block that looks for rows. Raises `ValidationError` (400) for a number out of range."""
    try:
        yield
    except OUT_OF_RANGE_ERRORS as error:
        wishes = {
            name: [_("A number is out of range.")] for name in EXPECTED_ERRORS if name in arguments
        }
        if not wishes:
            raise
        raise exceptions.ValidationError(wishes) from error


class GenericAsyncAPIConsumer(AsyncAPIConsumer):
    """A consumer of the rows of a model. Its methods query, so they are for `def` actions.

    `lookup_url_kwarg` is the name under which frames give what is looked up (`None`:
    `lookup_field`). `filter_backends` are DRF's or django-filter's; they see the frame's `query`,
    an object, as the query string.
    """

    queryset: Any = None
    serializer_class: Any = None
    lookup_field = "pk"
    lookup_url_kwarg: str | None = None
    filter_backends: Sequence[Any] = ()

    def get_queryset(self, **kwargs: Any) -> QuerySet[Any, Any]:
        """The rows there are, for this action and this user."""
        if self.queryset is None:
            raise TypeError(f"Set {type(self).__name__}.queryset, or override its get_queryset().")
        return self.queryset.all()  # type: ignore[no-any-return]

    def filter_queryset(self, queryset: QuerySet[Any, Any], **kwargs: Any) -> QuerySet[Any, Any]:
        """`queryset`, as the filter backends leave it."""
        if self.filter_backends:
            request = self.request
            request.set_query_params(kwargs.get("query", {}))
            for backend in self.filter_backends:
                queryset = backend().filter_queryset(request, queryset, self)
        return queryset

    def get_object(self, **kwargs: Any) -> Any:
        """The row that `kwargs` name. Raises `ValidationError` (400), `Http404`, and 403.

        403 where it is there, but a permission says that it is not for this user.
        """
        key = self.lookup_url_kwarg or self.lookup_field
        if key not in kwargs:
            raise exceptions.ValidationError({key: [_("This argument is required.")]})
        value = kwargs[key]
        if isinstance(value, bool) or not isinstance(value, str | int) or "\0" in str(value):
            raise Http404
        try:
            found = get_object_or_404(filtered_rows(self, kwargs), **{self.lookup_field: value})
        except (
            TypeError,
            ValueError,
            ValidationError,
            *OUT_OF_RANGE_ERRORS,
        ) as error:  # no value for a field
            raise Http404 from error
        check: Any = self.check_object_permissions
        await_in_thread(check(self.request, found))
        return found

    def check_object_permissions(self, request: Any, obj: Any) -> None:
        """Raise `PermissionDenied` (403) if a permission refuses `obj`, as DRF does."""
        try:
            authorize_object(self.action_context, self, obj)
        except exceptions.PermissionDenied as error:
            raise self._authentication.adapt_error(error) from error

    def get_serializer(
        self, *args: Any, action_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """A serializer. In: its own arguments; `action_kwargs`, what the action was sent."""
        sent = action_kwargs or self.action_context.action_kwargs or {}
        serializer_class = call_hook(self.get_serializer_class, arguments=sent)
        kwargs.setdefault("context", call_hook(self.get_serializer_context, arguments=sent))
        return serializer_class(*args, **kwargs)

    def get_serializer_class(self, **kwargs: Any) -> Any:
        """The class of serializer for this action: `self.action` is its name."""
        if self.serializer_class is None:
            raise TypeError(
                f"Set {type(self).__name__}.serializer_class, or override its "
                "get_serializer_class()."
            )
        return self.serializer_class

    def get_serializer_context(self, **kwargs: Any) -> dict[str, Any]:
        """What serializers may look at."""
        return {"scope": self.scope, "consumer": self, "request": self.request, "view": self}


def filtered_rows(consumer: Any, kwargs: dict[str, Any]) -> Any:
    """The rows that the consumer shows for what an action was sent, filtered; in a thread."""
    queryset = call_hook(consumer.get_queryset, arguments=kwargs)
    return call_hook(consumer.filter_queryset, queryset, arguments=kwargs)


def serializer_for(consumer: Any, kwargs: dict[str, Any], **options: Any) -> Any:
    """`get_serializer` for what an action was sent, in a thread.

    An override that names `action_kwargs` is given them. Others, as DRF has them, would hand them
    to a serializer: they are not, and the method that they override finds them in `asked`.
    """
    if "action_kwargs" in method_parameters(consumer.get_serializer, 0).names:
        return await_in_thread(consumer.get_serializer(action_kwargs=kwargs, **options))
    context = consumer.action_context
    before, context.action_kwargs = context.action_kwargs, kwargs
    try:
        return await_in_thread(consumer.get_serializer(**options))
    finally:
        context.action_kwargs = before
