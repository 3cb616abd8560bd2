"""Close connections whose session or user has ended.

Every hub indexes its connections by session and by user. Changes that Django signals reach all hubs
at once: logout, a session or user deleted, a user deactivated, a password changed. All other
changes are found by one query every `BEAT` seconds: an expired session, `QuerySet.update`, or a
revocation that was lost with the broker.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.utils.translation import gettext as _

from ..concurrency.execution import thread_lease
from ..exceptions import CloseCode
from .fanout import Member
from .hub import Hub, command, on_heartbeat

__all__ = [
    "check_accounts",
    "close_connections",
    "forget_connection",
    "index_connection",
    "recheck_users",
    "wait_for_checks",
]

logger = logging.getLogger("rest_channels")


class Identity:
    """The session, user and password hash of a connection."""

    __slots__ = ("password", "session", "user")

    def __init__(self, scope: dict[str, Any]) -> None:
        user = scope.get("user")
        self.session: str | None = getattr(scope.get("session"), "session_key", None)
        self.user = None if getattr(user, "pk", None) is None else str(user.pk)  # type: ignore[union-attr]
        self.password = getattr(user, "password", None) if self.user else None


class RevocationIndex:
    """The connections of one hub, by session and by user."""

    def __init__(self, hub: Hub) -> None:
        self.identities: dict[Member, Identity] = {}
        self.sessions: dict[str, set[Member]] = {}
        self.users: dict[str, set[Member]] = {}
        self.checks: set[asyncio.Task[Any]] = set()  # running, of users that have changed

    def entries_of(self, identity: Identity) -> Iterable[tuple[dict[str, set[Member]], str]]:
        """Yield the dictionaries that contain `identity`, each with its key."""
        if identity.session is not None:
            yield self.sessions, identity.session
        if identity.user is not None:
            yield self.users, identity.user


def index_connection(hub: Hub, connection: Member) -> Collection[Member]:
    """Close `connection` when its session or its user ends. Return the connections of its user.

    Call it again when the session or the user of the connection has changed.
    """
    forget_connection(hub, connection)
    identity = Identity(connection.scope)
    if identity.session is None and identity.user is None:
        return ()
    index = hub.get_component(RevocationIndex)
    index.identities[connection] = identity
    for connections, key in index.entries_of(identity):
        connections.setdefault(key, set()).add(connection)
    return () if identity.user is None else index.users[identity.user]


def forget_connection(hub: Hub, connection: Member) -> None:
    """Remove `connection` from the index."""
    index = hub.get_component(RevocationIndex)
    identity = index.identities.pop(connection, None)
    if identity is None:
        return
    for connections, key in index.entries_of(identity):
        connections[key].discard(connection)
        if not connections[key]:
            del connections[key]


@command("expire")
def close_connections(
    hub: Hub, sessions: list[str], users: list[str], code: int, reason: str
) -> None:
    """Close the hub's connections of `sessions` and `users`."""
    index = hub.get_component(RevocationIndex)
    for connections, keys in ((index.sessions, sessions), (index.users, users)):
        for connection in [found for key in keys for found in connections.get(key, ())]:
            connection.close(code, reason)


@command("recheck")
def recheck_users(hub: Hub, users: list[str]) -> None:
    """Check now the accounts of those `users` that have connections here."""
    index = hub.get_component(RevocationIndex)
    connected = [user for user in users if user in index.users]
    if connected:
        task = hub.start_task(check_accounts(hub, connected))
        index.checks.add(task)
        task.add_done_callback(index.checks.discard)


async def wait_for_checks(hub: Hub) -> None:
    """Wait until all running checks of changed users are done."""
    index = hub.get_component(RevocationIndex)
    if index.checks:
        await asyncio.wait(index.checks)


@on_heartbeat
async def check_accounts(hub: Hub, users: Iterable[str] | None = None) -> None:
    """Close the connections whose session or user has ended, according to the database.

    With `users` only these are checked, otherwise all users and all sessions.
    """
    index = hub.get_component(RevocationIndex)
    if not index.identities or not apps.is_installed("django.contrib.auth"):
        return
    from .account_status import account_status  # noqa: PLC0415 - importing it needs ready apps

    sessions = list(index.sessions) if users is None else []
    users = list(index.users) if users is None else list(users)
    try:
        async with thread_lease(urgent=True):
            status = await sync_to_async(account_status)(sessions, users)
    except Exception:  # databases raise many errors, and heartbeats must go on
        logger.exception("Cannot check sessions and users. The next heartbeat tries again.")
        return
    ended = [session for session in sessions if session not in status.sessions]
    inactive = [user for user in users if user not in status.passwords]
    close_connections(hub, ended, [], CloseCode.SESSION_ENDED, _("Your session has ended."))
    close_connections(
        hub, [], inactive, CloseCode.USER_INACTIVE, _("Your account is no longer active.")
    )
    for user in set(users) - set(inactive):
        _close_changed(index, user, status.passwords[user])


def _close_changed(index: RevocationIndex, user: str, password: str) -> None:
    """Close the connections of `user` that were opened with another password."""
    for connection in list(index.users.get(user, ())):
        if index.identities[connection].password not in (None, "", password):
            connection.close(CloseCode.PASSWORD_CHANGED, _("Your password has changed."))
