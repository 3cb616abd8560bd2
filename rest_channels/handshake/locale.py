"""The language and the time zone that are active in the handlers of a connection."""

from datetime import UTC, tzinfo
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.utils import timezone, translation

from ..concurrency.asgiref_locals import LocalValue
from .identity import cookies_of

__all__ = ["Locale", "locale_of"]

_language = LocalValue(translation.deactivate_all)
_time_zone = LocalValue(partial(timezone.activate, UTC))


class Locale(NamedTuple):
    """A language code and a time zone. `None` stands for the project's own."""

    language: str | None
    time_zone: tzinfo | None

    def activate(self) -> None:
        """Make both current in the running context."""
        if self.language is not None:
            translation.activate(self.language)
        if self.time_zone is not None:
            timezone.activate(self.time_zone)


def locale_of(scope: dict[str, Any]) -> Locale | None:
    """Return the locale of a connection, or `None` if its handlers run in the project's own.

    What a middleware has made active in the running context comes first. Otherwise Django finds the
    language as for a request: in its cookie, then in `Accept-Language`. `SocketApplication` found
    the time zone in the session.
    """
    time_zone = _active_time_zone() or _parse_time_zone(scope.get("time_zone"))
    language = _language_of(scope)
    return None if language is None and time_zone is None else Locale(language, time_zone)


def _language_of(scope: dict[str, Any]) -> str | None:
    is_active, accepted, has_cookie = _language.may_be_set(), [], False
    for name, value in scope.get("headers", ()):
        if name == b"accept-language":
            accepted.append(value)
        elif name == b"cookie":
            has_cookie = True
    if not (is_active or accepted or has_cookie) or not settings.USE_I18N:
        return None
    # Django's management commands leave the project's own language active: it was not chosen.
    active = translation.get_language() if is_active else None
    if active is not None and active != settings.LANGUAGE_CODE.lower():
        return active
    if not accepted and not has_cookie:
        return None
    # All that Django reads. To make a whole request of the handshake would take five times as long.
    meta = {"HTTP_ACCEPT_LANGUAGE": b",".join(accepted).decode("latin-1")}
    request: Any = SimpleNamespace(COOKIES=cookies_of(scope), META=meta)
    return translation.get_language_from_request(request)


def _active_time_zone() -> tzinfo | None:
    """Return the time zone that is active in the running context, if it is not the project's."""
    if not _time_zone.may_be_set():
        return None
    active = timezone.get_current_timezone()
    return None if active == timezone.get_default_timezone() else active


def _parse_time_zone(name: Any) -> ZoneInfo | None:
    """Return the zone of that name, or `None`. A form may have written any value to the session."""
    try:
        return ZoneInfo(name) if isinstance(name, str) else None
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return None
