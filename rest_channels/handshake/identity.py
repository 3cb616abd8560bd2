"""Find the session that the handshake names, and the user who is logged in to it."""

from collections.abc import Iterator, MutableMapping
from functools import lru_cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user,
    get_user_model,
)
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.http import parse_cookie
from rest_framework.settings import api_settings as drf_settings

from ..concurrency.execution import handshake_thread
from ..protocol.messages import Scope
from ..settings import api_settings
from .lazy_objects import is_evaluated

__all__ = [
    "LOGIN_KEYS",
    "MemorySession",
    "anonymous_user",
    "cookies_of",
    "open_session",
    "owner_of",
    "session_key",
    "session_store",
    "session_user",
    "unauthenticated_user",
    "user_model",
    "with_identity",
]

LOGIN_KEYS = (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY)
"""The keys that Django's login writes to a session."""

TIME_ZONE_KEY = "django_timezone"  # as in the examples of Django's documentation


async def with_identity(scope: Scope) -> Scope:
    """Return a copy of `scope` with `cookies`, `session`, `user` and `time_zone`.

    Values that a middleware has set stay. A handshake without a session key costs no query. Raise
    `HandlerTimeout` if the database does not answer in time.
    """
    scope = {**scope, "cookies": cookies_of(scope)}
    if "session" not in scope and session_store() is not None:
        scope["session"] = open_session(session_key(scope))
    if "user" not in scope:
        session = scope.get("session")
        if session is None or (is_evaluated(session) and session.session_key is None):
            scope["user"] = anonymous_user()
        else:
            async with handshake_thread():
                found = await sync_to_async(_user_and_time_zone)(session)
            scope["user"], scope["time_zone"] = found
    return scope


def session_key(scope: Scope) -> str | None:
    """Return the key of the HTTP session that the handshake names, or `None`.

    The session in the scope comes first, then the query string (setting `SESSION_KEY_IN_URL`),
    then the cookie.
    """
    key: str | None = getattr(scope.get("session"), "session_key", None)
    if not key and api_settings.SESSION_KEY_IN_URL:
        query = scope.get("query_string", b"").decode("latin-1")
        key = parse_qs(query).get("session_key", [None])[-1]
    key = key or cookies_of(scope).get(settings.SESSION_COOKIE_NAME)
    return key if key and key.isprintable() else None  # PostgreSQL raises an error for a NUL


def session_store() -> Any:
    """Return the class of `SESSION_ENGINE`, or `None` if its table belongs to no installed app."""
    return _session_store(settings.SESSION_ENGINE, apps.is_installed("django.contrib.sessions"))


@lru_cache(maxsize=8)
def _session_store(engine: str, with_django_sessions: bool) -> Any:
    store = import_module(engine).SessionStore
    get_model = getattr(getattr(store, "get_model_class", None), "__func__", None)
    uses_django_table = get_model is DatabaseStore.get_model_class.__func__  # type: ignore[attr-defined]
    return None if uses_django_table and not with_django_sessions else store


def open_session(key: str | None) -> Any:
    """Return the HTTP session with that key. Its engine reads it at the first access."""
    return session_store()(key)


def user_model() -> Any:
    """Return the user model of the project, or `None` if its app is not installed."""
    if settings.AUTH_USER_MODEL == "auth.User" and not apps.is_installed("django.contrib.auth"):
        return None
    return get_user_model()


def anonymous_user() -> Any:
    """Return the user of a scope without a login: an `AnonymousUser`, as Channels has it.

    Without `django.contrib.auth` it is the user that DRF's requests have.
    """
    if not apps.is_installed("django.contrib.auth"):
        return unauthenticated_user()
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415 - needs ready apps

    return AnonymousUser()


def unauthenticated_user(user: Any = None) -> Any:
    """Return the user of a DRF request without a login: the setting `UNAUTHENTICATED_USER`.

    Its default needs `django.contrib.auth`. Without this app the default is `None`.

    Args:
        user: The user of the scope. One that a middleware has made is returned unchanged.
    """
    has_default = "UNAUTHENTICATED_USER" not in drf_settings.user_settings
    if has_default and not apps.is_installed("django.contrib.auth"):
        return user
    user_class: Any = drf_settings.UNAUTHENTICATED_USER
    if user is not None and (user.__class__ is user_class or not _is_anonymous_user(user)):
        return user
    return user_class() if user_class else None


def _is_anonymous_user(user: Any) -> bool:
    kind = user.__class__  # of what it wraps, if it is lazy
    return (kind.__module__, kind.__name__) == ("django.contrib.auth.models", "AnonymousUser")


def owner_of(user: Any) -> Any:
    """Return a key that identifies the user, also among users of different models."""
    if not getattr(user, "is_authenticated", user is not None):
        return None
    model = getattr(getattr(user, "_meta", None), "concrete_model", user.__class__)
    pk = getattr(user, "pk", None)
    return user if pk is None else (model, pk)


def session_user(session: Any) -> Any:
    """Return the user of the login in `session`, else what `anonymous_user` returns. May query.

    The session is not written: a new key would need a cookie, and a WebSocket cannot set one. If
    Django has to end the session or renew its key, the next HTTP request does so.
    """
    if user_model() is None or session is None or SESSION_KEY not in session:
        return anonymous_user()
    login = MemorySession()
    for key in LOGIN_KEYS:
        if key in session:
            login[key] = session[key]
    request: Any = SimpleNamespace(session=login)
    return get_user(request)


class MemorySession(SessionBase, MutableMapping[str, Any]):
    """A Django session that is kept in memory only, and is a mapping."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Update as a dict does: Django's method takes no keyword arguments."""
        MutableMapping.update(self, *args, **kwargs)

    def load(self) -> dict[str, Any]:
        return {}

    def exists(self, session_key: str) -> bool:
        return False

    def create(self) -> None:
        """Do nothing: there is no store."""

    def save(self, must_create: bool = False) -> None:
        """Do nothing: there is no store."""

    def delete(self, session_key: str | None = None) -> None:
        """Do nothing: there is no store."""


def cookies_of(scope: Scope) -> dict[str, str]:
    """Return the cookies of the handshake, by name."""
    if "cookies" in scope:
        return scope["cookies"]  # type: ignore[no-any-return]
    headers = scope.get("headers", ())
    cookie = b"; ".join(value for name, value in headers if name == b"cookie")
    return parse_cookie(cookie.decode("latin-1"))


def _user_and_time_zone(session: Any) -> tuple[Any, Any]:
    return session_user(session), session.get(TIME_ZONE_KEY)
