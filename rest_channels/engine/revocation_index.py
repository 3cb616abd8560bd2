"""Keep the session, user and token of each connection current, and close it when one ends.

Every hub indexes its connections by session, user and token. Changes that Django signals reach
all hubs at once. A hub with such a connection reads the rows again, and the next event of the
connection waits for the result. All other changes are found by the heartbeat: an expired session,
`QuerySet.update`, or a command that was lost with the broker.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from ..client_logs import log_for_client
from ..exceptions import CloseCode
from .command_registry import command
from .connection_identity import Identity, evaluate_identity, identity_is_evaluated
from .deferred_ends import close_later
from .fanout import Member
from .hub import Hub, on_heartbeat
from .identity_checks import Ends, query, run_check, selected
from .identity_index import IdentityCheck, Kind, RevocationIndex
from .publish import broadcast_command
from .row_signals import watch_rows
from .socket_limits import limit_user

__all__ = [
    "RevocationIndex",
    "check_accounts",
    "check_connections",
    "close_connections",
    "forget_connection",
    "index_connection",
    "index_evaluated",
    "next_check",
    "recheck_related",
    "recheck_sessions",
    "recheck_users",
    "watch_related",
    "watch_tokens",
]

logger = logging.getLogger("rest_channels")


def index_connection(hub: Hub, connection: Member) -> None:
    """Watch the session, user and token that the scope of `connection` has now.

    What is lazy is evaluated in a thread before the next event of the connection.
    """
    index = hub.get_component(RevocationIndex)
    if connection.address not in hub.members:
        return  # it has ended
    if not identity_is_evaluated(connection.scope):
        check = next_check(index)
        check.unevaluated.add(connection)
        check.hold([connection])
    else:
        index_evaluated(index, connection)


def index_evaluated(index: RevocationIndex, connection: Member) -> None:
    """Watch what the scope of `connection` has, of which nothing is lazy."""
    identity = Identity(connection.scope, index.identities.get(connection))
    index.add(connection, identity)
    if identity.user is not None:
        limit_user(connection, index.users[identity.user])
    if identity.token is not None:
        watch_tokens(type(identity.token))
    while index.loaded:
        watch_related(index.loaded.pop())
    is_incomplete = identity.account is not None and not identity.account.is_complete
    if is_incomplete or index.is_being_read(connection):
        next_check(index).check_again(connection)
    for callback in connection.on_identity_changed:
        callback()
    if getattr(identity.session_object, "modified", False):  # it may get its key when it is saved
        index.hub.start_task(_index_again(index, connection, identity))


async def _index_again(index: RevocationIndex, connection: Member, identity: Identity) -> None:
    for wait in (connection.wait_for_handlers, connection.wait_for_detached):
        await wait()
        if index.identities.get(connection, identity) is not identity:
            return
        if identity.session_moved():
            index_connection(index.hub, connection)
            return


def forget_connection(hub: Hub, connection: Member) -> None:
    """Remove `connection` from the index."""
    hub.get_component(RevocationIndex).remove(connection)


# Ends that are known without asking the database.


@command("expire")
def close_connections(
    hub: Hub,
    sessions: list[str],
    users: list[str],
    code: int,
    reason: str,
    spared: str = "",
    partition: str | None = None,
) -> None:
    """Close the hub's connections of `sessions`, and those of `users` in `partition`.

    A connection that has given its session another key, or the one with the address `spared`,
    is closed only if it still has the session when its handlers have ended.
    """
    index = hub.get_component(RevocationIndex)
    index.note_changes(users=users, sessions=sessions)
    for connection in [found for key in users for found in index.users.get(key, ())]:
        if partition in (None, connection.partition):
            connection.close(code, reason)
    for key in sessions:
        end_session(index, list(index.sessions.get(key, ())), code, reason, spared)


def end_session(
    index: RevocationIndex,
    connections: Collection[Member],
    code: int = CloseCode.SESSION_ENDED,
    reason: str | None = None,
    spared: str = "",
) -> None:
    """Close `connections`, which have the same session, as `close_connections` does."""
    reason = _("Your session has ended.") if reason is None else reason
    by_object: dict[int, list[Member]] = {}
    for connection in connections:
        session = index.identities[connection].session_object
        by_object.setdefault(id(session), []).append(connection)
    for sharing in by_object.values():  # one connection, or the streams of one socket
        is_replaced = index.identities[sharing[0]].session_is_being_replaced()
        is_replaced = is_replaced or any(each.address == spared for each in sharing)
        for connection in sharing:
            close = partial(connection.close, code, reason)
            if is_replaced:
                close_later(index, connection, sharing, close, index_connection)
            else:
                close()


def end_login(index: RevocationIndex, connection: Member, by_handler: bool) -> None:
    """Close `connection`, whose session has lost the login of its user.

    If a handler of the connection has taken it out, then only once its handlers have ended, and
    have not logged the user in again.
    """
    identity, reason = index.identities[connection], _("Your session has ended.")

    def close() -> None:
        if identity.has_lost_login():
            connection.close(CloseCode.SESSION_ENDED, reason)

    if not by_handler and not identity.session_is_being_replaced():
        close()
        return
    found = index.sessions.get(identity.session or "", ())
    session = identity.session_object
    sharing = [each for each in found if index.identities[each].session_object is session]
    close_later(index, connection, sharing, close, index_connection)


async def _read_again(index: RevocationIndex, connection: Member, session: str) -> None:
    """Read a session again, whose login a handler has removed, once the handler has ended."""
    await connection.wait_for_handlers()
    _check_soon(index.hub, "sessions", [session])


# Changes whose consequences the database knows.


@command("recheck")
def recheck_users(hub: Hub, users: list[str]) -> None:
    """Read those `users` again that have connections here."""
    hub.get_component(RevocationIndex).note_changes(users=users)
    _check_soon(hub, "users", users)


@command("recheck_sessions")
def recheck_sessions(hub: Hub, sessions: list[str]) -> None:
    """Read those `sessions` again that have connections here."""
    hub.get_component(RevocationIndex).note_changes(sessions=sessions)
    _check_soon(hub, "sessions", sessions)


@command("recheck_tokens")
def recheck_tokens(hub: Hub, label: str, keys: list[str]) -> None:
    """Read those tokens again, rows of the model `label`, that have connections here."""
    _check_soon(hub, "tokens", [(label, key) for key in keys])


@command("recheck_related")
def recheck_related(hub: Hub, label: str, keys: list[str]) -> None:
    """Read users again who depend on these rows of the model `label`."""
    _check_soon(hub, "users", hub.get_component(RevocationIndex).users_with(label, keys))


def _check_soon(hub: Hub, kind: Kind, keys: Iterable[Any]) -> None:
    """Add those `keys` that have connections here to the next check, which holds their events."""
    index = hub.get_component(RevocationIndex)
    connections: dict[Any, set[Member]] = getattr(index, kind)
    for key in keys:
        if key in connections:
            check = next_check(index)
            getattr(check, kind).add(key)
            check.hold(connections[key])


def watch_tokens(model: Any) -> None:
    """Notice changed and deleted rows of `model`, whose instances authenticate connections."""
    watch_rows(model, "tokens", partial(broadcast_command, recheck_tokens))


def watch_related(model: Any) -> None:
    """Notice changed and deleted rows of `model`, which users or tokens have loaded."""
    watch_rows(model, "related", partial(broadcast_command, recheck_related))


# Checks run one after another, so that what an earlier query found replaces nothing newer.


def next_check(index: RevocationIndex) -> IdentityCheck:
    """Return the check that starts next. The changes of the meantime are added to it."""
    if index.next_check is None:
        index.next_check = IdentityCheck(index.hub.loop)
    if index.task is None or index.task.done() or index.task.cancelling():
        index.task = index.hub.start_task(_run_checks(index))
        index.task.add_done_callback(partial(_end_checks, index))
    return index.next_check


def _end_checks(index: RevocationIndex, task: asyncio.Task[None]) -> None:
    """Let nothing wait for a check that was not begun when the hub stopped."""
    if index.task is task and (check := index.next_check) is not None:
        index.next_check = None
        check.finish()


async def _run_checks(index: RevocationIndex) -> None:
    await asyncio.sleep(0)  # what changes together is checked together
    while (check := index.next_check) is not None:
        index.next_check, index.running_check = None, check
        try:
            await check_connections(index, check)
        finally:
            index.running_check = None
            check.finish()
            for callback in index.on_checked:
                callback(check.members)


async def check_connections(
    index: RevocationIndex, check: IdentityCheck, only: Member | None = None
) -> None:
    """Read again what `check` names, and apply it to its connections, or to `only` one."""
    try:
        for connection in selected(check.unevaluated, only):
            await query(connection.partition, evaluate_identity, connection.scope)
            if identity_is_evaluated(connection.scope):
                index_connection(index.hub, connection)
                if index.has_changed(connection, None):  # while it was in no index
                    check.outdated.add(connection)
        await run_check(index, check, Ends(end_session, end_login, _read_again), only)
        while index.loaded:
            watch_related(index.loaded.pop())
    except Exception as error:  # noqa: BLE001 - databases raise many kinds of errors
        text = "Cannot check what has changed. The next heartbeat tries again."
        log_for_client(logger, logging.ERROR, text, error=error)


@on_heartbeat
async def check_accounts(hub: Hub) -> None:
    """Close the connections whose session, user or token has ended, according to the database.

    Connections whose session or user has changed in another way see the change from then on.
    """
    index = hub.get_component(RevocationIndex)
    for connection, identity in list(index.identities.items()):
        if identity.session_moved() and identity.keeps_login():
            # Later, if a handler runs: it may not have inserted the row of the new key yet.
            hub.start_task(_index_again(index, connection, identity))
    if index.identities:
        check = next_check(index)
        check.everything = True
        await asyncio.wait({check.done})
