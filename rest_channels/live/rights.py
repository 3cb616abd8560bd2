"""The clients whose querysets have to be asked for again, because they may see other rows now.

The user of a connection, its session, token, groups and permissions are noticed by the index of
identities, which reads them again first. Groups, and the permissions of groups, are noticed here.
"""

import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import APIException

from ..engine.connection import Connection
from ..engine.hub import Hub
from ..engine.revocation_index import RevocationIndex
from .shared_query import SharedQuery
from .subscriptions import LiveSubscription, subscriptions_of

__all__ = ["RIGHTS", "Rights"]

logger = logging.getLogger("rest_channels")

RIGHTS = frozenset({"auth.group", "auth.group_permissions", "auth.permission"})
"""Models whose changes may change what any user may see."""

REJECTIONS = (APIException, Http404, PermissionDenied)
"""Errors of a project's `get_queryset` that end a subscription."""


class Rights:
    """The subscriptions of a hub whose querysets have to be asked for again.

    `wake` is called when there are some.
    """

    def __init__(self, hub: Hub, wake: Callable[[], None]) -> None:
        self._wake = wake
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

    async def ask(self) -> list[tuple[LiveSubscription, SharedQuery | Exception]]:
        """Return each subscription with its query now, or with the error that ends it."""
        outdated, self._outdated = [*self._outdated], {}
        return await sync_to_async(_find_queries)(outdated)


def _find_queries(
    subscriptions: Iterable[LiveSubscription],
) -> list[tuple[LiveSubscription, SharedQuery | Exception]]:
    found: list[tuple[LiveSubscription, SharedQuery | Exception]] = []
    for subscription in subscriptions:
        if subscription.ended:
            continue
        try:
            query = SharedQuery.of(subscription)
        except REJECTIONS as error:
            found.append((subscription, error))
        except Exception:
            name = subscription.request.consumer.__class__.__qualname__
            logger.exception("%s cannot tell which rows its client may see.", name)
        else:
            found.append((subscription, query))
    return found
