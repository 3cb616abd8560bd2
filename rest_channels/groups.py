"""One connection, or many, as objects to speak to.

`Channel` and `Group` have Channels 1's names, `HubLayer` has those of a channel layer. They work
from anywhere: in handlers, views, tasks and the shell. To a channel or a group one sends a dict
with `text` or `bytes`, and `close` (`True` or a close code) to end the connection after it.
"""

from copy import deepcopy
from typing import Any

from asgiref.sync import markcoroutinefunction

from .cluster.layer import crosses_processes, shared_layer
from .cluster.listeners import Listeners
from .cluster.nodes import node_of
from .cluster.packets import packable
from .concurrency.awaitables import DONE, Sent
from .engine.commands import (
    deliver_to,
    join_group,
    join_layer_group,
    leave_group,
    leave_layer_group,
)
from .engine.connection import Connection
from .engine.hub import check_group
from .engine.publish import publish, send_command, send_command_and_wait
from .exceptions import CloseCode, check_close_code
from .protocol.messages import Event, encoded_size

__all__ = ["Channel", "Group", "HubLayer", "content_event"]

SUBSCRIBER = "group"
"""Who asks for a membership that `Group.add` began."""


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
        """Send `content`, to whatever process; what nobody hears is dropped. Raises `TypeError`."""
        event = content_event(self.name, content)
        if self.connection is None:
            return send_command(self.name, deliver_to, event)
        return self.connection.send_event(event)

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

    def add(self, channel: Channel | str) -> Sent:
        """Make a connection a member, wherever it is. Adding it twice changes nothing.

        What is said to the group afterwards reaches it; in `async def` that takes awaiting.
        """
        if isinstance(channel, Channel) and channel.connection is not None:
            return channel.connection.groups.join(self.name, SUBSCRIBER)
        return send_command_and_wait(str(channel), join_group, self.name, SUBSCRIBER)

    def discard(self, channel: Channel | str) -> Sent:
        """End a membership that `add` began; nothing happens if there is none."""
        if isinstance(channel, Channel) and channel.connection is not None:
            channel.connection.groups.leave(self.name, SUBSCRIBER)
            return DONE
        return send_command(str(channel), leave_group, self.name, SUBSCRIBER)

    def send(self, content: dict[str, Any]) -> Sent:
        """Send `content` to every member. Raises `TypeError`."""
        return publish(content_event(self.name, content))

    async def aadd(self, channel: Channel | str) -> None:
        """`add`, awaited."""
        await self.add(channel)

    async def adiscard(self, channel: Channel | str) -> None:
        """`discard`, awaited."""
        await self.discard(channel)

    async def asend(self, content: dict[str, Any]) -> None:
        """`send`, awaited."""
        await self.send(content)

    def __str__(self) -> str:
        return self.name


class HubLayer:
    """What `consumer.channel_layer` is: the layer's verbs, in `def` and in `async def`.

    They reach whom the layer's own reach, plain Channels consumers included, and whoever joined a
    group by other ways of this library. Where there is no layer they work within the process.
    """

    def __init__(self, connection: Connection, channel: str) -> None:
        self.connection = connection
        self.channel = channel

    @markcoroutinefunction
    def group_add(self, group: str, channel: str) -> Sent:
        """Let `channel` hear what is said to `group`. In: an address, or a name of the layer."""
        check_group(group)
        if self._is_own(channel):
            return self.connection.groups.join_layer_group(group)
        if node_of(channel) is not None:
            return send_command_and_wait(channel, join_layer_group, group)
        return self._do("group_add", group, channel)

    @markcoroutinefunction
    def group_discard(self, group: str, channel: str) -> Sent:
        """End that."""
        if self._is_own(channel):
            self.connection.groups.leave_layer_group(group)
            return DONE
        if node_of(channel) is not None:
            return send_command(channel, leave_layer_group, group)
        return self._do("group_discard", group, channel)

    @markcoroutinefunction
    def group_send(self, group: str, message: dict[str, Any]) -> Sent:
        """Call the method that `message["type"]` names on every member of `group`."""
        return self.connection.loop_bridge.call(self._group_send, group, _typed(message))

    def _group_send(self, group: str, message: dict[str, Any]) -> Sent:
        publish(Event(check_group(group), message, also_on_layer=shared_layer() is not None))
        return self._listeners.group_send(group, message)

    @markcoroutinefunction
    def send(self, channel: str, message: dict[str, Any]) -> Sent:
        """Call the method that `message["type"]` names on the consumer at `channel`."""
        if node_of(channel) is not None:
            return send_command(channel, deliver_to, Event(channel, _typed(message)))
        return self._do("send", channel, _typed(message))

    @property
    def _listeners(self) -> Listeners:
        return self.connection.hub.listeners

    def _is_own(self, channel: str) -> bool:
        return channel in (self.connection.address, self.channel)

    def _do(self, verb: str, *args: Any) -> Sent:
        """Let the layer itself do it, after what was asked of it before."""
        layer = shared_layer()
        if layer is None:
            return DONE
        return self.connection.loop_bridge.call(
            self._listeners.do, lambda: getattr(layer, verb)(*args)
        )


def content_event(address: str, content: dict[str, Any]) -> Event:
    """What `content` (a message's `text` or `bytes`, `close`, `accept`) says to `address`.

    Raises `TypeError` for anything else, `ValueError` for a wrong close code.
    """
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
    if not isinstance(text, str | None) or not isinstance(data, bytes | None):
        raise TypeError("A message's 'text' is text, and its 'bytes' are bytes.")
    size = encoded_size(text) if text else len(data or b"")
    return Event(address, None, text, data, size, close, accept=bool(content.get("accept")))


def _typed(message: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise TypeError(f"A layer's message is a dict with a 'type', not {message!r}.")
    return packable(message) if crosses_processes() else deepcopy(message)
