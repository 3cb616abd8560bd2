"""Live lists: `subscribe_list` of a consumer's own rows, and `live_query` for any other rows.

    class Notes(ObserverModelListMixin, ModelConsumer):
        queryset = Note.objects.order_by("title")
        serializer_class = NoteSerializer

The client receives the rows, and after each commit what differs, so that its list always equals the
queryset.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import orjson
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import ValidationError

from ..api_consumer import AsyncAPIConsumer
from ..concurrency.execution import run
from ..declarations.hints import LiveRows
from ..declarations.unsupported import refuse_options
from ..declarations.values import check_values
from ..decorators import action
from ..engine.connection import Connection
from ..exceptions import TooManySubscriptions
from ..live.keys import normalize_key, row_key
from ..live.lane import LiveLane
from ..live.shared_query import SharedQuery
from ..live.subscriptions import SUBSCRIPTIONS, LiveSubscription, subscriptions_of
from ..live.writes import capture_writes
from ..protocol.arguments import check_request_id
from ..renderers import Rendered, encode
from ..settings import api_settings
from .list_viewers import GenericViewer, LiveViewer, QueryViewer, Sharing

__all__ = ["LiveQuery", "ObserverModelListMixin", "check_reread", "end_subscriptions"]
__all__ += ["live_query", "subscribe"]

MAX_BYTES = 64 * 1024
"""How many bytes of a client's data the live lists of a connection may keep."""

Answer = tuple[Any, int]


async def subscribe(
    viewer: LiveViewer, owner: object, request_id: Any, have: Any, reread: float | None = None
) -> Rendered:
    """Subscribe the request of a viewer. Return the data of the reply.

    Raises `ValidationError` (400) for arguments that are missing or wrong, or if there are too many
    subscriptions or rows.
    """
    if request_id is None:
        raise ValidationError({"request_id": [_("This argument is required.")]})
    check_request_id(request_id)
    connection = viewer.consumer._connection
    subscriptions = _watched(connection)
    end_subscriptions(viewer.consumer, owner, request_id)  # it replaces what it had before
    request, lane = viewer.request, connection.hub.get_component(LiveLane)
    if len(subscriptions) >= api_settings.MAX_LIVE:
        raise TooManySubscriptions(api_settings.MAX_LIVE)
    if request.size + sum(each.request.size for each in subscriptions) > MAX_BYTES:
        raise TooManySubscriptions(MAX_BYTES, in_bytes=True)
    subscription = LiveSubscription(request, viewer, owner, reread)
    subscriptions[subscription] = None
    viewer.forget = partial(_forget, lane, subscriptions, subscription)
    try:
        query, tags = await run(_find_query, subscription, have)
        data: Rendered = await lane.subscribe(subscription, query, tags)
    except BaseException:
        viewer.forget()
        raise
    return data


def _forget(
    lane: LiveLane, subscriptions: dict[LiveSubscription, None], subscription: LiveSubscription
) -> None:
    """End a subscription that an error has ended."""
    subscriptions.pop(subscription, None)
    lane.unsubscribe(subscription)


def _find_query(
    subscription: LiveSubscription, have: Any
) -> tuple[SharedQuery, dict[Any, bytes] | None]:
    query = SharedQuery.of(subscription)
    return query, None if have is None else _tags_of(have, query.queryset.model)


def _tags_of(have: Any, model: Any) -> dict[Any, bytes]:
    """Return the tags that a client sends as `{key: tag}`. A tag that is none differs from all."""
    if not isinstance(have, dict) or len(have) > api_settings.MAX_LIVE_ROWS:
        raise ValidationError({"have": [_("Write an object of keys and tags.")]})
    try:
        tags = {_key(model, key): _tag(tag) for key, tag in have.items()}
        encode([*tags])  # those that are not in the list are sent back
    except (TypeError, ValueError) as error:
        raise ValidationError({"have": [_("Write an object of keys and tags.")]}) from error
    return tags


def _key(model: Any, text: str) -> Any:
    """Return a key that a client sends as text: the text of a composite key is a JSON list."""
    is_composite = len(model._meta.pk_fields) > 1
    return row_key(normalize_key(model, orjson.loads(text) if is_composite else text))


def _tag(text: Any) -> bytes:
    try:
        return bytes.fromhex(text)
    except (TypeError, ValueError):
        return b""


def _watched(connection: Connection) -> dict[LiveSubscription, None]:
    """Return the subscriptions of a connection, which end with it."""
    if SUBSCRIPTIONS not in connection.view_state:
        lane = connection.hub.get_component(LiveLane)
        connection.view_state[SUBSCRIPTIONS] = {}
        connection.on_ended += (partial(_end_all, connection),)
        connection.on_identity_changed += (partial(lane.rights.note_connection, connection),)
    return subscriptions_of(connection)


async def _end_all(connection: Connection) -> None:
    lane = connection.hub.get_component(LiveLane)
    for subscription in connection.view_state.pop(SUBSCRIPTIONS, ()):
        lane.unsubscribe(subscription)


def end_subscriptions(consumer: Any, owner: object, request_id: Any) -> None:
    """End the subscription of a request to `owner`; with `None`, those of all requests."""
    subscriptions = _watched(consumer._connection)
    lane = consumer._connection.hub.get_component(LiveLane)
    for subscription in [*subscriptions]:
        if subscription.owner is owner and subscription.request.is_of(request_id):
            del subscriptions[subscription]
            lane.unsubscribe(subscription)


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
        limit = cls.live_limit
        if limit is not None and (type(limit) is not int or limit < 1):
            raise TypeError(
                f"{cls.__name__}.live_limit = {limit!r}: write a number of rows, or None."
            )
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
        self, function: Callable[..., Any], sharing: Sharing, reread: float | None
    ) -> None:
        super().__init__(sharing.serializer_class)
        self.function = function
        self.sharing = sharing
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
        if not isinstance(self._consumer, AsyncAPIConsumer):
            raise TypeError(
                f"{type(self._consumer).__name__} has no actions: @live_query is for an "
                "AsyncAPIConsumer. A SocketRouter has @live."
            )
        viewer = QueryViewer(self._consumer, request_id, arguments, query.sharing, query.function)
        return await subscribe(viewer, query, request_id, have, query.reread)

    async def unsubscribe(self, *, request_id: Any = None) -> None:
        """End the subscription of a request; without an id, of all requests."""
        end_subscriptions(self._consumer, self._query, request_id)


def live_query(
    *, serializer_class: Any, reread: float | None = None, **options: Any
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
        reread: Seconds after which the rows are read again in any case. It is needed for a query
            that changes without a write, for example with time.
        **options: Raise `TypeError`.

    Raises:
        TypeError: An argument has a wrong type.
    """
    refuse_options("@live_query", options, ["serializer_class", "reread"])
    check_values("@live_query: ", {"serializer_class": serializer_class})
    check_reread("@live_query", reread)
    return lambda function: LiveQuery(function, Sharing(serializer_class), reread)


def check_reread(where: str, reread: Any) -> None:
    """Raise `TypeError` if `reread` is no number of seconds above 0, and not `None`."""
    is_number = isinstance(reread, int | float) and not isinstance(reread, bool)
    if reread is not None and not (is_number and reread > 0):
        raise TypeError(f"{where}(reread={reread!r}): write a number of seconds, or None.")
