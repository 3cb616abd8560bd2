"""Check the `Origin` of a handshake, because browsers send cookies from pages of any site."""

import logging
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.utils.http import is_same_domain

from ..client_logs import log_for_client, short_path, short_text
from ..settings import api_settings

__all__ = ["ORIGIN_CHECKED", "log_refused_origin", "origin_allowed", "origin_safe"]

ORIGIN_CHECKED = "rest_channels.origin_checked"
"""The key of the scope that `SocketApplication` sets. No client can set keys of a scope."""

Origin = tuple[str, str, int]  # scheme, host and port, which apps (capacitor://localhost) lack
_DEFAULT_PORTS = {"http": 80, "https": 443}

MAX_LENGTH = 300
"""Characters. A host name has at most 253 (RFC 1035, 2.3.4); what is longer is kept nowhere."""

ADDRESS_HEADERS = (b"host", b"x-forwarded-host", b"x-forwarded-port")
"""The headers that may name the host of the site."""


def origin_allowed(scope: dict[str, Any]) -> bool:
    """Return whether the handshake comes from this site's own origin or from a trusted one.

    The settings `CSRF_TRUSTED_ORIGINS` and `ALLOWED_ORIGINS` name the trusted ones. A handshake
    without an origin is allowed, because browsers always send one. Two origins, `null` and
    malformed ones are not allowed.

    Source: RFC 6455, 10.2.
    """
    if not (origins := _sent_origins(scope)):
        return True
    origin = _parse(origins[0]) if len(origins) == 1 else None
    if origin is None:
        return False
    trusted = [*settings.CSRF_TRUSTED_ORIGINS, *api_settings.ALLOWED_ORIGINS]
    return origin == _own_origin(scope) or any(_matches(origin, pattern) for pattern in trusted)


def log_refused_origin(logger: logging.Logger, scope: dict[str, Any]) -> None:
    """Log which origin was refused, and what to set if the page is one of the site's."""
    origin = short_text(", ".join(_sent_origins(scope)))
    request = SiteRequest(scope)
    try:
        site = f"this site is {short_text(f'{request.scheme}://{request.get_host()}')!r}"
    except DisallowedHost:
        site = "ALLOWED_HOSTS lacks the Host of the handshake"
    text = (
        "Refused origin %r for %r: %s. If the page is yours, add its origin to "
        "REST_CHANNELS['ALLOWED_ORIGINS']. Behind a proxy see TRUSTED_PROXIES."
    )
    log_for_client(logger, logging.WARNING, text, origin, short_path(scope), site)


def origin_safe(scope: dict[str, Any]) -> bool:
    """Return whether `SocketApplication` has checked the origin, or it is allowed.

    Only then may a session cookie count without a CSRF token.
    """
    return scope.get(ORIGIN_CHECKED) is True or origin_allowed(scope)


def _sent_origins(scope: dict[str, Any]) -> list[str]:
    headers = scope.get("headers", ())
    return [value.decode("latin-1") for name, value in headers if name == b"origin"]


def _parse(text: str) -> Origin | None:
    """Return the origin, or `None` if `text` is not one (RFC 6454, 6.2)."""
    return _parse_short(text) if len(text) <= MAX_LENGTH else None


@lru_cache(maxsize=128)
def _parse_short(text: str) -> Origin | None:
    try:
        parts = urlsplit(text)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    has_more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if not parts.scheme or not parts.hostname or has_more:
        return None
    return parts.scheme, parts.hostname, port


class SiteRequest(HttpRequest):
    """What Django reads to tell the scheme and the host of a request.

    To make a whole request of the handshake would take six times as long.
    """

    def __init__(self, scope: dict[str, Any]) -> None:
        values: dict[bytes, list[str]] = {}
        read = {*ADDRESS_HEADERS, _scheme_header()}
        for name, value in scope.get("headers", ()):
            if name in read:
                values.setdefault(name, []).append(value.decode("latin-1"))
        self.META = {_meta_name(name): ",".join(found) for name, found in values.items()}
        name, port = scope.get("server") or ("unknown", 0)
        self.META.update(SERVER_NAME=name, SERVER_PORT=str(port))
        self._scheme = "https" if scope.get("scheme") == "wss" else "http"

    def _get_scheme(self) -> str:
        return self._scheme


def _scheme_header() -> bytes:
    """Return the name of the header of a proxy that tells the scheme, or an empty one."""
    name: str = settings.SECURE_PROXY_SSL_HEADER[0] if settings.SECURE_PROXY_SSL_HEADER else ""
    return name.removeprefix("HTTP_").lower().replace("_", "-").encode()


def _meta_name(name: bytes) -> str:
    return "HTTP_" + name.decode("latin-1").upper().replace("-", "_")


def _own_origin(scope: dict[str, Any]) -> Origin | None:
    request = SiteRequest(scope)
    try:
        return _parse(f"{request.scheme}://{request.get_host()}")
    except DisallowedHost:
        return None


def _matches(origin: Origin, pattern: str) -> bool:
    """Compare as Django does: `*` is any origin, and a host may begin with `*.`."""
    if pattern == "*":
        return True
    trusted = _parse(pattern)
    if trusted is None or (trusted[0], trusted[2]) != (origin[0], origin[2]):
        return False
    host = trusted[1]
    return is_same_domain(origin[1], host[1:]) if host.startswith("*.") else origin[1] == host
