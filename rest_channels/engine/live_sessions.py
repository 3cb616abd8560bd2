"""Sessions of connections, which pages read and save at the same time.

Django's sessions are made for a request: a save writes all data as it was read. A connection reads
its session once, and may save it much later. So its session remembers what the store had. It is
given what others have saved, except for its own changes, and a save of it writes these changes to
the data that is stored now.
"""

import math
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from time import monotonic
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookieStore
from django.db import connections, router, transaction

from ..handshake.identity import session_store
from .account_status import session_model, stored_session

__all__ = ["LiveSession", "data_differ", "is_read", "keep_live", "read_stored"]

PLAIN_TYPES = frozenset(
    {bool, int, float, str, bytes, date, datetime, time, timedelta, Decimal, UUID}
)

_MISSING = object()


class LiveSession(SessionBase):
    """The part of a connection's session that merges. It comes before the class of the engine."""

    _stored: dict[str, Any] | None = None
    """What the store had when it was last read or written, or `None` if that is unknown."""
    _is_cleared = False
    is_deleted = False
    """Whether a handler of the connection has deleted it, and has not saved it since."""
    _get_session: Callable[[], dict[str, Any]]  # Django's stubs do not know it
    _saved_at = -math.inf  # infinite during a save

    def load(self) -> dict[str, Any]:
        data: dict[str, Any] = super().load()
        self._stored = deepcopy(data)
        return data

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    def clear(self) -> None:
        super().clear()
        self._is_cleared = True

    def delete(self, session_key: str | None = None) -> None:
        self._note_deletion(session_key)
        super().delete(session_key)

    async def adelete(self, session_key: str | None = None) -> None:
        self._note_deletion(session_key)
        await super().adelete(session_key)

    def _note_deletion(self, session_key: str | None) -> None:
        if session_key in (None, self.session_key):
            self.is_deleted = True

    def save(self, must_create: bool = False) -> None:
        """Save what has changed here, together with what others have saved meanwhile.

        A session that was cleared is saved without their values. Raises `UpdateError` if the
        session has been deleted.
        """
        self._saved_at = math.inf  # what is read meanwhile is older
        try:
            if must_create or self._stored is None or self.session_key is None:
                super().save(must_create)
            else:
                self._save_changes()
            self._stored, self._is_cleared = deepcopy(self._get_session()), False
            self.modified = self.is_deleted = False
        finally:
            self._saved_at = monotonic()

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)

    def _save_changes(self) -> None:
        key = self.session_key or ""
        with _row_lock() as is_locked:
            found = stored_session(key, is_locked)
            if found is None:
                raise UpdateError
            self._merge(found.data)
            for name, value in found.columns.items():
                if getattr(self, name, _MISSING) is None:  # an engine's own, as `user_agent`
                    setattr(self, name, value)
            super().save()

    def follow(self, stored: dict[str, Any], read_at: float) -> bool:
        """Take the data that the store had after `read_at`. Return whether it is as new.

        It is not if the session was saved here since. Then it may be older than what was saved.
        """
        if self._saved_at >= read_at:
            return False
        self.modified = self._merge(stored)
        return True

    def _merge(self, stored: dict[str, Any]) -> bool:
        """Take the values of `stored`, and keep those that are changed here and not saved.

        Return whether any are. Objects that have not changed stay the same.
        """
        data, before = self._get_session(), self._stored
        if self._is_cleared or before is None:
            return True
        changed = {name for name in data.keys() | before.keys() if _differ(name, data, before)}
        names = (stored.keys() - changed) | (changed & data.keys())
        kept = {name for name in names if name in changed or not _differ(name, data, stored)}
        self._session_cache = {
            name: data[name] if name in kept else deepcopy(stored[name]) for name in names
        }
        self._stored = stored
        return bool(changed)


def keep_live(session: Any) -> None:
    """Let `session` merge from now on, if its engine has a store that pages write to."""
    if not _is_shared(session) or isinstance(session, LiveSession):
        return
    engine: Any = type(session)
    session.__class__ = _live_class(engine)
    data = vars(session).get("_session_cache")
    if data is not None and not session.modified:
        session._stored = deepcopy(data)


def is_read(session: SessionBase) -> bool:
    """Return whether it is known without a query what `session` contains and its store had."""
    if session.session_key is None:
        return True
    if "_session_cache" not in vars(session):
        return False
    return isinstance(session, LiveSession) or not session.modified or not _is_shared(session)


def read_stored(session: SessionBase) -> None:
    """Read the data of `session`, and what its store had if it was changed since. For threads."""
    keep_live(session)
    session.keys()
    key = session.session_key
    if isinstance(session, LiveSession) and session._stored is None and key is not None:
        found = stored_session(key)
        session._stored = {} if found is None else found.data


def _is_shared(session: Any) -> bool:
    store = session_store()
    if store is None or not isinstance(session, SessionBase):
        return False
    if issubclass(store, SignedCookieStore):  # only a page can set the cookie
        return False
    model = getattr(session, "model", None)
    return isinstance(session, store) or (model is not None and model is session_model())


@lru_cache(maxsize=32)
def _live_class(engine: type[SessionBase]) -> type[LiveSession]:
    attributes = {"__module__": engine.__module__, "__qualname__": engine.__qualname__}
    return type(engine.__name__, (LiveSession, engine), attributes)


@contextmanager
def _row_lock() -> Iterator[bool]:
    """Begin a transaction in which the session's row can be locked. Yield whether it can."""
    model = session_model()
    using = None if model is None else router.db_for_write(model)
    if using is None or not connections[using].features.has_select_for_update:
        yield False
        return
    with transaction.atomic(using):
        yield True


def data_differ(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Return whether two sessions have different values, as a cache writes them."""
    return any(_differ(name, left, right) for name in left.keys() | right.keys())


def _differ(name: str, left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Return whether a value is different, as a cache writes it.

    Objects need not be comparable, and rows with the same key are equal whatever they contain.
    """
    value, other = left.get(name, _MISSING), right.get(name, _MISSING)
    if value is other or value is _MISSING or other is _MISSING:
        return value is not other
    if _is_plain(value) and _is_plain(other):
        return bool(value != other)
    return pickle.dumps(value) != pickle.dumps(other)


def _is_plain(value: Any) -> bool:
    """Return whether `value` is data, such as that of JSON, which Python compares completely."""
    if type(value) is dict:
        return all(_is_plain(key) and _is_plain(each) for key, each in value.items())
    if type(value) in {list, tuple, set, frozenset}:
        return all(map(_is_plain, value))
    return value is None or type(value) in PLAIN_TYPES
