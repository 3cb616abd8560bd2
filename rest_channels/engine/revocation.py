"""Who may still be connected: a socket outlives neither its session nor its user.

Every hub knows its connections by session and by user. What Django signals (logout, a session or a
user deleted, a user deactivated, a password changed) reaches all hubs at once; what it does not (a
session that expires, `QuerySet.update`, a broker that was away) is found by one query each beat.
"""

import asyncio
import logging
from collections.abc import Hashable, Iterable
from typing import Any, Protocol

from asgiref.sync import sync_to_async
from django.apps import apps
from django.utils.translation import gettext as _

from ..concurrency.execution import thread_lease
from ..exceptions import CloseCode
from .hub import Hub, command, on_heartbeat

__all__ = [
    "check_accounts",
    "close_connections",
    "forget_connection",
    "index_connection",
    "recheck_users",
    "rechecked",
]

logger = logging.getLogger("rest_channels")


class RevocableConnection(Hashable, Protocol):
    """What is known here of a connection."""

    scope: dict[str, Any]

    def close(self, code: int = ..., reason: str = ...) -> Any:
        """End it."""


class Identity:
    """As whom somebody connected."""

    __slots__ = ("password", "session", "user")

    def __init__(self, scope: dict[str, Any]) -> None:
        user = scope.get("user")
        self.session: str | None = getattr(scope.get("session"), "session_key", None)
        self.user = None if getattr(user, "pk", None) is None else str(user.pk)  # type: ignore[union-attr]
        self.password = getattr(user, "password", None) if self.user else None


class RevocationIndex:
    """The connections of one hub, by what they stand on."""

    def __init__(self, hub: Hub) -> None:
        self.identities: dict[RevocableConnection, Identity] = {}
        self.sessions: dict[str, set[RevocableConnection]] = {}
        self.users: dict[str, set[RevocableConnection]] = {}
        self.checks: set[asyncio.Task[Any]] = set()
        """Those that were asked for, and have not been answered."""

    def index(
        self, identity: Identity
    ) -> Iterable[tuple[dict[str, set[RevocableConnection]], str]]:
        """Where `identity` stands in the books."""
        if identity.session is not None:
            yield self.sessions, identity.session
        if identity.user is not None:
            yield self.users, identity.user


def index_connection(hub: Hub, member: RevocableConnection) -> None:
    """See to it that `member` is closed when its session or its user ends.

    To be called again when it has become somebody else.
    """
    forget_connection(hub, member)
    identity = Identity(member.scope)
    if identity.session is None and identity.user is None:
        return
    books = hub.get_part(RevocationIndex)
    books.identities[member] = identity
    for book, key in books.index(identity):
        book.setdefault(key, set()).add(member)


def forget_connection(hub: Hub, member: RevocableConnection) -> None:
    """It has ended."""
    books = hub.get_part(RevocationIndex)
    identity = books.identities.pop(member, None)
    if identity is None:
        return
    for book, key in books.index(identity):
        book[key].discard(member)
        if not book[key]:
            del book[key]


@command("expire")
def close_connections(
    hub: Hub, sessions: list[str], users: list[str], code: int, reason: str
) -> None:
    """Close the hub's connections of these sessions and users."""
    books = hub.get_part(RevocationIndex)
    for book, keys in ((books.sessions, sessions), (books.users, users)):
        for member in [member for key in keys for member in book.get(key, ())]:
            member.close(code, reason)


@command("recheck")
def recheck_users(hub: Hub, users: list[str]) -> None:
    """Look at these users now."""
    books = hub.get_part(RevocationIndex)
    here = [user for user in users if user in books.users]
    if here:
        task = hub.start_task(check_accounts(hub, here))
        books.checks.add(task)
        task.add_done_callback(books.checks.discard)


async def rechecked(hub: Hub) -> None:
    """Wait until it is known whether those whose users have changed may stay."""
    books = hub.get_part(RevocationIndex)
    if books.checks:
        await asyncio.wait(books.checks)


@on_heartbeat
async def check_accounts(hub: Hub, users: Iterable[str] | None = None) -> None:
    """Close those whose session or user has ended, by the database's word.

    In: `users`, the only ones to look at (`None`: everybody, and every session).
    """
    books = hub.get_part(RevocationIndex)
    if not books.identities or not apps.is_installed("django.contrib.auth"):
        return
    from .account_status import account_status  # noqa: PLC0415 - it needs ready apps

    sessions = list(books.sessions) if users is None else []
    users = list(books.users) if users is None else list(users)
    try:
        async with thread_lease(urgent=True):
            found = await sync_to_async(account_status)(sessions, users)
    except Exception:  # a database fails in many ways, and an error here must not end the beats
        logger.exception("Cannot ask whether sessions and users are still good; at the next beat.")
        return
    ended = [session for session in sessions if session not in found.sessions]
    gone = [user for user in users if user not in found.passwords]
    close_connections(hub, ended, [], CloseCode.SESSION_ENDED, _("Your session has ended."))
    close_connections(
        hub, [], gone, CloseCode.USER_INACTIVE, _("Your account is no longer active.")
    )
    for user in set(users) - set(gone):
        _close_changed(books, user, found.passwords[user])


def _close_changed(books: RevocationIndex, user: str, password: str) -> None:
    for member in list(books.users.get(user, ())):
        if books.identities[member].password not in (None, "", password):
            member.close(CloseCode.PASSWORD_CHANGED, _("Your password has changed."))
