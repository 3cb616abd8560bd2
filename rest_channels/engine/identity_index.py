"""The connections of one hub by session, user and token, and the checks of those that changed."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any, Literal, get_args

from ..handshake.identity import user_model
from .account_rules import has_own_rules
from .connection_identity import Identity, TokenKey
from .fanout import Member
from .hub import Hub
from .loaded_rows import LoadedRows

__all__ = ["IDENTITY_READ_AT", "IdentityCheck", "Kind", "RevocationIndex"]

Kind = Literal["sessions", "users", "tokens"]
"""The attribute of an index with the connections by key, and of a check with keys to check."""

IDENTITY_READ_AT = "rest_channels.identity_read_at"
"""The key of the scope with the time when its session and user began to be read."""

READING_TIME = 1.0
"""Seconds that reading a session and a user takes, if its beginning is unknown. If it takes longer,
the heartbeat finds what has changed meanwhile."""

CHANGES_KEPT = 10_000
"""Changes of sessions and users that are remembered, the latest of each."""


class IdentityCheck:
    """What is read again together, and the connections that wait for the result."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.sessions: set[str] = set()
        self.users: set[str] = set()
        self.tokens: set[TokenKey] = set()
        self.unevaluated: set[Member] = set()
        """Connections whose new user, session or token is lazy."""
        self.outdated: set[Member] = set()
        """Connections that are checked as the heartbeat does, not only what has changed."""
        self.everything = False
        """Whether all sessions, users and tokens are checked, as the heartbeat does."""
        self.done: asyncio.Future[None] = loop.create_future()
        self._waiting: set[Member] = set()

    def hold(self, members: Iterable[Member]) -> None:
        """Let the next event of each of `members`, and messages to it, wait for this check."""
        for member in members:
            member.begin_check(self.done)
            self._waiting.add(member)

    def check_again(self, member: Member) -> None:
        """Check all of `member`, some of which has changed while it was read, and hold it."""
        self.outdated.add(member)
        self.hold([member])

    def holds(self, member: Member) -> bool:
        """Return whether `member` waits for the result."""
        return member in self._waiting

    @property
    def members(self) -> frozenset[Member]:
        """The connections that wait for the result."""
        return frozenset(self._waiting)

    @property
    def holds_events(self) -> bool:
        """Whether any connection waits for the result."""
        return bool(self._waiting)

    def finish(self) -> None:
        """Let the events that wait continue."""
        for member in self._waiting:
            member.end_check(self.done)
        with suppress(asyncio.InvalidStateError):
            self.done.set_result(None)


class RevocationIndex:
    """The connections of one hub, by session, by user and by token."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.identities: dict[Member, Identity] = {}
        self.sessions: dict[str, set[Member]] = {}
        self.users: dict[str, set[Member]] = {}
        self.tokens: dict[TokenKey, set[Member]] = {}
        self.session_versions: dict[str, str] = {}  # as the last heartbeat has found them
        self.loaded: set[Any] = set()  # models of rows that users and tokens have loaded
        self._changes: OrderedDict[tuple[str, str | None], float] = OrderedDict()  # → when
        self.running_check: IdentityCheck | None = None
        self.next_check: IdentityCheck | None = None
        self.task: asyncio.Task[None] | None = None
        self.on_checked: list[Callable[[Collection[Member]], None]] = []
        """Called after each check with the connections that have waited for it, and with others
        when it has found that something of them has changed."""

    def add(self, connection: Member, identity: Identity) -> None:
        """Index `connection` by what `identity` has."""
        self.remove(connection)
        if identity.is_empty:
            return
        self.identities[connection] = identity
        self.note_loaded(identity)
        for connections, key in self._entries_of(identity):
            connections.setdefault(key, set()).add(connection)

    def remove(self, connection: Member) -> None:
        """Remove `connection`."""
        identity = self.identities.pop(connection, None)
        if identity is None:
            return
        for connections, key in self._entries_of(identity):
            connections[key].discard(connection)
            if not connections[key]:
                del connections[key]
        if identity.session is not None and identity.session not in self.sessions:
            self.session_versions.pop(identity.session, None)

    def note_loaded(self, identity: Identity, found: LoadedRows | None = None) -> None:
        """Note which rows the user and the token of a connection have loaded, of which models.

        `found`: those of one of them, if they are known already.
        """
        user, known = identity.user_object, {}
        for each in (*identity.loaded, *filter(None, [found])):
            known[id(each.instance)] = each
        instances = [user] if identity.account is not None else []
        if identity.token is not None:
            instances.append(identity.token)
        identity.loaded = tuple(known.get(id(each)) or LoadedRows(each, user) for each in instances)
        for loaded in identity.loaded:
            loaded.update()
            self.loaded |= loaded.models

    def note_renewed(self, member: Member) -> None:
        """Note that a check has found other values for `member`, which may not wait for it."""
        if member.identity_check is None:
            for callback in self.on_checked:
                callback([member])

    def is_being_read(self, member: Member) -> bool:
        """Return whether a check that runs now may have read an earlier identity of `member`."""
        check = self.running_check
        return check is not None and check.holds(member) and member not in check.unevaluated

    def users_with(self, label: str, keys: Collection[str]) -> set[str]:
        """Return the users of connections that have loaded such rows, or may be computed of them.

        Args:
            label: The label of a model.
            keys: Primary keys of its rows, as text.
        """
        model = user_model()
        everyone = model is not None and has_own_rules(model)
        found = set()
        for identity in self.identities.values():
            if identity.user is None or identity.account is None:
                continue
            if everyone or any(each.depends_on(label, keys) for each in identity.loaded):
                found.add(identity.user)
        return found

    def note_changes(self, *, sessions: Iterable[str] = (), users: Iterable[str] = ()) -> None:
        """Note that these change now, which a handshake may be reading."""
        now = time.monotonic()
        for change in (*(("session", key) for key in sessions), *(("user", key) for key in users)):
            self._changes[change] = now
            self._changes.move_to_end(change)
        while len(self._changes) > CHANGES_KEPT:
            self._changes.popitem(last=False)

    def has_changed(self, connection: Member, since: float | None) -> bool:
        """Return whether the session or the user of `connection` has changed since that time.

        `None`: the time when they began to be read is unknown.
        """
        if (identity := self.identities.get(connection)) is None:
            return False
        since = time.monotonic() - READING_TIME if since is None else since
        keys = ("session", identity.session), ("user", identity.user)
        return any(self._changes.get(key, since) > since for key in keys)

    def members_of(self, check: IdentityCheck) -> set[Member]:
        """Return the connections whose session, user or token is to be checked."""
        return {
            member
            for kind in get_args(Kind)
            for key in getattr(check, kind)
            for member in getattr(self, kind).get(key, ())
        }

    def checks(self) -> list[asyncio.Future[None]]:
        """Return what to wait for until all that has changed was read again."""
        checks = (self.running_check, self.next_check)
        return [check.done for check in checks if check is not None and check.holds_events]

    def checks_of(self, member: Member) -> list[IdentityCheck]:
        """Return the checks that `member` waits for, in order."""
        checks = (self.running_check, self.next_check)
        return [check for check in checks if check is not None and check.holds(member)]

    def _entries_of(self, identity: Identity) -> Iterable[tuple[dict[Any, set[Member]], Any]]:
        """Yield the dictionaries that contain `identity`, each with its key."""
        if identity.session is not None:
            yield self.sessions, identity.session
        if identity.user is not None:
            yield self.users, identity.user
        if identity.token_key is not None:
            yield self.tokens, identity.token_key
