"""Find the session that the handshake names, and the user who is logged in to it."""

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.sessions.backends.base import SessionBase
from django.http import parse_cookie

from ..concurrency.execution import handshake_thread
from ..protocol.messages import Scope
from ..settings import api_settings

__all__ = [
    "LOGIN_KEYS",
    "MemorySession",
    "open_session",
    "session_key",
    "session_user",
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
    scope = {**scope, "cookies": _cookies(scope)}
    if "session" not in scope and apps.is_installed("django.contrib.sessions"):
        scope["session"] = open_session(session_key(scope))
    if "user" not in scope and apps.is_installed("django.contrib.auth"):
        session = scope.get("session")
        if session is None or session.session_key is None:
            scope["user"] = session_user(None)
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
    key = key or _cookies(scope).get(settings.SESSION_COOKIE_NAME)
    return key if key and key.isprintable() else None  # PostgreSQL raises an error for a NUL


def open_session(key: str | None) -> Any:
    """Return the HTTP session with that key. Its engine reads it at the first access."""
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


def session_user(session: Any) -> Any:
    """Return the user who is logged in to `session`, else an `AnonymousUser`. May query.

    The session is not written: a new key would need a cookie, and a WebSocket cannot set one. If
    Django has to end the session or renew its key, the next HTTP request does so.
    """
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415 - needs ready apps

    if session is None or SESSION_KEY not in session:
        return AnonymousUser()
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


def _cookies(scope: Scope) -> dict[str, str]:
    if "cookies" in scope:
        return scope["cookies"]  # type: ignore[no-any-return]
    headers = scope.get("headers", ())
    cookie = b"; ".join(value for name, value in headers if name == b"cookie")
    return parse_cookie(cookie.decode("latin-1"))


def _user_and_time_zone(session: Any) -> tuple[Any, Any]:
    return session_user(session), session.get(TIME_ZONE_KEY)
