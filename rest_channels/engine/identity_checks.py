"""Compare the identities of connections with the database, and apply what has changed there."""

import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any

from asgiref.sync import sync_to_async
from django.utils.translation import gettext as _

from ..concurrency.execution import thread_lease
from ..exceptions import CloseCode
from ..handshake.lazy_objects import unwrap
from . import account_status as queries
from .connection_identity import Identity, refresh_session, with_columns
from .fanout import Member
from .hub import Hub
from .identity_index import IdentityCheck, RevocationIndex

__all__ = ["check_all", "check_changed", "query"]

logger = logging.getLogger("rest_channels")

Close = Callable[[Hub, list[str], list[str], int, str], Any]
"""Closes the connections of sessions and users, with a close code and a reason."""


async def query(function: Callable[..., Any], *args: Any) -> Any:
    """Return what `function` reads, or `None` if the database does not answer."""
    try:
        async with thread_lease(urgent=True):
            return await sync_to_async(function)(*args)
    except Exception:  # databases raise many errors, and heartbeats must go on
        logger.exception("Cannot check sessions and users. The next heartbeat tries again.")
        return None


async def check_all(hub: Hub, index: RevocationIndex, close: Close) -> None:
    """Check all sessions, users and tokens. Read sessions again that have changed."""
    sessions = list(index.sessions)
    users = index.stored_users()
    status = await query(queries.account_status, sessions, users)
    if status is None:
        return
    ended = [session for session in sessions if session not in status.sessions]
    close(hub, ended, [], CloseCode.SESSION_ENDED, _("Your session has ended."))
    _close_ended_users(hub, index, users, status.passwords, close)
    await _refresh_users(index, users)
    await _close_deleted_tokens(index, list(index.tokens))
    _refresh_sessions(hub, index, status.contents)
    versions, index.session_versions = index.session_versions, status.versions
    changed = [key for key, value in status.versions.items() if versions.get(key) != value]
    await _read_sessions(hub, index, changed)


async def check_changed(
    hub: Hub, index: RevocationIndex, check: IdentityCheck, close: Close
) -> None:
    """Check the users and tokens of `check`, and read its sessions again."""
    users = [key for key in check.users if key in index.users and not key.startswith("\0")]
    if users:
        status = await query(queries.account_status, [], users)
        if status is not None:
            _close_ended_users(hub, index, users, status.passwords, close)
            await _refresh_users(index, users)
    await _close_deleted_tokens(index, check.tokens)
    await _read_sessions(hub, index, check.sessions)


def _close_ended_users(
    hub: Hub, index: RevocationIndex, users: list[str], passwords: dict[str, str], close: Close
) -> None:
    """Close the connections of users who are not active, or have another password now."""
    inactive = [user for user in users if user not in passwords]
    close(hub, [], inactive, CloseCode.USER_INACTIVE, _("Your account is no longer active."))
    for user in set(users) - set(inactive):
        for connection in list(index.users.get(user, ())):
            if index.identities[connection].password not in (None, "", passwords[user]):
                connection.close(CloseCode.PASSWORD_CHANGED, _("Your password has changed."))


async def _refresh_users(index: RevocationIndex, users: Iterable[str]) -> None:
    """Give connections a new copy of their user, if its row has changed."""
    keys: dict[type[Any], set[str]] = {}
    for user in users:
        for connection in index.users.get(user, ()):
            keys.setdefault(_model_of(index.identities[connection]), set()).add(user)
    columns = await query(queries.user_columns, keys) if keys else None
    for (model, user), row in (columns or {}).items():
        for connection in index.users.get(user, ()):
            identity = index.identities[connection]
            current = identity.user_object
            if unwrap(connection.scope.get("user")) is current and _model_of(identity) is model:
                identity.user_object = fresh = with_columns(current, row)
                if fresh is not current:
                    connection.scope.replace_user(fresh)


def _model_of(identity: Identity) -> type[Any]:
    model: type[Any] = identity.user_object._meta.concrete_model
    return model


async def _read_sessions(hub: Hub, index: RevocationIndex, keys: Collection[str]) -> None:
    if connected := [key for key in keys if key in index.sessions]:
        contents = await query(queries.session_contents, connected)
        _refresh_sessions(hub, index, contents or {})


def _refresh_sessions(
    hub: Hub, index: RevocationIndex, contents: dict[str, dict[str, Any]]
) -> None:
    """Give the data of sessions to connections. A `def` handler that runs keeps what it has."""
    for key, data in contents.items():
        for connection in index.sessions.get(key, ()):
            identity = index.identities[connection]
            identity.session_newest = data
            if connection.handler_lock.locked():
                hub.start_task(_refresh_later(connection, identity))
            else:
                refresh_session(identity)


async def _refresh_later(connection: Member, identity: Identity) -> None:
    async with connection.handler_lock:
        refresh_session(identity)


async def _close_deleted_tokens(
    index: RevocationIndex, tokens: Collection[tuple[str, str]]
) -> None:
    """Close the connections whose token is a row that was deleted."""
    rows: dict[type[Any], set[Any]] = {}
    identities: list[tuple[Member, Identity]] = []
    for token in tokens:
        for connection in index.tokens.get(token, ()):
            identity = index.identities[connection]
            identities.append((connection, identity))
            if identity.token is not None:
                rows.setdefault(identity.token[0], set()).add(identity.token[1])
    stored = await query(queries.existing_rows, rows) if rows else None
    if stored is None:
        return
    for connection, identity in identities:
        if identity.token not in stored and index.identities.get(connection) is identity:
            connection.close(CloseCode.UNAUTHENTICATED, _("Your token is no longer valid."))
