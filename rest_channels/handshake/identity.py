"""Who connects: the session that the handshake names, and the user it belongs to."""

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

from ..concurrency.execution import thread_lease
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
"""What a login leaves in a session."""

TIME_ZONE_KEY = "django_timezone"
"""Where Django's documentation keeps a user's time zone in the session."""

Scope = dict[str, Any]


async def with_identity(scope: Scope) -> Scope:
    """`scope` with `cookies`, `session`, `user` and `time_zone`.

    What a middleware outside has put there stays. A handshake without a session key costs no
    query.
    """
    scope = {**scope, "cookies": _cookies(scope)}
    if "session" not in scope and apps.is_installed("django.contrib.sessions"):
        scope["session"] = open_session(session_key(scope))
    if "user" not in scope and apps.is_installed("django.contrib.auth"):
        session = scope.get("session")
        if session is None or session.session_key is None:
            scope["user"] = session_user(None)
        else:
            async with thread_lease():
                known = await sync_to_async(_look_up)(session)
            scope["user"], scope["time_zone"] = known
    return scope


def session_key(scope: Scope) -> str | None:
    """The key of the HTTP session that a handshake names, if it names one.

    It is that of the session in the scope; else, with `SESSION_KEY_IN_URL`, the query string's;
    else the cookie's.
    """
    key: str | None = getattr(scope.get("session"), "session_key", None)
    if not key and api_settings.SESSION_KEY_IN_URL:
        query = scope.get("query_string", b"").decode("latin-1")
        key = parse_qs(query).get("session_key", [None])[-1]
    key = key or _cookies(scope).get(settings.SESSION_COOKIE_NAME)
    return key if key and key.isprintable() else None  # PostgreSQL raises when asked for a NUL


def open_session(key: str | None) -> Any:
    """The HTTP session of that key. It is read from its engine when something is asked of it."""
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


def session_user(session: Any) -> Any:
    """Who is logged in to `session`; an `AnonymousUser` where it is `None` or nobody is. May query.

    Nothing is written: where Django would end the session or give it a new key, which no cookie
    can follow from here, that is left to the next HTTP request.
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
    """A session of Django's that lives as long as somebody holds it, and is a mapping."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def update(self, *args: Any, **kwargs: Any) -> None:
        """As a dict's: Django's takes no keyword arguments."""
        MutableMapping.update(self, *args, **kwargs)

    def load(self) -> dict[str, Any]:
        return {}

    def exists(self, session_key: str) -> bool:
        return False

    def create(self) -> None:
        """There is nowhere to create it."""

    def save(self, must_create: bool = False) -> None:
        """There is nowhere to save it."""

    def delete(self, session_key: str | None = None) -> None:
        """There is nowhere to delete it from."""


def _cookies(scope: Scope) -> dict[str, str]:
    if "cookies" in scope:
        cookies: dict[str, str] = scope["cookies"]
        return cookies
    headers = scope.get("headers", ())
    cookie = b"; ".join(value for name, value in headers if name == b"cookie")
    return parse_cookie(cookie.decode("latin-1"))


def _look_up(session: Any) -> tuple[Any, Any]:
    return session_user(session), session.get(TIME_ZONE_KEY)
