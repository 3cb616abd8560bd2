"""What the database says of sessions and users that were good when somebody connected."""

import logging
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import islice
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.cache import SessionStore as Cached
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.core.cache import caches
from django.db import router
from django.db.models import CharField, QuerySet, Value
from django.db.models.functions import Cast
from django.utils import timezone

__all__ = ["AccountStatus", "account_status"]

logger = logging.getLogger("rest_channels")

AT_ONCE = 10_000
"""How many sessions and users one query asks for; databases bound their parameters."""

SESSION, USER = "session", "user"


class AccountStatus(NamedTuple):
    """What still holds."""

    sessions: set[str]
    """Keys of sessions that exist and have not expired."""
    passwords: dict[str, str]
    """Primary keys of active users, as text → their passwords' hashes."""


def account_status(sessions: Iterable[str], users: Iterable[str]) -> AccountStatus:
    """Ask for all of them in one query, where both are tables of one database."""
    found = AccountStatus(set(), {})
    session_store = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(session_store, "get_model_class"):
        found.sessions.update(_kept_elsewhere(session_store, list(sessions)))
        sessions = ()
    asked = iter([*((SESSION, key) for key in sessions), *((USER, key) for key in users)])
    while some := list(islice(asked, AT_ONCE)):
        for kind, key, password in _rows(session_store, some):
            if kind == SESSION:
                found.sessions.add(key)
            else:
                found.passwords[_text(key)] = password
    return found


def _rows(session_store: Any, some: list[tuple[str, str]]) -> Iterator[Any]:
    keys = {kind: [key for one, key in some if one == kind] for kind in (SESSION, USER)}
    queries = []
    if keys[SESSION]:
        model = session_store.get_model_class()
        now = timezone.now()
        alive = model._base_manager.filter(session_key__in=keys[SESSION], expire_date__gt=now)
        queries.append(_columns(alive, SESSION, Value("")))
    if keys[USER]:
        active = get_user_model()._base_manager.filter(pk__in=keys[USER])
        columns = {field.name for field in active.model._meta.get_fields()}
        if "is_active" in columns:
            active = active.filter(is_active=True)
        queries.append(_columns(active, USER, "password" if "password" in columns else Value("")))
    if len({router.db_for_write(query.model) for query in queries}) == 1:
        queries = [queries[0].union(*queries[1:], all=True)]
    for query in queries:
        yield from query.using(router.db_for_write(query.model))


def _columns(query: QuerySet[Any], kind: str, password: Any) -> QuerySet[Any, Any]:
    key = Cast("pk", CharField(max_length=255))
    return query.order_by().values_list(Value(kind, CharField()), key, password)


def _text(key: str) -> str:
    """A primary key as `str()` writes it in Python; databases write a UUID otherwise."""
    field = get_user_model()._meta.pk
    return str(field.to_python(key))


def _kept_elsewhere(session_store: Any, keys: list[str]) -> Iterable[str]:
    """Those of `keys` that an engine without a table still has."""
    try:
        return _asked(session_store(), keys)
    except Exception:  # whoever keeps them is away; users can be asked all the same
        logger.exception("Cannot ask whether sessions are still good; at the next beat.")
        return keys


def _asked(store: Any, keys: list[str]) -> Iterable[str]:
    if isinstance(store, SignedCookies):
        return keys  # they are with the clients: nobody can end them before their time
    if isinstance(store, Cached):
        cached = {f"{store.cache_key_prefix}{key}": key for key in keys}
        return [cached[name] for name in caches[settings.SESSION_CACHE_ALIAS].get_many(cached)]
    return [key for key in keys if store.exists(key)]
