"""The connections of one hub by session, user and token, and the checks of those that changed."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Literal, get_args

from .connection_identity import Identity, TokenKey
from .fanout import Member
from .hub import Hub

__all__ = ["IdentityCheck", "Kind", "RevocationIndex"]

Kind = Literal["sessions", "users", "tokens"]
"""The attribute of an index with the connections by key, and of a check with keys to check."""


class IdentityCheck:
    """What is read again together, and the connections that wait for the result."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.sessions: set[str] = set()
        self.users: set[str] = set()
        self.tokens: set[TokenKey] = set()
        self.unevaluated: set[Member] = set()
        """Connections whose new user, session or token is lazy."""
        self.everything = False
        """Whether all sessions, users and tokens are checked, as the heartbeat does."""
        self.done: asyncio.Future[None] = loop.create_future()
        self._waiting: set[Member] = set()

    def hold(self, members: Iterable[Member]) -> None:
        """Let the next event of each of `members` wait for this check."""
        for member in members:
            member.identity_check = self.done
            self._waiting.add(member)

    @property
    def holds_events(self) -> bool:
        """Whether any connection waits for the result."""
        return bool(self._waiting)

    def finish(self) -> None:
        """Let the events that wait continue."""
        for member in self._waiting:
            if member.identity_check is self.done:
                member.identity_check = None
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
        self.running_check: IdentityCheck | None = None
        self.next_check: IdentityCheck | None = None
        self.task: asyncio.Task[None] | None = None

    def add(self, connection: Member, identity: Identity) -> None:
        """Index `connection` by what `identity` has."""
        self.remove(connection)
        if identity.is_empty:
            return
        self.identities[connection] = identity
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

    def _entries_of(self, identity: Identity) -> Iterable[tuple[dict[Any, set[Member]], Any]]:
        """Yield the dictionaries that contain `identity`, each with its key."""
        if identity.session is not None:
            yield self.sessions, identity.session
        if identity.user is not None:
            yield self.users, identity.user
        if identity.token_key is not None:
            yield self.tokens, identity.token_key
