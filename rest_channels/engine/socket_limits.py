"""Limits on the open sockets of one process: in total, of one address and of one user.

An address is counted before the session is read, so that a refused client costs no query. A socket
counts once, whatever the number of its multiplexed streams. A refused client is accepted, receives
an error frame that says when to try again, and is closed.
"""

import logging
from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from rest_framework import status

from ..client_logs import log_for_client
from ..exceptions import CloseCode
from ..protocol.dialects import Dialect, PlainDialect
from ..protocol.messages import Call, Reply, Scope
from ..renderers import encode_text
from ..settings import api_settings

__all__ = ["SOCKET_KEY", "Refusal", "SocketCounts", "limit_user"]

logger = logging.getLogger("rest_channels")

SOCKET_KEY = "rest_channels.socket"
"""The key of the scope with the `CountedSocket`. Only this module reads it."""

RETRY_AFTER = 30
"""Seconds after which a refused client may try again."""

_PROCESS = "this process"  # a key beside the addresses
_PROCESS_IS_FULL = "This process has %d sockets (MAX_SOCKETS). More are refused."
_ADDRESS_IS_FULL = (
    "%s has %d sockets (MAX_SOCKETS_PER_ADDRESS). More are refused. If this is a proxy, add it to "
    "TRUSTED_PROXIES."
)

IPV6_CLIENT = 64
"""The bits of an IPv6 address that one client cannot choose: a network is assigned to it."""


class Refusal(NamedTuple):
    """Why a socket is refused, as its client sees it."""

    code: CloseCode
    reason: str

    def send(self, connection: Any) -> None:
        """Accept the handshake if it is pending, send an error frame, and close `connection`."""
        connection.refuse(self.render(connection.handler.dialect), self.code, self.reason)

    def render(self, dialect: Dialect) -> str:
        """Return the error frame for the client: in the plain dialect if its own one fails."""
        errors = {"detail": self.reason, "retry_after": RETRY_AFTER}
        reply = Reply(Call(None), None, status.HTTP_429_TOO_MANY_REQUESTS, errors)
        try:
            return encode_text(dialect.build_reply(reply))
        except Exception as error:  # noqa: BLE001 - the client has to be refused in any case
            text = "%r cannot build the answer to a client that is refused."
            log_for_client(logger, logging.ERROR, text, dialect, error=error)
            return encode_text(PlainDialect().build_reply(reply))


class CountedSocket:
    """A counted socket. It is in the scope, of which streams and requests have copies.

    It does not refer to its owner, because requests of DRF live until a garbage collection.
    """

    __slots__ = ("address", "is_open")

    def __init__(self, address: str) -> None:
        self.address = address
        self.is_open = True


class SocketCounts:
    """The open sockets of one hub, in total and by address. A server process has one hub."""

    def __init__(self) -> None:
        self.total = 0
        self.by_address: dict[str, int] = {}
        self._owned: dict[object, CountedSocket] = {}
        self._logged: set[str] = set()  # addresses at their limit

    def admits(self, connection: Any) -> bool:
        """Count the socket of `connection` until it has ended, or refuse it and return `False`."""
        if (refusal := self.count(connection, connection.scope)) is None:
            return True
        refusal.send(connection)
        return False

    def count(self, owner: object, scope: Scope) -> Refusal | None:
        """Count the socket of `scope` until `owner` is released, or return why it is refused.

        A socket that another owner has counted is not counted again.
        """
        socket = scope.get(SOCKET_KEY)
        if isinstance(socket, CountedSocket) and socket.is_open:
            return None
        address = _client_of(scope)
        count = self.by_address.get(address, 0)
        if _is_reached(api_settings.MAX_SOCKETS, self.total):
            self._log_once(_PROCESS, _PROCESS_IS_FULL, self.total)
            return Refusal(CloseCode.THROTTLED, _("The server is busy. Try again later."))
        if address and _is_reached(api_settings.MAX_SOCKETS_PER_ADDRESS, count):
            self._log_once(address, _ADDRESS_IS_FULL, address, count)
            return Refusal(CloseCode.FLOOD, _("Too many connections from your address."))
        self.total += 1
        if address:
            self.by_address[address] = count + 1
        scope[SOCKET_KEY] = self._owned[owner] = CountedSocket(address)
        return None

    def release(self, owner: object) -> None:
        """Stop counting the socket that was counted for `owner`, if it was."""
        if (socket := self._owned.pop(owner, None)) is None:
            return
        socket.is_open = False
        self.total -= 1
        if self._logged:
            self._logged -= {_PROCESS, socket.address}
        if socket.address:
            self.by_address[socket.address] -= 1
            if not self.by_address[socket.address]:
                del self.by_address[socket.address]

    def _log_once(self, key: str, message: str, *args: object) -> None:
        """Log that `key` is at its limit, once until one of its sockets has ended."""
        if self.total and key not in self._logged:
            self._logged.add(key)
            log_for_client(logger, logging.WARNING, message, *args)


def limit_user(connection: Any, members: Collection[Any]) -> None:
    """Close `connection` if `members`, those of its user's key, are of too many sockets.

    Members of other partitions do not count.
    """
    limit, open_members = api_settings.MAX_SOCKETS_PER_USER, connection.hub.members
    if limit is None or len(members) <= limit or connection.address not in open_members:
        return
    own = [one for one in members if one.partition == connection.partition]
    sockets = {id(one.scope.get(SOCKET_KEY)) for one in own if one.address in open_members}
    if len(sockets) > limit:
        Refusal(CloseCode.FLOOD, _("You have too many open connections.")).send(connection)


def _is_reached(limit: int | None, count: int) -> bool:
    return limit is not None and count >= limit


def _client_of(scope: Scope) -> str:
    """Return the address of the client, for IPv6 its network. `""` behind a Unix socket."""
    client: Any = scope.get("client")
    return _network_of(str(client[0])) if client else ""


@lru_cache(1_000)
def _network_of(host: str) -> str:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, IPV6_CLIENT), strict=False))
    return str(address)
