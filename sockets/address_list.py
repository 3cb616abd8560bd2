"""Send to many connections at once: rendered once, one message to each server process.

This module knows addresses (`Socket.channel_name`) and no database. Its methods can be called in
any process, also in one that serves no sockets. A broker failure raises no error.
"""

from collections.abc import Iterable
from typing import Any

from rest_channels.concurrency.awaitables import Sent
from rest_channels.engine.commands import close_each, deliver_to_each
from rest_channels.engine.publish import deliver_to_addresses, send_command_to_each
from rest_channels.engine.receiving import hold_messages_to
from rest_channels.exceptions import check_close_code
from rest_channels.groups import content_event
from rest_channels.protocol.dialects import with_timestamp
from rest_channels.protocol.messages import Event
from rest_channels.renderers import encode_text

from .constants import BOT_PREFIX

__all__ = ["AddressList"]


class AddressList:
    """A list of connections by address. Connections that have ended receive nothing.

    Duplicates and addresses of bots are dropped; `len()` is the number of those left. Each method
    has sent its message when it returns, or queued it in `async def`, where the result can be
    awaited. `addresses` are values of `Socket.channel_name`.
    """

    def __init__(self, addresses: Iterable[str]) -> None:
        unique = dict.fromkeys(addresses)
        self.addresses = [address for address in unique if not address.startswith(BOT_PREFIX)]

    def __len__(self) -> int:
        return len(self.addresses)

    def send(self, content: dict[str, Any]) -> Sent:
        """Send `content` as `Group.send` does: a dict with `text` or `bytes`, and `close`."""
        return self._deliver(content_event("", content))

    async def asend(self, content: dict[str, Any]) -> None:
        await self.send(content)

    def send_str(self, text: str) -> Sent:
        """Send `text` unchanged. Raise `TypeError` if it is not a string."""
        return self.send({"text": text})

    def send_json(self, content: dict[str, Any]) -> Sent:
        """Send `content` as JSON with a `TIMESTAMP`. Raise `TypeError` if it is not a dict."""
        return self._deliver(Event.rendered("", content, encode_text(with_timestamp(content))))

    def disconnect(self, code: int, reason: str) -> Sent:
        """Close the connections. Raise `ValueError` if `code` is not a valid close code."""
        return send_command_to_each(
            self.addresses, close_each, int(check_close_code(code)), str(reason)
        )

    def _deliver(self, event: Event) -> Sent:
        hold_messages_to(self.addresses)
        return deliver_to_addresses(self.addresses, deliver_to_each, event)
