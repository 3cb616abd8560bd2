"""The language and the time zone that a connection's handlers find activated."""

from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone, translation

from .handshake import http_request

__all__ = ["Locale", "locale_of"]


class Locale(NamedTuple):
    """A language code and a time zone's name; `None` for the project's own."""

    language: str | None
    time_zone: str | None

    def activate(self) -> None:
        """Make both current in the running context."""
        if self.language is not None:
            translation.activate(self.language)
        if self.time_zone is not None:
            timezone.activate(self.time_zone)


def locale_of(scope: dict[str, Any]) -> Locale:
    """What the handshake asks for.

    The language is the one Django finds for a request (its cookie, then `Accept-Language`), the
    time zone what `SocketApplication` found in the session.
    """
    asks = settings.USE_I18N and any(
        name in (b"accept-language", b"cookie") for name, _value in scope.get("headers", ())
    )
    language = translation.get_language_from_request(http_request(scope)) if asks else None
    return Locale(language, scope.get("time_zone"))
