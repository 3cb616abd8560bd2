"""The session, user and token of one connection, as its scope has them now."""

from collections.abc import Callable
from copy import copy, deepcopy
from functools import cached_property
from inspect import getattr_static
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Model
from django.utils.functional import LazyObject
from django.utils.functional import cached_property as django_cached_property

from ..handshake.identity import user_model
from ..handshake.lazy_objects import evaluate, is_evaluated, unwrap

__all__ = [
    "ConnectionScope",
    "Identity",
    "TokenKey",
    "evaluate_identity",
    "identity_is_evaluated",
    "is_anonymous",
    "login_of",
    "refresh_session",
    "user_key",
    "with_columns",
]

IDENTITY_KEYS = ("user", "session", "auth")

CACHES = ("_perm_cache", "_user_perm_cache", "_group_perm_cache", "_prefetched_objects_cache")
"""The attributes in which Django keeps what it has read for a user."""

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
    if not isinstance(session, SessionBase) or session.session_key is None:
        return True
    return "_session_cache" in vars(session)


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
    _user, session, _auth = [evaluate(scope.get(key)) for key in IDENTITY_KEYS]
    if isinstance(session, SessionBase) and (key := session.session_key) is not None:
        session.keys()
        if session.session_key is None:
            session._session_key = key


def user_key(user: Any) -> str | None:
    """Return a key of `user` that no user of another model has, or `None` for an anonymous one.

    The key of a row of the user model is its primary key as text.
    """
    if (pk := getattr(user, "pk", None)) is None:
        return None
    model = user_model()
    if model is not None and isinstance(user, model):
        return str(getattr(user, model._meta.pk.attname))
    kind = type(user)
    if issubclass(kind, Model):
        return f"\0{kind._meta.concrete_model._meta.label_lower}:{pk}"  # type: ignore[union-attr]
    return f"\0{kind.__module__}.{kind.__qualname__}:{pk}"


class Identity:
    """The session, user, password hash and token of a connection, when it was indexed.

    `token` is a token that is a row, and `token_key` its key in the index. Other tokens are `None`.
    """

    __slots__ = (
        "password",
        "session",
        "session_data",
        "session_newest",
        "session_object",
        "token",
        "token_key",
        "user",
        "user_object",
    )

    def __init__(self, scope: dict[str, Any], before: "Identity | None" = None) -> None:
        self.user_object = unwrap(scope.get("user"))
        self.user = user_key(self.user_object)
        stored = self.is_stored_user
        self.password = getattr(self.user_object, "password", None) if stored else None
        self.session_object = unwrap(scope.get("session"))
        self.session: str | None = getattr(self.session_object, "session_key", None)
        token = unwrap(scope.get("auth"))
        self.token: Any = None
        self.token_key: TokenKey | None = None
        if isinstance(token, Model) and token.pk is not None:
            self.token = token
            model: Any = token._meta.concrete_model
            self.token_key = model._meta.label_lower, str(token.pk)
        self.session_data: dict[str, Any] | None = None
        """What the store had when the session was read from it, or `None` if that is unknown."""
        self.session_newest: dict[str, Any] | None = None
        """What the store had at the last check. It may wait for a handler to end."""
        if before is not None and before.session_object is self.session_object:
            self.session_data = before.session_data
        elif self.session is not None and not getattr(self.session_object, "modified", True):
            self.session_data = deepcopy(vars(self.session_object).get("_session_cache"))

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

    def session_is_being_replaced(self) -> bool:
        """Return whether a handler of the connection seems to give the session another key.

        Django's `flush()` clears the data, deletes the row, and removes the key, in this order.
        """
        session = self.session_object
        if self.session_moved():
            return True
        is_cleared = vars(session).get("_session_cache", _MISSING) == {}
        return bool(is_cleared and session.modified)


def login_of(session: SessionBase) -> str | None:
    """Return the key of the user of `session`; `None` without a login, or if it is not read yet."""
    login = (vars(session).get("_session_cache") or {}).get(SESSION_KEY)
    return None if login is None else str(login)


def with_columns(user: Any, columns: dict[str, Any]) -> Any:
    """Return `user` if it has these columns, else a copy with them.

    The copy keeps the attributes that middleware has set. What Django has cached for the user, such
    as related rows and permissions, is dropped. Columns that `user` has not loaded stay deferred.
    """
    attributes = vars(user)
    loaded = {name: value for name, value in columns.items() if name in attributes}
    if all(attributes[name] == value for name, value in loaded.items()):
        return user
    fresh = user.__class__.__new__(user.__class__)
    vars(fresh).update({name: value for name, value in attributes.items() if name not in CACHES})
    for name in attributes:
        kind = getattr_static(type(user), name, None)
        if isinstance(kind, cached_property | django_cached_property):
            vars(fresh).pop(name, None)
    fresh._state = copy(user._state)
    fresh._state.fields_cache = {}
    for name, value in loaded.items():
        setattr(fresh, name, value)
    return fresh


def refresh_session(identity: Identity) -> None:
    """Give the session the data of its store, unless it has changes that are not saved yet."""
    session, stored = identity.session_object, identity.session_newest
    if stored is None or identity.session_moved():
        return
    if session.modified and not _changes_are_saved(identity, stored):
        return
    session.modified = False
    session._session_cache = deepcopy(stored)
    identity.session_data = stored


def _changes_are_saved(identity: Identity, stored: dict[str, Any]) -> bool:
    """Return whether `stored` has every value that the connection has changed in its session."""
    session, before = identity.session_object, identity.session_data
    serializer = session.serializer()
    try:
        data = serializer.loads(serializer.dumps(session._session))
    except (TypeError, ValueError):  # it cannot be saved
        return False
    if before is None:
        return bool(data == stored)
    return all(
        data.get(name, _MISSING) == stored.get(name, _MISSING)
        for name in data.keys() | before.keys()
        if data.get(name, _MISSING) != before.get(name, _MISSING)
    )
