"""The clients whose querysets have to be asked for again, because they may see other rows now.

The user of a connection, its session, token, groups and permissions are noticed by the index of
identities, which reads them again first. Groups, and the permissions of groups, are noticed here.
"""

import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.db import Error as DatabaseError

from ..concurrency.timers import call_later
from ..engine.connection import Connection
from ..engine.hub import Hub
from ..engine.revocation_index import RevocationIndex
from .audiences import audience_key
from .shared_query import SharedQuery
from .subscriptions import LiveSubscription, subscriptions_of

__all__ = ["RETRY_TIME", "RIGHTS", "Rights", "keeps_place"]

logger = logging.getLogger("rest_channels")

RIGHTS = frozenset({"auth.group", "auth.group_permissions", "auth.permission"})
"""Models whose changes may change what any user may see."""

RETRY_TIME = 1.0
"""Seconds after which a query is read or asked for again if the database has not answered."""

Found = list[tuple[LiveSubscription, SharedQuery | Exception]]


class Rights:
    """The subscriptions of a hub whose querysets have to be asked for again.

    `wake` is called when there are some.
    """

    def __init__(self, hub: Hub, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._loop = hub.loop
        self._outdated: dict[LiveSubscription, None] = {}
        hub.get_component(RevocationIndex).on_checked.append(self._note_members)

    def __bool__(self) -> bool:
        return bool(self._outdated)

    def note(self, subscriptions: Iterable[LiveSubscription]) -> None:
        """Ask for the querysets of these subscriptions again."""
        before = len(self._outdated)
        self._outdated |= dict.fromkeys(subscriptions)
        if len(self._outdated) > before:
            self._wake()

    def note_connection(self, connection: Connection) -> None:
        """Ask for the querysets of a client again."""
        self.note(subscriptions_of(connection))

    def _note_members(self, members: Collection[Any]) -> None:
        for member in members:
            self.note_connection(cast(Connection, member))

    async def ask(self) -> Found:
        """Return each subscription with its query now, or with the error that ends it.

        Those that the database has not answered for are asked for again.
        """
        outdated, self._outdated = [*self._outdated], {}
        found: Found = []
        try:
            found, unanswered = await sync_to_async(_find_queries)(outdated)
        except Exception:
            logger.exception("It cannot be found out yet which rows clients may see.")
            unanswered = outdated
        if unanswered:
            call_later(self._loop, RETRY_TIME, partial(self.note, unanswered))
        return found


def keeps_place(subscription: LiveSubscription, query: SharedQuery) -> bool:
    """Return whether a client whose rows are those of `query` stays in its query and audience.

    Rows that only some clients see in this way are rendered anew: the user may be another one.
    """
    before: SharedQuery = subscription.query
    audience = before.audience_of(subscription)
    if before.key == query.key and audience is not None and not audience.is_shared:
        before.written = None
        return audience.key == audience_key(subscription)
    return before.key == query.key


def _find_queries(
    subscriptions: Iterable[LiveSubscription],
) -> tuple[Found, list[LiveSubscription]]:
    """Return what was found, and the subscriptions that the database has not answered for."""
    found: Found = []
    unanswered: list[LiveSubscription] = []
    for subscription in subscriptions:
        if subscription.ended:
            continue
        try:
            query = SharedQuery.of(subscription)
        except DatabaseError:
            name = subscription.request.consumer.__class__.__qualname__
            logger.exception("%s cannot tell yet which rows its client may see.", name)
            unanswered.append(subscription)
        except Exception as error:  # noqa: BLE001 - the client may see no rows, as in `list`
            found.append((subscription, error))
        else:
            found.append((subscription, query))
    return found, unanswered
