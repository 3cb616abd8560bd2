"""Subscribe the requests of clients to live lists, and end their subscriptions."""

from functools import partial
from typing import Any

import orjson
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from ..concurrency.execution import run
from ..engine.connection import Connection
from ..engine.unconnected import is_connected
from ..exceptions import TooManySubscriptions
from ..live.audiences import Waiting, answer_to
from ..live.keys import normalize_key, row_key
from ..live.lane import LiveLane
from ..live.shared_query import SharedQuery
from ..live.subscriptions import SUBSCRIPTIONS, LiveSubscription, subscriptions_of
from ..protocol.arguments import check_request_id
from ..renderers import Rendered, encode
from ..settings import api_settings
from .list_viewers import ListViewer

__all__ = ["end_subscriptions", "subscribe"]

MAX_BYTES = 64 * 1024
"""How many bytes of a client's data the live lists of a connection may keep."""


async def subscribe(
    viewer: ListViewer, owner: object, request_id: Any, have: Any, reread: float | None = None
) -> Rendered:
    """Subscribe the request of a viewer. Return the data of the reply.

    Raises `ValidationError` (400) for arguments that are missing or wrong, or if there are too many
    subscriptions or rows.
    """
    if request_id is None:
        raise ValidationError({"request_id": [_("This argument is required.")]})
    check_request_id(request_id)
    connection = viewer.consumer._connection
    if not is_connected(connection):
        subscription = LiveSubscription(viewer.request, viewer, owner, reread)
        data: Rendered = await run(_answer_once, subscription, have)
        return data
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
        data = await lane.subscribe(subscription, query, tags)
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


def _answer_once(subscription: LiveSubscription, have: Any) -> Rendered:
    """Return the data of the reply to a consumer without a client, as in a unit test.

    Nothing follows: no client is subscribed.
    """
    query, tags = _find_query(subscription, have)
    waiting = Waiting(subscription, tags, None)
    query.waiting.append(waiting)
    reading = query.begin()
    query.read(reading)
    for _audience, error in reading.failed:
        raise error
    return answer_to(waiting, reading.renderings[0])


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
    if not is_connected(consumer._connection):
        return
    subscriptions = _watched(consumer._connection)
    lane = consumer._connection.hub.get_component(LiveLane)
    for subscription in [*subscriptions]:
        if subscription.owner is owner and subscription.request.is_of(request_id):
            del subscriptions[subscription]
            lane.unsubscribe(subscription)
