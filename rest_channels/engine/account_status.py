"""Query which sessions and users of open connections are still valid."""

import logging
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import islice
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieStore
from django.core.cache import caches
from django.db import router
from django.db.models import CharField, QuerySet, Value
from django.db.models.functions import Cast
from django.utils import timezone

__all__ = ["AccountStatus", "account_status"]

logger = logging.getLogger("rest_channels")

BATCH_SIZE = 10_000
"""Sessions and users in one query: databases limit the number of parameters."""

SESSION, USER = "session", "user"


class AccountStatus(NamedTuple):
    """The sessions and users that are still valid."""

    sessions: set[str]
    """Keys of sessions that exist and have not expired."""
    passwords: dict[str, str]
    """Primary keys of active users, as text → the hashes of their passwords."""


def account_status(sessions: Iterable[str], users: Iterable[str]) -> AccountStatus:
    """Query keys of sessions and of users, in one query if both tables are in one database."""
    status = AccountStatus(set(), {})
    session_store = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(session_store, "get_model_class"):
        status.sessions.update(_sessions_without_table(session_store, list(sessions)))
        sessions = ()
    keys = iter([*((SESSION, key) for key in sessions), *((USER, key) for key in users)])
    while batch := list(islice(keys, BATCH_SIZE)):
        for kind, key, password in _query(session_store, batch):
            if kind == SESSION:
                status.sessions.add(key)
            else:
                status.passwords[_user_key(key)] = password
    return status


def _query(session_store: Any, batch: list[tuple[str, str]]) -> Iterator[Any]:
    session_keys = [key for kind, key in batch if kind == SESSION]
    user_keys = [key for kind, key in batch if kind == USER]
    queries = []
    if session_keys:
        sessions = session_store.get_model_class()._base_manager.filter(
            session_key__in=session_keys, expire_date__gt=timezone.now()
        )
        queries.append(_columns(sessions, SESSION, Value("")))
    if user_keys:
        users = get_user_model()._base_manager.filter(pk__in=user_keys)
        fields = {field.name for field in users.model._meta.get_fields()}
        if "is_active" in fields:
            users = users.filter(is_active=True)
        queries.append(_columns(users, USER, "password" if "password" in fields else Value("")))
    if len({router.db_for_write(query.model) for query in queries}) == 1:
        queries = [queries[0].union(*queries[1:], all=True)]
    for query in queries:
        yield from query.using(router.db_for_write(query.model))


def _columns(query: QuerySet[Any], kind: str, password: Any) -> QuerySet[Any, Any]:
    key = Cast("pk", CharField(max_length=255))
    return query.order_by().values_list(Value(kind, CharField()), key, password)


def _user_key(key: str) -> str:
    """Return a primary key as `str()` writes it: databases write a UUID differently."""
    return str(get_user_model()._meta.pk.to_python(key))


def _sessions_without_table(session_store: Any, keys: list[str]) -> Iterable[str]:
    """Return the valid ones of `keys`, or all of them if their store does not answer."""
    try:
        return _valid_sessions(session_store(), keys)
    except Exception:  # users are checked even if the store of sessions is down
        logger.exception("Cannot check sessions. The next heartbeat tries again.")
        return keys


def _valid_sessions(store: Any, keys: list[str]) -> Iterable[str]:
    if isinstance(store, SignedCookieStore):
        return keys  # clients keep them: the server cannot end them before they expire
    if isinstance(store, CacheStore):
        cached = {f"{store.cache_key_prefix}{key}": key for key in keys}
        return [cached[name] for name in caches[settings.SESSION_CACHE_ALIAS].get_many(cached)]
    return [key for key in keys if store.exists(key)]
