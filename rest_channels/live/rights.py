"""The clients whose querysets have to be asked for again, because they may see other rows now.

The user of a connection, its session, token, groups and permissions are noticed by the index of
identities, which reads them again first. Groups, and the permissions of groups, are noticed here.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial
from itertools import islice
from typing import Any, cast

from django.db import Error as DatabaseError

from ..client_logs import log_for_client
from ..concurrency.timers import call_later
from ..engine.connection import Connection
from ..engine.hub import Hub
from ..engine.revocation_index import RevocationIndex
from .audiences import audience_key
from .calls import Calls
from .shared_query import SharedQuery
from .subscriptions import LiveSubscription, subscriptions_of

__all__ = ["RETRY_TIME", "RIGHTS", "Rights", "keeps_place"]

logger = logging.getLogger("rest_channels")

RIGHTS = frozenset({"auth.group", "auth.group_permissions", "auth.permission"})
"""Models whose changes may change what any user may see."""

RETRY_TIME = 1.0
"""Seconds after which a query is read or asked for again if the database has not answered."""

Found = list[tuple[LiveSubscription, SharedQuery | Exception]]

Asked = list[LiveSubscription]

Then = Callable[[LiveSubscription, SharedQuery | Exception], None]

ASKING = "asking"
"""The kind of the calls that ask for querysets. Kinds with a dot are labels of models."""

AUDIT = "audit"
"""The kind of the calls that ask although nothing is known to have changed."""

CLIENTS_PER_CALL = 50
"""How many clients such a call asks for. All clients of a hub may be audited at once."""


class Rights:
    """The subscriptions of a hub whose querysets have to be asked for again.

    `wake` is called when there are some.
    """

    def __init__(self, hub: Hub, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._loop = hub.loop
        self._outdated: dict[LiveSubscription, None] = {}
        self._asked: set[LiveSubscription] = set()
        """Those that are being asked for. The database may have to be asked again."""
        self._to_audit: dict[LiveSubscription, None] = {}
        self._audited: set[LiveSubscription] = set()
        """Those that an audit asks for now, and whose rights have not changed since it began."""
        hub.get_component(RevocationIndex).on_checked.append(self._note_members)

    def __contains__(self, subscription: LiveSubscription) -> bool:
        """Return whether it is not known now which rows the client may see."""
        is_asked = subscription in self._outdated or subscription in self._asked
        return is_asked or subscription.connection.identity_check is not None

    def note(self, subscriptions: Iterable[LiveSubscription]) -> None:
        """Ask for the querysets of these subscriptions again."""
        outdated = dict.fromkeys(subscriptions)
        self._audited.difference_update(outdated)
        if not outdated.keys() <= self._outdated.keys():
            self._outdated |= outdated
            self._wake()

    def audit(self, subscriptions: Iterable[LiveSubscription]) -> None:
        """Ask for querysets although nothing is known to have changed. Clients are told meanwhile.

        One that is being asked for is not asked for once more.
        """
        self._to_audit |= {each: None for each in subscriptions if each not in self._audited}
        if self._to_audit:
            self._wake()

    def note_connection(self, connection: Connection) -> None:
        """Ask for the querysets of a client again."""
        self.note(subscriptions_of(connection))

    def _note_members(self, members: Collection[Any]) -> None:
        for member in members:
            self.note_connection(cast(Connection, member))

    def may_ask(self, calls: Calls) -> bool:
        """Return whether there is anything to ask for now. No client is asked about twice at once.

        `calls`: the calls that run.
        """
        is_outdated = calls.has_room(ASKING) and not self._outdated.keys() <= self._asked
        return is_outdated or (calls.has_room(AUDIT) and bool(self._to_audit))

    def ask(self, calls: Calls, then: Then) -> list[asyncio.Task[Any]]:
        """Ask in threads, and call `then` with each subscription and its query, or its error.

        Those that the database has not answered for are asked for again. Return the tasks that
        readings should wait for: those of clients that may see other rows.
        """
        tasks = self._ask_for_outdated(calls, then)
        self._ask_for_audits(calls, then)
        return tasks

    def _ask_for_outdated(self, calls: Calls, then: Then) -> list[asyncio.Task[Any]]:
        asked = [each for each in self._outdated if each not in self._asked]
        if not asked or not calls.has_room(ASKING):
            return []
        for subscription in asked:
            del self._outdated[subscription]
        self._asked.update(asked)

        def end(result: tuple[Found, Asked] | None) -> None:
            found, unanswered = ([], asked) if result is None else result
            self._asked.difference_update({*asked}.difference(unanswered))
            if unanswered:
                call_later(self._loop, RETRY_TIME, partial(self._ask_again, unanswered))
            for each in found:
                then(*each)

        return [calls.start(ASKING, _find_queries, asked, then=end)]

    def _ask_for_audits(self, calls: Calls, then: Then) -> None:
        while self._to_audit and calls.has_room(AUDIT):
            asked = [*islice(self._to_audit, CLIENTS_PER_CALL)]
            for subscription in asked:
                del self._to_audit[subscription]
            self._audited.update(asked)
            calls.start(AUDIT, _find_queries, asked, then=partial(self._has_audited, asked, then))

    def _has_audited(self, asked: Asked, then: Then, result: tuple[Found, Asked] | None) -> None:
        found, unanswered = ([], asked) if result is None else result
        valid = self._audited.intersection(asked)  # the rights of the others have changed since
        self._audited.difference_update(asked)
        if unanswered:
            call_later(self._loop, RETRY_TIME, partial(self.audit, unanswered))
        for subscription, query in found:
            if subscription in valid:
                then(subscription, query)

    def _ask_again(self, unanswered: Asked) -> None:
        self._asked.difference_update(unanswered)
        self._outdated |= dict.fromkeys(unanswered)
        self._wake()


def keeps_place(subscription: LiveSubscription, query: SharedQuery) -> bool:
    """Return whether a client whose rows are those of `query` stays in its query and audience.

    Rows that only some clients see in this way are rendered anew: the user may be another one. A
    reading that has begun before may have rendered them for the old one.
    """
    before: SharedQuery = subscription.query
    if before.key != query.key:
        return False
    audience, key = before.audience_of(subscription), audience_key(subscription)
    if key.is_shared:
        return True
    if audience is not None and not audience.is_shared:
        before.written = None
        if audience.key != key:
            return False
    return before.reading is None


def _find_queries(subscriptions: Asked) -> tuple[Found, Asked]:
    """Return what was found, and the subscriptions that the database has not answered for."""
    found: Found = []
    unanswered: Asked = []
    for subscription in subscriptions:
        if subscription.ended:
            continue
        try:
            query = SharedQuery.of(subscription)
        except DatabaseError as error:
            name = subscription.request.consumer.__class__.__qualname__
            text = "%s cannot tell yet which rows its client may see."
            log_for_client(logger, logging.ERROR, text, name, error=error)
            unanswered.append(subscription)
        except Exception as error:  # noqa: BLE001 - the client may see no rows, as in `list`
            found.append((subscription, error))
        else:
            found.append((subscription, query))
    return found, unanswered
