"""The language and the time zone that a connection's handlers find activated."""

from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.utils import timezone, translation

from .http_request import http_request

__all__ = ["Locale", "locale_of"]


class Locale(NamedTuple):
    """A language code and a time zone; `None` for the project's own."""

    language: str | None
    time_zone: ZoneInfo | None

    def activate(self) -> None:
        """Make both current in the running context."""
        if self.language is not None:
            translation.activate(self.language)
        if self.time_zone is not None:
            timezone.activate(self.time_zone)


def locale_of(scope: dict[str, Any]) -> Locale | None:
    """What the handshake asks for, or `None` where it asks for nothing.

    The language is the one Django finds for a request (its cookie, then `Accept-Language`), the
    time zone what `SocketApplication` found in the session.
    """
    time_zone = _zone(scope.get("time_zone"))
    asks = settings.USE_I18N and _speaks(scope)
    if not asks and time_zone is None:
        return None
    language = translation.get_language_from_request(http_request(scope)) if asks else None
    return Locale(language, time_zone)


def _speaks(scope: dict[str, Any]) -> bool:
    names = (b"accept-language", b"cookie")
    return any(name in names for name, _value in scope.get("headers", ()))


def _zone(name: Any) -> ZoneInfo | None:
    """The zone of that name. The name may be what a form wrote into the session: anything."""
    try:
        return ZoneInfo(name) if isinstance(name, str) else None
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return None
