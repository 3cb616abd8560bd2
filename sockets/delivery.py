"""Words for many connections: rendered once, one message to each server process that holds some.

It knows addresses (`Socket.channel_name`) and hubs, and no database. Everything here may be called
where nothing is served, and nothing raises because a broker is down.
"""

from collections.abc import Iterable
from typing import Any

from rest_channels.concurrency.awaitables import Sent
from rest_channels.engine.commands import close_each, deliver_to_each
from rest_channels.engine.publish import send_command_to_each
from rest_channels.exceptions import check_close_code
from rest_channels.groups import content_event
from rest_channels.protocol.dialects import with_timestamp
from rest_channels.protocol.messages import Event
from rest_channels.renderers import encode

from .constants import BOT

__all__ = ["AddressList"]


class AddressList:
    """Some connections, by their addresses. Those that have ended meanwhile hear nothing.

    `len` says how many they are. Each verb has done its work, or in `async def` queued it, when it
    returns; there the result can be awaited.
    """

    def __init__(self, addresses: Iterable[str]) -> None:
        once = dict.fromkeys(addresses)
        self.addresses = [address for address in once if not address.startswith(BOT)]

    def __len__(self) -> int:
        return len(self.addresses)

    def send(self, content: dict[str, Any]) -> Sent:
        """Send `content`, as `Group.send` takes it: `text` or `bytes`, and `close`.

        Raises `TypeError` for anything else.
        """
        return self._tell(content_event("", content))

    async def asend(self, content: dict[str, Any]) -> None:
        """`send`, awaited."""
        await self.send(content)

    def send_str(self, text: str) -> Sent:
        """Send `text` as it is. Raises `TypeError` if it is none."""
        return self.send({"text": text})

    def send_json(self, content: dict[str, Any]) -> Sent:
        """Send `content` as JSON, with a `TIMESTAMP`. Raises `TypeError` for what is no dict."""
        return self._tell(Event.rendered("", content, encode(with_timestamp(content)).decode()))

    def disconnect(self, code: int, reason: str) -> Sent:
        """Close them. Raises `ValueError` for a code that is none."""
        return send_command_to_each(
            self.addresses, close_each, int(check_close_code(code)), str(reason)
        )

    def _tell(self, event: Event) -> Sent:
        return send_command_to_each(self.addresses, deliver_to_each, event)
