"""Decide whether a user may stay logged in, as Django decides it for the next HTTP request."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from inspect import getattr_static
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, load_backend
from django.core.exceptions import SynchronousOnlyOperation
from django.db import router
from django.db.models.manager import BaseManager
from django.db.models.query_utils import DeferredAttribute
from django.utils.crypto import constant_time_compare

from ..exceptions import CloseCode
from ..handshake.identity import user_model
from . import account_status as queries
from .related_rows import Renewal, renew

__all__ = ["Account", "has_own_rules", "is_computed", "read_accounts"]


class Account:
    """How the user of a connection has logged in, and whether the user was active then."""

    __slots__ = ("authenticated", "backend", "hash", "password", "user", "was_active")

    def __init__(
        self, user: Any, login: Mapping[str, Any], authenticated: bool, before: "Account | None"
    ) -> None:
        self.user = user
        self.backend: str | None = login.get(BACKEND_SESSION_KEY)
        """The backend of the session in which the user has logged in."""
        self.authenticated = authenticated
        """Whether an authenticator of DRF has found the user."""
        self.password: str | None = vars(user).get("password")
        self.hash: str | None = None
        """The hash of the login, if the project computes it."""
        if before is None:
            self.was_active = _unless_queried(_is_active, user)
        else:
            self.was_active = before.was_active
        if _has_own_hash(user):
            self.hash = login.get(HASH_SESSION_KEY) or _unless_queried(_hash_of, user)

    @property
    def is_complete(self) -> bool:
        """Whether all could be found out without a query."""
        return self.was_active is not None and (
            self.hash is not None or not _has_own_hash(self.user)
        )

    def complete(self, row: Mapping[str, Any]) -> None:
        """Find out what needs a query. Call this in a thread."""
        if self.password is None:
            self.password = row.get("password")
        if self.was_active is None:
            self.was_active = _is_active(self.user)
        if self.hash is None and _has_own_hash(self.user):
            self.hash = _hash_of(self.user)

    def ask_backend(self) -> dict[str, Any] | None:
        """Return the attributes of the user that an own `get_user` finds, or `None` without one."""
        backend = _backends().get(self.backend or "")
        if backend is None or not _is_own(backend, "get_user"):
            return {}
        found = backend.get_user(self.user.pk)
        if found is None:
            return None
        return {name: value for name, value in vars(found).items() if name[0] != "_"}

    def end(self, user: Any, row: Mapping[str, Any]) -> CloseCode | None:
        """Return why `user`, who has that row now, may not stay, or `None`."""
        if not self._may_log_in(user):
            return CloseCode.USER_INACTIVE
        if self.password not in (None, "", row.get("password")):
            return CloseCode.PASSWORD_CHANGED
        if self.hash is not None and not _accepts(user, self.hash):
            return CloseCode.PASSWORD_CHANGED
        return None

    def _may_log_in(self, user: Any) -> bool:
        """Return whether a login of `user` would be accepted.

        If it is unknown which backend has logged the user in, any may accept the user. Inactive
        users who were accepted as such stay.
        """
        backends = _backends()
        backend = backends.get(self.backend or "")
        if backend is not None:
            if not (_is_own(backend, "get_user") or _allows(backend, user)):
                return False
            if not self.authenticated:
                return True
        if self.was_active is False or _is_active(user):
            return True
        return not self.authenticated and any(_allows(each, user) for each in backends.values())


def read_accounts(accounts: Sequence[Account]) -> list[CloseCode | Renewal]:
    """Read the users again. Return for each why it may not stay, or its renewal.

    Accounts with the same object as their user share the renewal. Call this in a thread.
    """
    rows = _rows_of(accounts)
    stored = {each: row for each, row in zip(accounts, rows, strict=True) if row is not None}
    renewals: dict[int, Renewal] = {}
    for account, row in stored.items():
        account.complete(row)
        if id(account.user) not in renewals:
            renewals[id(account.user)] = Renewal(account.user, row)
    renew(renewals.values())
    computed = {kind: is_computed(kind) for kind in {type(each.user) for each in accounts}}
    results: list[CloseCode | Renewal] = []
    for account in accounts:
        if account not in stored:
            results.append(CloseCode.USER_INACTIVE)
            continue
        renewal, row = renewals[id(account.user)], stored[account]
        is_plain = not computed[type(account.user)]
        user = renewal.fresh if is_plain else _instance(account.user, row)
        results.append(account.end(user, row) or renewal)
    return results


def _rows_of(accounts: Sequence[Account]) -> list[dict[str, Any] | None]:
    """Return the columns of each user, with what its backend adds, or `None` if it is gone."""
    key = user_model()._meta.pk.attname
    rows = queries.stored_columns([each.user for each in accounts], key)
    hidden = _hidden_users(accounts)
    found: list[dict[str, Any] | None] = []
    for account, row in zip(accounts, rows, strict=True):
        is_gone = row is None or account.user.pk in hidden.get(account.user._state.db, ())
        added = None if is_gone else account.ask_backend()
        found.append(None if row is None or added is None else {**added, **row})
    return found


def _hidden_users(accounts: Iterable[Account]) -> dict[Any, set[Any]]:
    """Return the keys of users whom their model's default manager does not find, by database.

    Django's `get_user` uses it. For a manager that has no queryset of its own nothing is queried.
    """
    manager = user_model()._default_manager
    if type(manager).get_queryset is BaseManager.get_queryset:
        return {}
    by_database: dict[Any, list[Any]] = {}
    for account in accounts:
        if account.backend in _backends():
            by_database.setdefault(account.user._state.db, []).append(account.user)
    hidden = {}
    for database, users in by_database.items():
        using = router.db_for_write(manager.model, instance=users[0])
        keys = {user.pk for user in users}
        rows = manager.using(using).filter(pk__in=keys).order_by()
        hidden[database] = keys.difference(rows.values_list("pk", flat=True))
    return hidden


def is_computed(model: type[Any]) -> bool:
    """Return whether code of the project decides if a user is active, or what a login's hash is."""
    is_active = getattr_static(model, "is_active", True)
    if not isinstance(is_active, bool | DeferredAttribute) or _has_own_hash(model):
        return True
    return any(_is_own(each, "user_can_authenticate") for each in _backends().values())


