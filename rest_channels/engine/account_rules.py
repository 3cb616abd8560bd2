"""Decide whether a user may stay logged in, as Django decides it for the next HTTP request."""

import logging
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
from .loaded_rows import LoadedRows
from .related_rows import Renewal, errors_logged, private_names, renew

__all__ = ["Account", "has_own_rules", "is_computed", "read_accounts"]

logger = logging.getLogger("rest_channels")


class Account:
    """How the user of a connection has logged in, and whether the user was active then."""

    __slots__ = ("authenticated", "backend", "hash", "own", "password", "user", "was_active")

    def __init__(
        self, user: Any, login: Mapping[str, Any], authenticated: bool, before: "Account | None"
    ) -> None:
        self.user = user
        self.backend: str | None = login.get(BACKEND_SESSION_KEY)
        """The backend of the session in which the user has logged in."""
        self.authenticated = authenticated
        """Whether an authenticator of DRF has found the user."""
        self.own = private_names(vars(user).copy())
        """The private attributes that the user had when it was connected."""
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

    def with_backend(self, row: dict[str, Any], found: dict[Any, Any]) -> dict[str, Any] | None:
        """Return `row` with what an own `get_user` adds, or `None` if it does not find the user.

        `found` is what it has returned: each user is asked for once.
        """
        backend = _backends().get(path := self.backend or "")
        if backend is None or not _is_own(backend, "get_user"):
            return row
        key = path, self.user.pk
        if key not in found:
            found[key] = load_backend(path).get_user(self.user.pk)
        if found[key] is None:
            return None
        added = vars(found[key]).items()
        return {**{name: value for name, value in added if name[0] != "_"}, **row}

    def end(self, rules: "UserRules", row: Mapping[str, Any]) -> CloseCode | None:
        """Return the code to close the user with, whose row is `row` now, or `None`."""
        if not self._may_log_in(rules):
            return CloseCode.USER_INACTIVE
        if self.password not in (None, "", row.get("password")):
            return CloseCode.PASSWORD_CHANGED
        if self.hash is not None and not rules.accepts(self.hash):
            return CloseCode.PASSWORD_CHANGED
        return None

    def _may_log_in(self, rules: "UserRules") -> bool:
        """Return whether a login of the user would be accepted.

        If it is unknown which backend has logged the user in, any may accept the user. Inactive
        users who were accepted as such stay.
        """
        backends = _backends()
        backend = backends.get(path := self.backend or "")
        if backend is not None:
            if not (_is_own(backend, "get_user") or rules.may_log_in(path)):
                return False
            if not self.authenticated:
                return True
        if self.was_active is False or rules.is_active():
            return True
        return not self.authenticated and any(map(rules.may_log_in, backends))


class UserRules:
    """What code of the project says about one user. It may query, and is asked once."""

    def __init__(self, user: Any) -> None:
        self._user = user
        self._answers: dict[Any, bool] = {}

    def is_active(self) -> bool:
        """Return whether the user is active."""
        return self._ask(_is_active)

    def may_log_in(self, path: str) -> bool:
        """Return whether the backend with that path lets the user log in."""
        return self._ask(_allows, path)

    def accepts(self, hashed: str) -> bool:
        """Return whether a session with that hash of a login is one of the user."""
        return self._ask(_accepts, hashed)

    def _ask(self, question: Callable[..., bool], *args: str) -> bool:
        if (question, args) not in self._answers:
            self._answers[question, args] = question(self._user, *args)
        return self._answers[question, args]


def read_accounts(accounts: Sequence[Account]) -> list[CloseCode | Renewal | None]:
    """Read the users again. Return for each the code to close it with, or its renewal.

    Accounts with the same object as their user share the renewal. `None`: code of the project has
    raised an error for this user, which is logged and says nothing about the others. Call this in
    a thread.
    """
    key = user_model()._meta.pk.attname
    rows = queries.stored_columns([each.user for each in accounts], key)
    hidden = _hidden_users(accounts)
    stored: dict[Account, dict[str, Any] | None] = {}
    renewals: dict[int, Renewal] = {}
    found: dict[Any, Any] = {}
    rules: dict[Any, UserRules] = {}
    for account, columns in zip(accounts, rows, strict=True):
        with errors_logged(account.user):
            is_hidden = account.user.pk in hidden.get(account.user._state.db, ())
            row = None if columns is None or is_hidden else account.with_backend(columns, found)
            if row is not None:
                account.complete(row)
                renewals.setdefault(id(account.user), Renewal(account.user, row, account.own))
            stored[account] = row
    renew(renewals.values())
    for each in renewals.values():
        if each.fresh is not each.instance:
            each.loaded = LoadedRows(each.fresh, each.fresh)
    results: list[CloseCode | Renewal | None] = [None] * len(accounts)
    for number, account in enumerate(accounts):
        with errors_logged(account.user):
            if account in stored:
                renewal = renewals.get(id(account.user))
                results[number] = _verdict(account, stored[account], renewal, rules)
    return results


def _verdict(
    account: Account,
    row: dict[str, Any] | None,
    renewal: Renewal | None,
    rules: dict[Any, UserRules],
) -> CloseCode | Renewal:
    if row is None or renewal is None:
        return CloseCode.USER_INACTIVE
    user = account.user
    if not is_computed(type(user)):
        return account.end(UserRules(renewal.fresh), row) or renewal
    key = type(user), user._state.db, user.pk
    if key not in rules:
        rules[key] = UserRules(_instance(user, row))
    return account.end(rules[key], row) or renewal


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


def _backends() -> dict[str, type[Any]]:
    """Return the classes of the backends. Like Django, create one for each use of it."""
    return _load_backends(tuple(settings.AUTHENTICATION_BACKENDS))


@lru_cache(maxsize=8)
def _load_backends(paths: tuple[str, ...]) -> dict[str, type[Any]]:
    found = {}
    for path in paths:
        try:
            found[path] = type(load_backend(path))
        except Exception:  # a process that only saves rows, and has no LDAP, must not fail
            logger.exception("Cannot load %r of AUTHENTICATION_BACKENDS.", path)
    return found


def _is_own(backend: type[Any], name: str) -> bool:
    """Return whether a backend has a method that is not one of Django's."""
    module = getattr(getattr(backend, name, None), "__module__", "")
    return bool(module) and module != "django.contrib.auth.backends"


def _allows(user: Any, path: str) -> bool:
    backend = load_backend(path)
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
