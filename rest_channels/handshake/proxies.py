"""Replace the address of a trusted proxy with that of its client.

Any client can send the `X-Forwarded-*` headers, so they count only from the peers that the setting
`TRUSTED_PROXIES` names. A server may evaluate them itself, as uvicorn does with `--proxy-headers`.
The peer is then the client, and its headers are ignored here.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from django.http.request import split_domain_port

from ..protocol.messages import Scope
from ..settings import api_settings

__all__ = ["without_proxies"]

Address = IPv4Address | IPv6Address

FOR, PROTO, HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
REAL_IP = b"x-real-ip"

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]{1,5})?|([^:]+):[0-9]{1,5}")


def without_proxies(scope: Scope) -> Scope:
    """Return the scope that a client without proxies would have.

    `X-Forwarded-For` gives `client`: the last address that is not a trusted proxy's, with port 0.
    Without it, `X-Real-IP` does. `X-Forwarded-Proto` gives `scheme`, and `X-Forwarded-Host` the
    header `host`. A header that was used is removed. Malformed headers stay, and so do all headers
    of a peer that is not trusted.
    """
    if not api_settings.TRUSTED_PROXIES or not _is_trusted_peer(scope.get("client")):
        return scope
    headers = list(scope.get("headers", ()))
    scope = dict(scope)
    for name in (FOR, REAL_IP):
        if (client := _find_client(_header_items(headers, name))) is not None:
            scope["client"] = (str(client), 0)
            headers = _without(headers, FOR, REAL_IP)
    # Of these headers the first item counts, as in Django: that of the proxy nearest to the client.
    if (scheme := _SCHEMES.get(_header_items(headers, PROTO)[0].lower())) is not None:
        scope["scheme"] = scheme
        headers = _without(headers, PROTO)
    host = _header_items(headers, HOST)[0]
    if split_domain_port(host)[0]:
        headers = [(b"host", host.encode("latin-1")), *_without(headers, HOST, b"host")]
    scope["headers"] = headers
    return scope


def _is_trusted_peer(client: Any) -> bool:
    """Return whether ASGI's `client` is a trusted proxy. It is `None` behind a Unix socket."""
    if client is None:
        return "unix" in api_settings.TRUSTED_PROXIES
    address = _parse_address(client[0])
    return address is not None and _is_trusted(address)


def _is_trusted(address: Address) -> bool:
    networks = api_settings.TRUSTED_PROXIES
    return any(address in network for network in networks if network != "unix")


def _header_items(headers: list[Any], name: bytes) -> list[str]:
    """Return the items of all headers of that name. Each proxy appends to what it received."""
    values = [value.decode("latin-1") for key, value in headers if key == name]
    return [item.strip() for item in ",".join(values).split(",")]


def _without(headers: list[Any], *names: bytes) -> list[Any]:
    return [pair for pair in headers if pair[0] not in names]


def _find_client(items: list[str]) -> Address | None:
    """Return the last address that is not a trusted proxy's. A client may forge those before it.

    If all are trusted, return the first: the client is in the trusted network too. Return `None`
    if an item is malformed.
    """
    address = None
    for item in reversed(items):
        port_match = _WITH_PORT.fullmatch(item)
        address = _parse_address((port_match[1] or port_match[2]) if port_match else item)
        if address is None or not _is_trusted(address):
            return address
    return address


def _parse_address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:  # any text may follow a "%"
        return None
    return address.ipv4_mapped or address