def has_own_rules(model: type[Any]) -> bool:
    """Return whether code of the project decides if a user of `model` may stay logged in."""
    return is_computed(model) or any(_is_own(each, "get_user") for each in _backends().values())


def _backends() -> dict[str, Any]:
    return _load_backends(tuple(settings.AUTHENTICATION_BACKENDS))


@lru_cache(maxsize=8)
def _load_backends(paths: tuple[str, ...]) -> dict[str, Any]:
    return {path: load_backend(path) for path in paths}


def _is_own(backend: Any, name: str) -> bool:
    """Return whether a backend has a method that is not one of Django's."""
    module = getattr(getattr(type(backend), name, None), "__module__", "")
    return bool(module) and module != "django.contrib.auth.backends"


def _allows(backend: Any, user: Any) -> bool:
    return hasattr(backend, "user_can_authenticate") and bool(backend.user_can_authenticate(user))


def _is_active(user: Any) -> bool:
    return bool(getattr(user, "is_active", True))


def _has_own_hash(user: Any) -> bool:
    """Return whether `user`, or a class, computes the hash of a login in its own way."""
    names = ("get_session_auth_hash", "_get_session_auth_hash")
    methods = [method for name in names if (method := getattr(user, name, None)) is not None]
    return any(each.__module__ != "django.contrib.auth.base_user" for each in methods)


def _hash_of(user: Any) -> str:
    return user.get_session_auth_hash()  # type: ignore[no-any-return]


def _accepts(user: Any, hashed: str) -> bool:
    """Return whether a session with that hash is one of `user`."""
    fallbacks = getattr(user, "get_session_auth_fallback_hash", tuple)
    if constant_time_compare(hashed, _hash_of(user)):
        return True
    return any(constant_time_compare(hashed, each) for each in fallbacks())


def _instance(user: Any, row: Mapping[str, Any]) -> Any:
    """Return another instance of the user, for which nothing is cached."""
    names = [field.attname for field in user._meta.concrete_fields]
    return type(user).from_db(user._state.db, names, [row[name] for name in names])


def _unless_queried(function: Callable[[Any], Any], user: Any) -> Any:
    """Return what `function` returns for `user`, or `None` if it queries the database."""
    try:
        return function(user)
    except SynchronousOnlyOperation:
        return None
