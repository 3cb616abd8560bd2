"""Query which sessions, users and tokens of open connections are valid, and what they contain."""

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from inspect import isclass
from itertools import islice
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieStore
from django.core import signing
from django.core.cache import caches
from django.db import router
from django.db.models import CharField, Model, QuerySet, Value
from django.db.models.functions import Cast, Coalesce, Concat, Right
from django.utils import timezone

from ..client_logs import log_for_client
from ..handshake.identity import session_store, user_model

__all__ = [
    "AccountStatus",
    "StoredSession",
    "account_status",
    "session_contents",
    "session_model",
    "stored_columns",
    "stored_session",
]

logger = logging.getLogger("rest_channels")

BATCH_SIZE = 10_000
"""Sessions and users in one query: databases limit the number of parameters."""

SESSION, USER = "session", "user"

SIGNED_COOKIE_SALT = "django.contrib.sessions.backends.signed_cookies"

SIGNATURE = 64
"""Characters at the end of a row's data that contain Django's signature, and the time of it."""


class AccountStatus(NamedTuple):
    """The sessions that are still valid, and the users who are stored."""

    sessions: set[str]
    """Keys of sessions that exist and have not expired."""
    passwords: dict[str, str]
    """Primary keys of users, as text → the hashes of their passwords."""
    versions: dict[str, str]
    """Keys of sessions in a table → a text that changes whenever the session is saved."""
    contents: dict[str, dict[str, Any]]
    """Keys of sessions without a table → their data, as far as their store was asked for it."""
    database: str | None = None
    """The alias of the database with these users."""


class StoredSession(NamedTuple):
    """A session as its store has it."""

    data: dict[str, Any]
    columns: dict[str, Any]
    """The columns of its row, if it is one."""


def session_model() -> Any:
    """Return the model of the table of `SESSION_ENGINE`, or `None` if its sessions are in none."""
    store = session_store()
    return None if store is None else _session_model(store)


@lru_cache(maxsize=8)
def _session_model(store: Any) -> Any:
    if hasattr(store, "get_model_class"):
        return store.get_model_class()
    found = [value for value in vars(sys.modules[store.__module__]).values() if isclass(value)]
    models = [each for each in found if issubclass(each, Model) and _is_of_engine(each, store)]
    return models[0] if len(models) == 1 else None


def _is_of_engine(model: type[Model], store: Any) -> bool:
    """Return whether `store` keeps its sessions in the rows of `model`, in the columns of Django.

    Engines that do not derive from Django's have no `get_model_class`, but import their model.
    """
    options = model._meta
    if options.abstract or model.__module__.partition(".")[0] != store.__module__.partition(".")[0]:
        return False
    names = {field.name for field in options.concrete_fields}
    return options.pk.name == "session_key" and {"session_data", "expire_date"} <= names


def account_status(sessions: Iterable[str], users: Iterable[str]) -> AccountStatus:
    """Query keys of sessions and of users, in one query if both tables are in one database."""
    model = user_model()
    database = None if model is None else router.db_for_write(model)
    status = AccountStatus(set(), {}, {}, {}, database)
    store = session_store()
    if store is None:
        status.sessions.update(sessions)  # a middleware has opened them: nothing is known of them
        sessions = ()
    elif session_model() is None:
        _check_sessions_without_table(store, list(sessions), status)
        sessions = ()
    keys = iter([*((SESSION, key) for key in sessions), *((USER, key) for key in users)])
    while batch := list(islice(keys, BATCH_SIZE)):
        for kind, key, detail in _query(batch):
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
    store, model = session_store(), session_model()
    if store is None or issubclass(store, SignedCookieStore):
        return {}
    if model is None:
        return _contents_without_table(store, keys)
    contents, decode = {}, store().decode
    for batch in _batches(keys):  # the table is right even where a cache is not yet
        rows = _stored(model).filter(session_key__in=batch)
        for key, data in rows.order_by().values_list("session_key", "session_data"):
            contents[key] = decode(data)
    return contents


def stored_session(key: str, lock: bool = False) -> StoredSession | None:
    """Return the session with that key, or `None` if its store has none.

    Args:
        key: The key of the session.
        lock: Whether to lock its row until the transaction ends.
    """
    store, model = session_store(), session_model()
    if model is None:
        data = _contents_without_table(store, [key]).get(key)
        return None if data is None else StoredSession(data, {})
    rows = _stored(model).filter(session_key=key)
    row = (rows.select_for_update() if lock else rows).order_by().values().first()
    return None if row is None else StoredSession(store().decode(row["session_data"]), row)


def _stored(model: Any) -> QuerySet[Any]:
    """Return the rows of the database that `model` is written to: a replica may lag."""
    return model._base_manager.using(router.db_for_write(model)).all()  # type: ignore[no-any-return]


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH_SIZE)):
        yield batch


def _query(batch: list[tuple[str, str]]) -> Iterator[Any]:
    session_keys = [key for kind, key in batch if kind == SESSION]
    user_keys = [key for kind, key in batch if kind == USER]
    queries = []
    if session_keys:
        sessions = session_model()._base_manager.filter(
            session_key__in=session_keys, expire_date__gt=timezone.now()
        )
        queries.append(_columns(sessions, SESSION, _version()))
    if user_keys:
        users = user_model()._base_manager.filter(pk__in=user_keys)
        fields = {field.name for field in users.model._meta.get_fields()}
        queries.append(_columns(users, USER, "password" if "password" in fields else Value("")))
    if len({router.db_for_write(query.model) for query in queries}) == 1:
        queries = [queries[0].union(*queries[1:], all=True)]
    for query in queries:
        yield from query.using(router.db_for_write(query.model))


def _version() -> Any:
    """Return the version of a row. Its expiry alone may be fixed, by `set_expiry` with a date."""
    end = Right("session_data", SIGNATURE, output_field=CharField(max_length=SIGNATURE))
    return Concat(Cast("expire_date", CharField(max_length=255)), Coalesce(end, Value("")))


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
            status.sessions.update(_signed_keys(store, keys))
        status.contents.update(_contents_without_table(store, keys))
        status.sessions.update(status.contents)
    except Exception as error:  # noqa: BLE001 - users are checked even if this store is down
        text = "Cannot check sessions. The next heartbeat tries again."
        log_for_client(logger, logging.ERROR, text, error=error)
        status.sessions.update(keys)


def _signed_keys(store: Any, keys: Iterable[str]) -> Iterator[str]:
    """Yield those signed cookies that Django would still accept. Clients keep their data."""
    signer, age = signing.TimestampSigner(salt=SIGNED_COOKIE_SALT), store().get_session_cookie_age()
    for key in keys:
        with suppress(signing.BadSignature):
            signer.unsign(key, max_age=age)
            yield key


def _contents_without_table(store: Any, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the data of those sessions that their store has, by key."""
    if issubclass(store, SignedCookieStore):
        return {}
    if not issubclass(store, CacheStore):
        return dict(_load_each(store, keys))
    names = {f"{store.cache_key_prefix}{key}": key for key in keys}
    found = caches[settings.SESSION_CACHE_ALIAS].get_many(names)
    return {names[name]: data for name, data in found.items()}


def _load_each(store: Any, keys: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key in keys:
        session = store(key)
        if not session.exists(key):
            continue
        data = dict(session.items())
        if session.session_key == key:
            yield key, data
        elif session.session_key is not None:  # Django has replaced an expired session by a new one
            session.delete()
