"""Who connects: the session and the user of the handshake's cookie."""

from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import parse_cookie

from .execution import leased
from .handshake import http_request

__all__ = ["identify"]

TIME_ZONE_KEY = "django_timezone"
"""Where Django's documentation keeps a user's time zone in the session."""


async def identify(scope: dict[str, Any]) -> dict[str, Any]:
    """`scope` with `cookies`, `session`, `user` and `time_zone`.

    What a middleware outside has put there stays. A handshake without a session cookie costs no
    query.
    """
    headers = scope.get("headers", ())
    cookie = b"; ".join(value for name, value in headers if name == b"cookie")
    cookies = parse_cookie(cookie.decode("latin-1"))
    scope = {**scope, "cookies": cookies}
    if "session" not in scope and apps.is_installed("django.contrib.sessions"):
        engine = import_module(settings.SESSION_ENGINE)
        scope["session"] = engine.SessionStore(cookies.get(settings.SESSION_COOKIE_NAME))
    if "user" not in scope and apps.is_installed("django.contrib.auth"):
        scope["user"] = await _user(scope)
    return scope


async def _user(scope: dict[str, Any]) -> Any:
    from django.contrib.auth import aget_user  # noqa: PLC0415 - these need ready apps
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415

    session = scope.get("session")
    if session is None or session.session_key is None:
        return AnonymousUser()
    async with leased():
        scope["time_zone"] = await session.aget(TIME_ZONE_KEY)
        return await aget_user(http_request(scope))
