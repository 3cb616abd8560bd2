"""Live lists: `subscribe_list` of a consumer's own rows, and `live_query` for any other rows.

    class Notes(ObserverModelListMixin, ModelConsumer):
        queryset = Note.objects.order_by("title")
        serializer_class = NoteSerializer

The client receives the rows, and after each commit what differs, so that its list always equals the
queryset.
"""

from collections.abc import Callable
from functools import partial
from inspect import getattr_static, isfunction, signature
from typing import Any, ClassVar

from asgiref.sync import iscoroutinefunction
from rest_framework import status

from ..api_consumer import AsyncAPIConsumer
from ..declarations.hints import LiveRows
from ..declarations.unsupported import refuse_options
from ..declarations.values import check_values, is_seconds
from ..decorators import ACTION, DETACHED, action
from ..live.writes import capture_writes
from ..renderers import Rendered
from .action_viewers import GenericViewer, QueryViewer
from .list_subscriptions import end_subscriptions, subscribe
from .list_viewers import Sharing, Viewers

__all__ = ["LiveQuery", "ObserverModelListMixin", "check_options", "live_query"]

Answer = tuple[Any, int]

ROW_METHODS = ("get_queryset", "filter_queryset", "get_serializer", "check_object_permissions")
"""The methods of a consumer that `subscribe_list` calls."""


class ObserverModelListMixin:
    """Add `subscribe_list` and `unsubscribe_list` to a `GenericAsyncAPIConsumer`.

    `subscribe_list` takes the arguments of `get_queryset` and of the filters. The reply (201) has
    the `rows` and a tag of each. After each commit that changes them, a frame `diff` has what
    differs. With `have`, the keys and tags that a client has already, the reply has only that.

    Attributes:
        live_limit: The number of rows, from the first one on, unless the queryset has a limit.
            `None`: all, and `MAX_LIVE_ROWS` at most.
        viewers: A method `viewers(self, rows)`, which returns the key of each of these rows with
            the key of each user who may see it. So that not every user's list has to be read when
            a row is written, if each has a list of its own. `None`: there is no such method.
    """

    live_limit: ClassVar[int | None] = 200
    viewers: ClassVar[Callable[..., Any] | None] = None
    _list_sharing: ClassVar[Sharing]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _check_viewers(cls)
        _check_rows(cls)
        cls._list_sharing = GenericViewer.sharing_of(cls)
        capture_writes()

    @action()
    async def subscribe_list(
        self: Any, request_id: Any = None, have: Any = None, **kwargs: Any
    ) -> Answer:
        """Subscribe this request to the rows (201)."""
        viewer = GenericViewer(self, request_id, kwargs)
        data = await subscribe(viewer, ObserverModelListMixin, request_id, have)
        return data, status.HTTP_201_CREATED

    @action()
    async def unsubscribe_list(self: Any, request_id: Any = None, **kwargs: Any) -> Answer:
        """Unsubscribe this request (204); without an id, all requests."""
        end_subscriptions(self, ObserverModelListMixin, request_id)
        return None, status.HTTP_204_NO_CONTENT


