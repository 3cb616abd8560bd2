"""Query which sessions, users and tokens of open connections are valid, and what they contain."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieStore
from django.core.cache import caches
from django.db import router
from django.db.models import CharField, Model, QuerySet, Value
from django.db.models.functions import Cast
from django.utils import timezone

from ..handshake.identity import session_store, user_model

__all__ = [
    "AccountStatus",
    "account_status",
    "session_contents",
    "stored_columns",
]

logger = logging.getLogger("rest_channels")

BATCH_SIZE = 10_000
"""Sessions and users in one query: databases limit the number of parameters."""

SESSION, USER = "session", "user"


class AccountStatus(NamedTuple):
    """The sessions that are still valid, and the users who are stored."""

    sessions: set[str]
    """Keys of sessions that exist and have not expired."""
    passwords: dict[str, str]
    """Primary keys of users, as text → the hashes of their passwords."""
    versions: dict[str, str]
    """Keys of sessions in a table → a text that changes whenever Django saves the session."""
    contents: dict[str, dict[str, Any]]
    """Keys of sessions without a table → their data, as far as their store was asked for it."""
    database: str | None = None
    """The alias of the database with these users."""


def account_status(sessions: Iterable[str], users: Iterable[str]) -> AccountStatus:
    """Query keys of sessions and of users, in one query if both tables are in one database."""
    model = user_model()
    database = None if model is None else router.db_for_write(model)
    status = AccountStatus(set(), {}, {}, {}, database)
    store = session_store()
    if store is None:
        status.sessions.update(sessions)  # a middleware has opened them: nothing is known of them
        sessions = ()
    elif not hasattr(store, "get_model_class"):
        _check_sessions_without_table(store, list(sessions), status)
        sessions = ()
    keys = iter([*((SESSION, key) for key in sessions), *((USER, key) for key in users)])
    while batch := list(islice(keys, BATCH_SIZE)):
        for kind, key, detail in _query(store, batch):
            if kind == SESSION:
                status.sessions.add(key)
                status.versions[key] = detail
            else:
                status.passwords[_user_key(key)] = detail
    return status


def stored_columns(rows: Sequence[Model], key: str = "pk") -> list[dict[str, Any] | None]:
    """Return the columns that each of `rows` has in its database, or `None` if it is not stored.

    Args:
        rows: Instances of any models.
        key: The column of their keys, which all models have. By default it is the primary key.
    """
    by_table: dict[tuple[Any, str], set[Any]] = {}
    places: list[tuple[Any, str]] = []
    for row in rows:
        model: Any = row._meta.concrete_model
        places.append((model, router.db_for_write(model, instance=row)))
        by_table.setdefault(places[-1], set()).add(getattr(row, key))
    columns = {}
    for (model, database), keys in by_table.items():
        names = {key, *(field.attname for field in model._meta.concrete_fields)}
        for batch in _batches(keys):
            stored = model._base_manager.using(database).filter(**{f"{key}__in": batch})
            for found in stored.order_by().values(*names):
                columns[model, database, str(found[key])] = found
    return [
        columns.get((*place, str(getattr(row, key))))
        for place, row in zip(places, rows, strict=True)
    ]


def session_contents(keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the data of those sessions that exist, by key, from their table or their store."""
    store = session_store()
    if store is None or issubclass(store, SignedCookieStore):
        return {}
    if not hasattr(store, "get_model_class"):
        status = AccountStatus(set(), {}, {}, {})
        _check_sessions_without_table(store, list(keys), status)
        return status.contents
    contents, decode = {}, store().decode
    for batch in _batches(keys):  # the table is right even where a cache is not yet
        rows = _stored(store.get_model_class()).filter(session_key__in=batch)
        for key, data in rows.order_by().values_list("session_key", "session_data"):
            contents[key] = decode(data)
    return contents


def _stored(model: Any) -> QuerySet[Any]:
    """Return the rows of the database that `model` is written to: a replica may lag."""
    return model._base_manager.using(router.db_for_write(model)).all()  # type: ignore[no-any-return]


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH_SIZE)):
        yield batch


def _query(store: Any, batch: list[tuple[str, str]]) -> Iterator[Any]:
    session_keys = [key for kind, key in batch if kind == SESSION]
    user_keys = [key for kind, key in batch if kind == USER]
    queries = []
    if session_keys:
        sessions = store.get_model_class()._base_manager.filter(
            session_key__in=session_keys, expire_date__gt=timezone.now()
        )
        version = Cast("expire_date", CharField(max_length=255))
        queries.append(_columns(sessions, SESSION, version))
    if user_keys:
        users = user_model()._base_manager.filter(pk__in=user_keys)
        fields = {field.name for field in users.model._meta.get_fields()}
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
    return str(user_model()._meta.pk.to_python(key))


def _check_sessions_without_table(store: Any, keys: list[str], status: AccountStatus) -> None:
    """Add the valid ones of `keys` to `status`, or all of them if their store does not answer."""
    try:
        if issubclass(store, SignedCookieStore):
            status.sessions.update(keys)  # clients keep them: only their age ends them
        elif issubclass(store, CacheStore):
            names = {f"{store.cache_key_prefix}{key}": key for key in keys}
            found = caches[settings.SESSION_CACHE_ALIAS].get_many(names)
            status.contents.update({names[name]: data for name, data in found.items()})
        else:
            status.contents.update(_load_each(store, keys))
        status.sessions.update(status.contents)
    except Exception:  # users are checked even if the store of sessions is down
        logger.exception("Cannot check sessions. The next heartbeat tries again.")
        status.sessions.update(keys)


def _load_each(store: Any, keys: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key in keys:
        session = store(key)
        if not session.exists(key):
            continue
        data = dict(session.items())
        if session.session_key == key:
            yield key, data
        elif session.session_key is not None:  # Django has replaced an expired session by a new one
            session.delete()
