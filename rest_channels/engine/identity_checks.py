"""Compare the identities of connections with the database, and apply what has changed there."""

import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.utils.translation import gettext as _

from ..client_logs import log_for_client
from ..concurrency.execution import thread_lease
from ..exceptions import CloseCode
from ..handshake.lazy_objects import unwrap
from ..partitions import activated
from . import account_status as queries
from .account_rules import Account, read_accounts
from .connection_identity import Identity, note_session_values, refresh_session
from .fanout import Member
from .identity_index import IdentityCheck, RevocationIndex
from .related_rows import Renewal, errors_logged, renew

__all__ = ["Ends", "query", "run_check", "selected"]

logger = logging.getLogger("rest_channels")


class Ends(NamedTuple):
    """What closes connections, once their handlers have ended if these have caused it."""

    end_session: Callable[[RevocationIndex, Collection[Member]], None]
    """Called for the connections of a session that has ended."""
    end_login: Callable[[RevocationIndex, Member, bool], None]
    """Called for a connection whose session has lost the login of its user."""
    read_again: Callable[[RevocationIndex, Member, str], Coroutine[Any, Any, None]]
    """Reads a session once more when the handlers of the connection have ended."""


async def query(partition: str, function: Callable[..., Any], *args: Any) -> Any:
    """Return what `function` reads in `partition`, or `None` if the database does not answer."""

    def read() -> Any:
        with activated(partition):
            return function(*args)

    try:
        async with thread_lease(urgent=True):
            return await sync_to_async(read)()
    except Exception as error:  # noqa: BLE001 - databases raise many, and heartbeats must go on
        text = "Cannot check sessions and users. The next heartbeat tries again."
        log_for_client(logger, logging.ERROR, text, error=error)
        return None


async def run_check(
    index: RevocationIndex,
    check: IdentityCheck,
    ends: Ends,
    only: Member | None = None,
) -> None:
    """Check what `check` names, in the partition of each connection, or of `only` one."""
    everything = set(index.identities) if check.everything else check.outdated
    for checked in _by_partition(index, ends, selected(everything, only)):
        await checked.check_all()
    if not check.everything:
        for checked in _by_partition(index, ends, selected(index.members_of(check), only)):
            await checked.check_changed(check)


def selected(members: set[Member], only: Member | None) -> set[Member]:
    """Return `members`, or of these `only` one."""
    return members if only is None else members & {only}


def _by_partition(
    index: RevocationIndex, ends: Ends, members: Iterable[Member]
) -> list["PartitionCheck"]:
    partitions: dict[str, dict[Member, Identity]] = {}
    for member in members:
        if (identity := index.identities.get(member)) is not None:
            partitions.setdefault(member.partition, {})[member] = identity
    return [PartitionCheck(index, ends, *partition) for partition in partitions.items()]


