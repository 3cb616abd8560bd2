"""The session, user and token of one connection, as its scope has them now."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Model
from django.utils.functional import LazyObject

from ..handshake.identity import user_model
from ..handshake.lazy_objects import evaluate, is_evaluated, unwrap
from .account_rules import Account
from .live_sessions import LiveSession, data_differ, is_read, keep_live, read_stored
from .loaded_rows import LoadedRows

__all__ = [
    "ConnectionScope",
    "Identity",
    "TokenKey",
    "evaluate_identity",
    "identity_is_evaluated",
    "is_anonymous",
    "login_of",
    "note_session_values",
    "refresh_session",
    "stored_user_pk",
    "user_key",
]

IDENTITY_KEYS = ("user", "session", "auth")

_MISSING = object()

TokenKey = tuple[str, str]
"""The label of a model, and the primary key of one of its rows as text."""


class ConnectionScope(dict[str, Any]):
    """An ASGI scope that calls `changed(owner)` when its user, session or token is replaced."""

    __slots__ = ("changed", "owner")

    def __init__(self, scope: dict[str, Any]) -> None:
        super().__init__(scope)
        self.changed: Callable[[Any], None] | None = None
        self.owner: Any = None

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._report((key,))

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._report((key,))

    def __ior__(self, other: Any) -> "ConnectionScope":  # type: ignore[override,misc]
        self.update(other)
        return self

    def pop(self, key: str, *default: Any) -> Any:
        value = super().pop(key, *default)
        self._report((key,))
        return value

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        given = dict(*args, **kwargs)
        super().update(given)
        self._report(given)

    def replace(self, key: str, value: Any) -> None:
        """Set a newer copy of the same user or token, which is no change of the identity."""
        super().__setitem__(key, value)

    def _report(self, keys: Any) -> None:
        changed, owner = self.changed, self.owner  # the connection may end while a thread is here
        if changed is None or owner is None:
            return
        if any(key in keys for key in IDENTITY_KEYS):
            changed(owner)


def identity_is_evaluated(scope: dict[str, Any]) -> bool:
    """Return whether the user, session and token of `scope` can be used without a query."""
    for key in IDENTITY_KEYS:
        if not is_evaluated(scope.get(key)):
            return False
    session = unwrap(scope.get("session"))
    return not isinstance(session, SessionBase) or is_read(session)


def is_anonymous(scope: dict[str, Any]) -> bool:
    """Return whether there is no user, session or token in `scope` that could change or end.

    `False` for what is lazy, and for a session that gets its key when it is saved.
    """
    user, session = scope.get("user"), scope.get("session")
    if issubclass(type(user), LazyObject) or getattr(user, "pk", None) is not None:
        return False
    if session is not None:
        if issubclass(type(session), LazyObject) or getattr(session, "modified", False):
            return False
        if getattr(session, "session_key", None) is not None:
            return False
    return scope.get("auth") is None


def evaluate_identity(scope: dict[str, Any]) -> None:
    """Evaluate what is lazy in `scope`, and read the data of its session. Call this in a thread.

    The session of a key that does not exist keeps the key, so that it is found to have ended.
    """
    session = evaluate(scope.get("session"))
    if isinstance(session, SessionBase) and (key := session.session_key) is not None:
        read_stored(session)
        if session.session_key is None:
            session._session_key = key
    for name in IDENTITY_KEYS:
        evaluate(scope.get(name))


def user_key(user: Any) -> str | None:
    """Return a key of `user` that no user of another model has, or `None` for an anonymous one.

    The key of a row of the user model is its primary key as text.
    """
    if (pk := getattr(user, "pk", None)) is None:
        return None
    if (stored := stored_user_pk(user)) is not None:
        return str(stored)
    kind = type(user)
    if issubclass(kind, Model):
        return f"\0{kind._meta.concrete_model._meta.label_lower}:{pk}"  # type: ignore[union-attr]
    return f"\0{kind.__module__}.{kind.__qualname__}:{pk}"


def stored_user_pk(user: Any) -> Any:
    """Return the primary key of `user` in the table of the user model; `None` for all others."""
    model = user_model()
    if model is None or not isinstance(user, model):
        return None
    return getattr(user, model._meta.pk.attname)


class Identity:
    """The session, user, account and token of a connection, when it was indexed.

    `token` is a token that is a row, and `token_key` its key in the index. Other tokens are `None`.
    """

    __slots__ = (
        "account",
        "loaded",
        "session",
        "session_known",
        "session_newest",
        "session_object",
        "session_read_at",
        "token",
        "token_key",
        "user",
        "user_object",
    )

    def __init__(self, scope: dict[str, Any], before: "Identity | None" = None) -> None:
        self.user_object = unwrap(scope.get("user"))
        self.user = user_key(self.user_object)
        self.session_object = unwrap(scope.get("session"))
        self.account = self._account(scope, before) if self.is_stored_user else None
        keep_live(self.session_object)
        self.session: str | None = getattr(self.session_object, "session_key", None)
        token = unwrap(scope.get("auth"))
        self.token: Any = None
        self.token_key: TokenKey | None = None
        if isinstance(token, Model) and token.pk is not None:
            self.token = token
            model: Any = token._meta.concrete_model
            self.token_key = model._meta.label_lower, str(token.pk)
        self.loaded: tuple[LoadedRows, ...] = ()
        """Which rows the user and the token have loaded."""
        self.session_newest: dict[str, Any] | None = None
        """What the store had at the last check. It may wait for a handler to end."""
        self.session_read_at = 0.0
        self.session_known: dict[str, Any] | None = getattr(self.session_object, "_stored", None)
        """What the store had when what depends on the session was read last."""

    def _account(self, scope: dict[str, Any], before: "Identity | None") -> Account:
        """Return how the user has logged in. A token says nothing about the session."""
        session, login = self.session_object, {}
        has_session = isinstance(session, SessionBase) and scope.get("auth") is None
        if has_session and login_of(session) == self.user:
            login = vars(session)["_session_cache"]
        finder = getattr(scope.get("authentication"), "successful_authenticator", None)
        same = before.account if before is not None and before.user == self.user else None
        return Account(self.user_object, login, finder is not None, same)

    @property
    def is_stored_user(self) -> bool:
        """Whether the user is a row of the user model."""
        return self.user is not None and not self.user.startswith("\0")

    @property
    def is_empty(self) -> bool:
        return self.session is None and self.user is None and self.token is None

    def session_moved(self) -> bool:
        """Return whether the session object has another key now, for example after a login."""
        return getattr(self.session_object, "session_key", None) != self.session

    def keeps_login(self) -> bool:
        """Return whether the session under its new key has the login of the same user."""
        if getattr(self.session_object, "session_key", None) is None:
            return self.user is None
        return self.user is None or login_of(self.session_object) == self.user

    def has_removed_login(self) -> bool:
        """Return whether a handler has taken the login of the user out of the session."""
        is_of_session = self.account is not None and self.account.backend is not None
        return is_of_session and login_of(self.session_object) != self.user

    def has_lost_login(self) -> bool:
        """Return whether others have taken the login of the user out of the session.

        The store decides, and not only the session of the connection: a handler that logs a user
        in or out may not have saved it yet.
        """
        if self.account is None or self.account.backend is None or self.session_newest is None:
            return False
        stored, own = self.session_newest.get(SESSION_KEY), login_of(self.session_object)
        return self.user not in (own, None if stored is None else str(stored))

    def session_is_being_replaced(self) -> bool:
        """Return whether a handler of the connection seems to delete the session, or its key.

        Django's `flush()` clears the data, deletes the row, and removes the key, in this order.
        """
        session = self.session_object
        if self.session_moved() or getattr(session, "is_deleted", False):
            return True
        is_cleared = vars(session).get("_session_cache", _MISSING) == {}
        return bool(is_cleared and session.modified)


def login_of(session: SessionBase) -> str | None:
    """Return the key of the user of `session`; `None` without a login, or if it is not read yet."""
    login = (vars(session).get("_session_cache") or {}).get(SESSION_KEY)
    return None if login is None else str(login)


def refresh_session(identity: Identity) -> bool:
    """Give the session what its store had at the last check, except for changes of its own.

    Return `False` if the session was saved meanwhile, so that it has to be read once more.
    """
    session, stored = identity.session_object, identity.session_newest
    if stored is None or identity.session_moved() or not isinstance(session, LiveSession):
        return True
    return session.follow(stored, identity.session_read_at)


def note_session_values(identity: Identity) -> bool:
    """Note what the store had at the last check. Return whether it had other values before."""
    known, newest = identity.session_known, identity.session_newest
    identity.session_known = newest
    return newest is not None and (known is None or data_differ(known, newest))