class LiveQuery(LiveRows):
    """A function that returns a queryset, to which clients of its consumer can subscribe.

    An action that subscribes has it as `response`, so that schemas describe the rows.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        serializer_class: Any,
        viewers: Viewers | None,
        reread: float | None,
    ) -> None:
        super().__init__(serializer_class)
        self.function = function
        self.sharing = Sharing(serializer_class)
        self.viewers = viewers
        self.reread = reread

    def __set_name__(self, owner: type, name: str) -> None:
        capture_writes()

    def __get__(self, consumer: Any, owner: type) -> Any:
        return self if consumer is None else BoundLiveQuery(self, consumer)


class BoundLiveQuery:
    """A live query, bound to one consumer."""

    def __init__(self, query: LiveQuery, consumer: Any) -> None:
        self._query = query
        self._consumer = consumer

    async def subscribe(
        self, *, request_id: Any = None, have: Any = None, **arguments: Any
    ) -> Rendered:
        """Subscribe a request. Return the data of the reply: the rows, and a tag of each.

        Args:
            request_id: The id that the frames of this subscription carry.
            have: The keys and tags that the client has already: then the data is what differs.
            **arguments: The arguments of the function.

        Raises:
            ValidationError: (400) An argument is missing or wrong, or there are too many rows.
            TooManySubscriptions: (400) The connection has `MAX_LIVE` already, or their arguments
                take too much memory.
        """
        query = self._query
        viewer = QueryViewer(self._consumer, request_id, arguments, query)
        return await subscribe(viewer, query, request_id, have, query.reread)

    async def unsubscribe(self, *, request_id: Any = None) -> None:
        """End the subscription of a request; without an id, of all requests."""
        end_subscriptions(self._consumer, self._query, request_id)


def live_query(
    *,
    serializer_class: Any,
    viewers: Viewers | None = None,
    reread: float | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], LiveQuery]:
    """Let clients subscribe to the queryset that a method of a consumer returns.

        @live_query(serializer_class=NoteSerializer)
        def open(self, room):
            return Note.objects.filter(room=room, done=False)[:50]

        @action(response=open)
        async def watch_open(self, request_id, room):
            return await self.open.subscribe(room=room, request_id=request_id), 201

    Args:
        serializer_class: A DRF serializer class.
        viewers: A function `viewers(rows)`, which returns the key of each of these rows with the
            key of each user who may see it. So that not every user's list has to be read when a
            row is written, if each has a list of its own.
        reread: Seconds after which the rows are read again in any case. It is needed for a query
            that changes without a write, for example with time.
        **options: Raise `TypeError`.

    Raises:
        TypeError: An argument has a wrong type.
    """
    refuse_options("@live_query", options, ["serializer_class", "viewers", "reread"])
    check_options("@live_query", serializer_class, viewers, reread)

    def decorate(function: Callable[..., Any]) -> LiveQuery:
        is_marked = isinstance(function, classmethod | staticmethod)
        is_marked = is_marked or any(hasattr(function, mark) for mark in (ACTION, DETACHED))
        if is_marked or not callable(function):
            raise TypeError(
                f"@live_query is for a method with self and no other decorator, not {function!r}: "
                "an action subscribes its clients."
            )
        return LiveQuery(function, serializer_class, viewers, reread)

    return decorate


def _check_viewers(cls: type[ObserverModelListMixin]) -> None:
    """Raise `TypeError` if the attribute `viewers` of a consumer is no method that takes rows."""
    written, viewers = getattr_static(cls, "viewers"), cls.viewers
    if isfunction(written) and not iscoroutinefunction(written):
        viewers = partial(written, None)  # its self
    if viewers is not None and not _takes_rows(viewers):
        raise TypeError(
            f"{cls.__name__}.viewers = {written!r}: write a def that takes the rows, and returns "
            "pairs of keys: def viewers(self, rows)."
        )


def _check_rows(cls: type[Any]) -> None:
    """Raise `TypeError` for a consumer that has no queryset and no serializer."""
    missing = [name for name in ROW_METHODS if not hasattr(cls, name)]
    if missing and issubclass(cls, AsyncAPIConsumer):
        raise TypeError(
            f"{cls.__name__}.subscribe_list finds no {missing[0]}(): derive the class from "
            "GenericAsyncAPIConsumer or ModelConsumer."
        )


def check_options(where: str, serializer_class: Any, viewers: Any, reread: Any) -> None:
    """Raise `TypeError` for a wrong option of a live list that is declared `where`."""
    if serializer_class is None:
        raise TypeError(f"{where}(serializer_class=None): write a serializer class.")
    check_values(f"{where}: ", {"serializer_class": serializer_class})
    if viewers is not None and not _takes_rows(viewers):
        raise TypeError(
            f"{where}(viewers={viewers!r}): write a function that takes the rows, and returns "
            "pairs of keys: def viewers(rows)."
        )
    if reread is not None and not (is_seconds(reread) and reread):
        raise TypeError(f"{where}(reread={reread!r}): write a number of seconds, or None.")


def _takes_rows(viewers: Any) -> bool:
    """Return whether `viewers` is a function of one argument that can be called in a thread."""
    if not callable(viewers) or isinstance(viewers, type) or iscoroutinefunction(viewers):
        return False
    try:
        signature(viewers).bind(())
    except TypeError:
        return False
    return True
