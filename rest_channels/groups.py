"""One connection, or many, as objects to speak to.

`Channel` and `Group` have Channels 1's names, `HubLayer` has those of a channel layer. They work
from anywhere: in handlers, views, tasks and the shell. To a channel or a group one sends a dict
with `text` or `bytes`, and `close` (`True` or a close code) to end the connection after it.
"""

from typing import Any

from .connection import Connection
from .exceptions import CloseCode, check_close_code
from .hub import Hub, check_group, everywhere, publish
from .messages import Event, size_of
from .verbs import DONE, Sent

__all__ = ["Channel", "Group", "HubLayer"]


class Channel:
    """One connection, by its address (`request.reply_channel.name`).

    In a handler `request.reply_channel` also knows its connection: sending to it keeps the order
    with all else the handler sends, and awaiting it is backpressure.
    """

    def __init__(self, name: str, *, connection: Connection | None = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"A channel's name is text, not {type(name).__name__}.")
        self.name = name
        self.connection = connection

    def send(self, content: dict[str, Any]) -> Sent:
        """Send `content`; what nobody is there to hear is dropped. Raises `TypeError`."""
        event = _event(self.name, content)
        if self.connection is None:
            everywhere(Hub.tell, self.name, event)
            return DONE
        return self.connection.say(event)

    async def asend(self, content: dict[str, Any]) -> None:
        """`send`, awaited."""
        await self.send(content)

    def __str__(self) -> str:
        return self.name


class Group:
    """All connections that joined under one name.

    In: 1 to 99 ASCII letters, digits, `-`, `_` or `.`. Raises `TypeError` for another name.
    """

    def __init__(self, name: str) -> None:
        self.name = check_group(name)

    def add(self, channel: Channel | str) -> None:
        """Make a connection a member, now. Adding it twice changes nothing."""
        if isinstance(channel, Channel) and channel.connection is not None:
            channel.connection.join(self.name, Group)
        else:
            everywhere(Hub.enlist, str(channel), self.name, Group)

    def discard(self, channel: Channel | str) -> None:
        """End a membership that `add` began; nothing happens if there is none."""
        if isinstance(channel, Channel) and channel.connection is not None:
            channel.connection.leave(self.name, Group)
        else:
            everywhere(Hub.dismiss, str(channel), self.name, Group)

    def send(self, content: dict[str, Any]) -> Sent:
        """Send `content` to every member. Raises `TypeError`."""
        everywhere(Hub.publish, _event(self.name, content))
        return DONE

    async def aadd(self, channel: Channel | str) -> None:
        """`add`, from `async def`."""
        self.add(channel)

    async def adiscard(self, channel: Channel | str) -> None:
        """`discard`, from `async def`."""
        self.discard(channel)

    async def asend(self, content: dict[str, Any]) -> None:
        """`send`, awaited."""
        await self.send(content)

    def __str__(self) -> str:
        return self.name


class HubLayer:
    """What `consumer.channel_layer` is: its methods work in `def` and in `async def`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def group_add(self, group: str, channel: str) -> Sent:
        """Let the connection at address `channel` hear what is said to `group`."""
        if channel == self.connection.address:
            self.connection.join(group)
        else:
            everywhere(Hub.enlist, channel, group, None)
        return DONE

    def group_discard(self, group: str, channel: str) -> Sent:
        """End that membership."""
        if channel == self.connection.address:
            self.connection.leave(group)
        else:
            everywhere(Hub.dismiss, channel, group, None)
        return DONE

    def group_send(self, group: str, message: dict[str, Any]) -> Sent:
        """Call the method that `message["type"]` names on every member of `group`."""
        self.connection.home.call(publish, Event(group, _typed(message)))
        return DONE

    def send(self, channel: str, message: dict[str, Any]) -> Sent:
        """Call the method that `message["type"]` names on the connection at `channel`."""
        everywhere(Hub.tell, channel, Event(channel, _typed(message)))
        return DONE


def _event(address: str, content: dict[str, Any]) -> Event:
    if not isinstance(content, dict):
        raise TypeError(f"Send a dict with 'text' or 'bytes', not {type(content).__name__}.")
    unknown = content.keys() - {"text", "bytes", "close", "accept"}
    if unknown:
        raise TypeError(f"A message has 'text', 'bytes', 'close' and 'accept', not {unknown}.")
    close = content.get("close") or None
    if close is True:
        close = CloseCode.NORMAL
    if close is not None:
        check_close_code(close)
    text, data = content.get("text"), content.get("bytes")
    size = size_of(text) if text else len(data or b"")
    return Event(address, None, text, data, size, close, accept=bool(content.get("accept")))


def _typed(message: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise TypeError(f"A layer's message is a dict with a 'type', not {message!r}.")
    return message
