"""The language and the time zone that are active in the handlers of a connection."""

from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.utils import timezone, translation

from .http_request import http_request

__all__ = ["Locale", "locale_of"]


class Locale(NamedTuple):
    """A language code and a time zone. `None` stands for the project's own."""

    language: str | None
    time_zone: ZoneInfo | None

    def activate(self) -> None:
        """Make both current in the running context."""
        if self.language is not None:
            translation.activate(self.language)
        if self.time_zone is not None:
            timezone.activate(self.time_zone)


def locale_of(scope: dict[str, Any]) -> Locale | None:
    """Return the locale that the handshake asks for, or `None` if it asks for none.

    Django finds the language as for a request: in its cookie, then in `Accept-Language`.
    `SocketApplication` found the time zone in the session.
    """
    time_zone = _parse_time_zone(scope.get("time_zone"))
    names = {name for name, _value in scope.get("headers", ())}
    has_language = settings.USE_I18N and not names.isdisjoint((b"accept-language", b"cookie"))
    if not has_language and time_zone is None:
        return None
    language = translation.get_language_from_request(http_request(scope)) if has_language else None
    return Locale(language, time_zone)


def _parse_time_zone(name: Any) -> ZoneInfo | None:
    """Return the zone of that name, or `None`. A form may have written any value to the session."""
    try:
        return ZoneInfo(name) if isinstance(name, str) else None
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return None
