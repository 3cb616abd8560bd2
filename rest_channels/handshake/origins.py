"""Where a page must come from to connect: cookies travel with every handshake, from any page."""

from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.utils.http import is_same_domain

from ..settings import api_settings
from .http_request import http_request

__all__ = ["origin_allowed"]

_PORTS = {"http": 80, "https": 443}


def origin_allowed(scope: dict[str, Any]) -> bool:
    """Whether the handshake comes from this site's own origin, or from a trusted one.

    An origin is scheme, host and port. Trusted are Django's `CSRF_TRUSTED_ORIGINS` and
    `REST_CHANNELS["ALLOWED_ORIGINS"]`. None at all is allowed: browsers always send one (RFC
    6455, 10.2). Two, `null` and what is no origin are not.
    """
    origins = [value for name, value in scope.get("headers", ()) if name == b"origin"]
    if not origins:
        return True
    origin = _parse(origins[0].decode("latin-1")) if len(origins) == 1 else None
    if origin is None:
        return False
    return origin == _own(scope) or any(_matches(origin, trusted) for trusted in _trusted())


Origin = tuple[str, str, int]


def _parse(text: str) -> Origin | None:
    """Scheme, host and port; `None` for what is no origin (RFC 6454, 6.2)."""
    try:
        parts = urlsplit(text)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or port is None or not _bare(parts):
        return None
    return parts.scheme, parts.hostname, port


def _bare(parts: SplitResult) -> bool:
    return not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)


def _own(scope: dict[str, Any]) -> Origin | None:
    request = http_request(scope)
    try:
        return _parse(f"{request.scheme}://{request.get_host()}")
    except DisallowedHost:
        return None


def _trusted() -> list[str]:
    return [*settings.CSRF_TRUSTED_ORIGINS, *api_settings.ALLOWED_ORIGINS]


def _matches(origin: Origin, trusted: str) -> bool:
    """`trusted` is an origin, its host may begin with `*.` (Django's rules); `*` is all of them."""
    if trusted == "*":
        return True
    wanted = _parse(trusted)
    if wanted is None or (wanted[0], wanted[2]) != (origin[0], origin[2]):
        return False
    host = wanted[1]
    return is_same_domain(origin[1], host[1:]) if host.startswith("*.") else origin[1] == host
