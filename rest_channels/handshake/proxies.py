"""Who really connects: what a trusted proxy says of its client, put where the proxy's own stood.

Everybody can send these headers, so only the peers that `TRUSTED_PROXIES` names are believed. A
server that has its own way (uvicorn's `--proxy-headers`) has put the client there already: then
the peer is no proxy, and its headers say nothing here.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from django.http.request import split_domain_port

from ..settings import api_settings

__all__ = ["without_proxies"]

Scope = dict[str, Any]
Address = IPv4Address | IPv6Address

FOR, PROTO, HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_PORTED = re.compile(r"\[([^\]]+)\](?::[0-9]{1,5})?|([^:]+):[0-9]{1,5}")


def without_proxies(scope: Scope) -> Scope:
    """`scope` as it were if the client had come without its proxies.

    From `X-Forwarded-For` comes `client` (the last address that is no trusted proxy's, port 0),
    from `X-Forwarded-Proto` the `scheme`, from `X-Forwarded-Host` the header `host`. A header so
    used is taken out, because the scope says it now. What is malformed is left as it is, and so is
    all that comes from a peer who is not trusted.
    """
    if not api_settings.TRUSTED_PROXIES or not _trusts_peer(scope):
        return scope
    headers = list(scope.get("headers", ()))
    scope = dict(scope)
    if (client := _client(_said(headers, FOR))) is not None:
        scope["client"] = (str(client), 0)
        headers = _without(headers, FOR)
    if (scheme := _SCHEMES.get(_first(_said(headers, PROTO)).lower())) is not None:
        scope["scheme"] = scheme
        headers = _without(headers, PROTO)
    host = _first(_said(headers, HOST))
    if split_domain_port(host)[0]:
        headers = [(b"host", host.encode("latin-1")), *_without(headers, HOST, b"host")]
    scope["headers"] = headers
    return scope


def _trusts_peer(scope: Scope) -> bool:
    client = scope.get("client")
    if client is None:
        return "unix" in api_settings.TRUSTED_PROXIES
    address = _address(client[0])
    return address is not None and _trusts(address)


def _trusts(address: Address) -> bool:
    networks = api_settings.TRUSTED_PROXIES
    return any(address in network for network in networks if network != "unix")


def _said(headers: list[Any], name: bytes) -> list[str]:
    """What the lines of a header list, each proxy behind the one before."""
    lines = [value.decode("latin-1") for key, value in headers if key == name]
    return [item.strip() for item in ",".join(lines).split(",")]


def _first(items: list[str]) -> str:
    """What the proxy nearest to the client said, as Django reads these two."""
    return items[0]


def _without(headers: list[Any], *names: bytes) -> list[Any]:
    return [pair for pair in headers if pair[0] not in names]


def _client(chain: list[str]) -> Address | None:
    """The last that is no proxy of ours, because what is before it anybody may have written.

    The first, where all are ours: somebody within. `None` where the way there is malformed.
    """
    address = None
    for item in reversed(chain):
        address = _address(_without_port(item))
        if address is None or not _trusts(address):
            return address
    return address


def _without_port(item: str) -> str:
    """`1.2.3.4:567` and `[::1]:567` without port and brackets."""
    match = _PORTED.fullmatch(item)
    return (match[1] or match[2]) if match else item


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:  # after a "%" there may be any text
        return None
    return address.ipv4_mapped or address