class PartitionCheck:
    """A check of connections of one partition, whose identities were these when it began."""

    def __init__(
        self,
        index: RevocationIndex,
        ends: Ends,
        partition: str,
        identities: Mapping[Member, Identity],
    ) -> None:
        self._index = index
        self._ends = ends
        self._partition = partition
        self._identities = identities
        self._began_at = time.monotonic()

    async def check_all(self) -> None:
        """Check all sessions, users and tokens. Read sessions again that have changed."""
        sessions: dict[str, list[Member]] = {}
        for member, identity in self._identities.items():
            if identity.session is not None:
                sessions.setdefault(identity.session, []).append(member)
        users = self._stored_users(self._identities)
        status = await self._query(queries.account_status, list(sessions), users)
        if status is None:
            return
        for key in sessions.keys() - status.sessions:
            self._ends.end_session(self._index, self._still_in(key, sessions[key]))
        await self._check_users(self._identities, status)
        await self._check_tokens(self._identities)
        self._refresh_sessions(status.contents)
        versions = self._index.session_versions
        changed = [key for key, value in status.versions.items() if versions.get(key) != value]
        connected = self._index.sessions.keys() & status.versions.keys()
        versions.update({key: status.versions[key] for key in connected})
        await self._read_sessions(changed)

    async def check_changed(self, check: IdentityCheck) -> None:
        """Check the users and tokens of `check`, and read its sessions again."""
        found = self._identities.items()
        tokens = [member for member, identity in found if identity.token_key in check.tokens]
        # Users first: a client whose token was deleted with its user learns the reason.
        members = [member for member, identity in found if identity.user in check.users] + tokens
        if users := self._stored_users(members):
            status = await self._query(queries.account_status, [], users)
            if status is not None:
                await self._check_users(members, status)
        await self._check_tokens(members)
        await self._read_sessions(check.sessions)

    async def _query(self, function: Callable[..., Any], *args: Any) -> Any:
        return await query(self._partition, function, *args)

    def _is_current(self, member: Member) -> bool:
        """Return whether `member` still has the identity that is checked."""
        return self._index.identities.get(member) is self._identities[member]

    def _still_in(self, key: str, members: Iterable[Member]) -> list[Member]:
        """Return those of `members` that have not ended or got another session meanwhile."""
        connected = self._index.sessions.get(key, ())
        return [member for member in members if member in connected]

    def _stored_users(self, members: Iterable[Member]) -> set[str]:
        identities = map(self._identities.__getitem__, members)
        return {each.user for each in identities if each.user and each.account is not None}

    # Users.

    async def _check_users(self, members: Iterable[Member], status: queries.AccountStatus) -> None:
        """Close connections whose user may not be logged in any more. Renew other users."""
        accounts: dict[Member, Account] = {}
        for member in members:
            identity = self._identities[member]
            account = identity.account
            if account is None or not self._is_current(member):
                continue
            is_here = account.user._state.db in (None, status.database)
            if is_here and identity.user not in status.passwords:
                member.close(CloseCode.USER_INACTIVE, _reason(CloseCode.USER_INACTIVE, account))
            else:
                accounts[member] = account
        found = await self._query(read_accounts, [*accounts.values()]) if accounts else None
        for (member, account), result in zip(accounts.items(), found or (), strict=False):
            if result is None or not self._is_current(member):
                continue
            if isinstance(result, Renewal):
                self._renew_user(member, account, result)
            else:
                member.close(result, _reason(result, account))

    def _renew_user(self, member: Member, account: Account, renewal: Renewal) -> None:
        if unwrap(member.scope.get("user")) is renewal.instance:
            fresh = account.user = self._identities[member].user_object = renewal.finish()
            if fresh is not renewal.instance:
                member.scope.replace("user", fresh)
            self._index.note_loaded(self._identities[member], renewal.loaded)
            if renewal.is_changed:
                self._index.note_renewed(member)

    # Tokens.

    async def _check_tokens(self, members: Iterable[Member]) -> None:
        """Close connections whose token is a row that was deleted. Follow the other rows."""
        tokens = {
            member: token
            for member in members
            if (token := self._identities[member].token) is not None
        }
        found = await self._query(_read_tokens, [*tokens.values()]) if tokens else None
        if found is None:
            return
        for member, token in tokens.items():
            if not self._is_current(member):
                continue
            if id(token) in found.gone:
                _close_without_token(member)
            elif (renewal := found.renewals.get(id(token))) is not None:
                await self._replace_token(member, self._identities[member], renewal)

    async def _replace_token(self, member: Member, identity: Identity, renewal: Renewal) -> None:
        """Authenticate again, if columns of the token have changed. Else renew its related rows.

        A token that no authenticator has found is replaced by a copy with the new columns.
        """
        authentication = member.scope.get("authentication")
        is_authenticated = getattr(authentication, "token", None) is identity.token
        if is_authenticated and renewal.is_changed:
            if await self._query(authentication.repeat) is False and self._is_current(member):
                _close_without_token(member)
            return
        identity.token = fresh = renewal.finish()
        if is_authenticated:
            authentication.token = fresh
        member.scope.replace("auth", fresh)
        self._index.note_loaded(identity)
        if renewal.is_changed:
            self._index.note_renewed(member)

    # Sessions.

    async def _read_sessions(self, keys: Collection[str]) -> None:
        connected = {identity.session for identity in self._identities.values()}
        if read := connected.intersection(keys):
            self._refresh_sessions(await self._query(queries.session_contents, read) or {})

    def _refresh_sessions(self, contents: Mapping[str, dict[str, Any]]) -> None:
        """Give the data of sessions to connections. A `def` handler that runs keeps what it has."""
        for member, identity in self._identities.items() if contents else ():
            content = contents.get(identity.session or "")
            if content is None or not self._is_current(member):
                continue
            identity.session_newest, identity.session_read_at = content, self._began_at
            if member.call_queue.handler_lock.locked():
                self._index.hub.start_task(self._refresh_later(member, identity))
            else:
                self._refresh(member, identity)

    async def _refresh_later(self, member: Member, identity: Identity) -> None:
        async with member.call_queue.handler_lock:
            self._refresh(member, identity)

    def _refresh(self, member: Member, identity: Identity) -> None:
        with errors_logged(identity.session_object):
            by_handler, key = identity.has_removed_login(), identity.session or ""
            if not refresh_session(identity):  # the next heartbeat reads it again
                self._index.session_versions.pop(key, None)
                if by_handler:
                    self._index.hub.start_task(self._ends.read_again(self._index, member, key))
            elif self._is_current(member):
                if note_session_values(identity):
                    self._index.note_renewed(member)
                if identity.has_lost_login():
                    self._ends.end_login(self._index, member, by_handler)


class Tokens(NamedTuple):
    """What was found for tokens. One whose row has raised an error is in neither."""

    gone: set[int]
    """The `id` of those that are deleted."""
    renewals: dict[int, Renewal]
    """The `id` of each that may have changed → its renewal."""


def _read_tokens(tokens: list[Any]) -> Tokens:
    found = Tokens(set(), {})
    for token, row in zip(tokens, queries.stored_columns(tokens), strict=True):
        if row is None:
            found.gone.add(id(token))
            continue
        with errors_logged(token):
            renewal = Renewal(token, row)
            if renewal.fresh is not token:
                found.renewals[id(token)] = renewal
    renew(found.renewals.values())
    return found


def _reason(code: CloseCode, account: Account) -> str:
    if code is CloseCode.USER_INACTIVE:
        return _("Your account is no longer active.")
    return (
        _("Your password has changed.")
        if account.hash is None
        else _("Your login is no longer valid.")
    )


def _close_without_token(member: Member) -> None:
    member.close(CloseCode.UNAUTHENTICATED, _("Your token is no longer valid."))
