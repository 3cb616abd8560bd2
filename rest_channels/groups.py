"""Send messages to one connection (`Channel`) or to many (`Group`), from anywhere.

`Channel` and `Group` have the API of Channels 1, `HubLayer` has that of a channel layer. All work
in handlers, views, tasks and the shell. A message to a channel or a group is a dict with `text` or
`bytes`. With `close` (`True` or a close code) it ends the connection afterwards.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import orjson
from asgiref.sync import markcoroutinefunction

from .cluster.layer import crosses_processes, shared_layer
from .cluster.listeners import Listeners
from .cluster.nodes import node_of
from .cluster.packets import packable
from .concurrency.awaitables import DONE, Sent
from .engine import commands
from .engine.connection import Connection
from .engine.hub import check_group
from .engine.publish import publish, running_loop, send_command, send_command_and_wait
from .engine.publish_kept import aread_history, publish_kept, read_history
from .engine.receiving import hold_messages_to
from .exceptions import CloseCode, check_close_code
from .history.policy import history_of
from .history.records import KeptMessage
from .partitions import group_name
from .protocol.messages import Event, encoded_size, plain_bytes, plain_text

__all__ = ["Channel", "Group", "HubLayer", "content_event"]

GROUP_SUBSCRIBER = "group"  # of the memberships that `Group.add` began


class Channel:
    """One connection, by its address (`request.reply_channel.name`).

    In a handler `request.reply_channel` also knows its connection. Sending to it keeps the order of
    everything that the handler sends, and awaiting it is back-pressure.
    """

    def __init__(self, name: str, *, connection: Connection | None = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"The name of a channel must be a string, not {type(name).__name__}.")
        self.name = name
        self.connection = connection

    def send(self, content: dict[str, Any]) -> Sent:
        """Send `content` to the connection. Raises `TypeError` if it is not a message."""
        event = content_event(self.name, content)
        if self.connection is None:
            hold_messages_to((self.name,))
            return send_command(self.name, commands.deliver_to, event)
        return self.connection.send_event(event)

    async def asend(self, content: dict[str, Any]) -> None:
        """Call `send`, and await it."""
        await self.send(content)

    def __str__(self) -> str:
        return self.name


class Group:
    """All connections that joined under one name. `aadd()` is `await add()`, and so on.

    Args:
        name: 1 to 99 ASCII letters, digits, `-`, `_` or `.`. Anything else raises `TypeError`.
    """

    def __init__(self, name: str) -> None:
        self.name = check_group(name)

    def add(self, channel: Channel | str) -> Sent:
        """Make a connection of any process a member. Adding it twice changes nothing.

        Messages that are sent afterwards reach it. In `async def` await the result first.
        """
        if isinstance(channel, Channel) and channel.connection is not None:
            return channel.connection.groups.join(self.name, GROUP_SUBSCRIBER)
        return send_command_and_wait(str(channel), commands.join_group, self.name, GROUP_SUBSCRIBER)

    def discard(self, channel: Channel | str) -> Sent:
        """End a membership that `add` began, if there is one."""
        if isinstance(channel, Channel) and channel.connection is not None:
            channel.connection.groups.leave(self.name, GROUP_SUBSCRIBER)
            return DONE
        return send_command(str(channel), commands.leave_group, self.name, GROUP_SUBSCRIBER)

    def send(self, content: dict[str, Any]) -> Sent:
        """Send `content` to every member. Raises `TypeError` if it is not a message."""
        event = content_event(group_name(self.name), content)
        if (history := history_of(self.name)) is None or not event.size:
            return publish(event)
        if event.text is None:
            raise TypeError(
                f"The group {self.name!r} has a history, which keeps text frames: send 'text'."
            )
        return publish_kept(event, history)

    def history(self, limit: int = 50) -> list[tuple[int, Any]]:
        """Return the last messages of a group with a history, for example for a page that opens.

        Args:
            limit: The most messages to return.

        Returns:
            (offset, data) of each message, oldest first. Data that is no JSON is text.

        Raises:
            ValueError: The group has no history, or `limit` is less than 1.
            StoreUnavailable: The store does not answer (`rest_channels.history`).
            RuntimeError: Called in an event loop. Await `ahistory` there.
        """
        if running_loop() is not None:
            raise RuntimeError("Group.history() was called in an event loop: await ahistory().")
        return _decoded(read_history(self._kept_name(limit), limit))

    async def ahistory(self, limit: int = 50) -> list[tuple[int, Any]]:
        """Do what `history` does, in `async def`."""
        return _decoded(await aread_history(self._kept_name(limit), limit))

    def _kept_name(self, limit: int) -> str:
        if history_of(self.name) is None:
            raise ValueError(
                f"The group {self.name!r} has no history. Name it in REST_CHANNELS['HISTORIES'], "
                "or in the attribute histories of a class."
            )
        if limit < 1:
            raise ValueError(f"limit is {limit!r}. Use a number of at least 1.")
        return group_name(self.name)

    async def aadd(self, channel: Channel | str) -> None:
        await self.add(channel)

    async def adiscard(self, channel: Channel | str) -> None:
        await self.discard(channel)

    async def asend(self, content: dict[str, Any]) -> None:
        """Call `send`, and await it."""
        await self.send(content)

    def __str__(self) -> str:
        return self.name


class HubLayer:
    """`consumer.channel_layer`: the methods of a channel layer, for `def` and `async def`.

    Messages reach all members of a group: plain Channels consumers, and connections that joined
    with any method of this library. Without a layer they reach the connections of this process.
    """

    def __init__(self, connection: Connection, find_channel: Callable[[], str]) -> None:
        """`find_channel()` returns the name of the connection's own channel, if it has one."""
        self.connection = connection
        self._find_channel = find_channel

    @markcoroutinefunction
    def group_add(self, group: str, channel: str) -> Sent:
        """Add `channel`, an address or a channel name of the layer, to `group`."""
        check_group(group)
        if self._is_own(channel):
            return self.connection.groups.join_layer_group(group)
        if node_of(channel) is not None:
            return send_command_and_wait(channel, commands.join_layer_group, group)
        return self._call_layer("group_add", self._name(group), channel)

    @markcoroutinefunction
    def group_discard(self, group: str, channel: str) -> Sent:
        """Remove `channel`, an address or a channel name of the layer, from `group`."""
        if self._is_own(channel):
            self.connection.groups.leave_layer_group(group)
            return DONE
        if node_of(channel) is not None:
            return send_command(channel, commands.leave_layer_group, group)
        return self._call_layer("group_discard", self._name(group), channel)

    @markcoroutinefunction
    def group_send(self, group: str, message: dict[str, Any]) -> Sent:
        """Call the method that `message["type"]` names on every member of `group`."""
        return self.connection.loop_bridge.call(self._group_send, group, _typed(message))

    def _group_send(self, group: str, message: dict[str, Any]) -> Sent:
        name = self._name(group)
        publish(Event(name, message, also_on_layer=shared_layer() is not None))
        return self._listeners.group_send(name, message)

    def _name(self, group: str) -> str:
        return group_name(check_group(group), self.connection.partition)

    @markcoroutinefunction
    def send(self, channel: str, message: dict[str, Any]) -> Sent:
        """Call the method that `message["type"]` names on the consumer at `channel`."""
        if node_of(channel) is not None:
            hold_messages_to((channel,))
            return send_command(channel, commands.deliver_to, Event(channel, _typed(message)))
        return self._call_layer("send", channel, _typed(message))

    @property
    def _listeners(self) -> Listeners:
        return self.connection.hub.listeners

    def _is_own(self, channel: str) -> bool:
        if channel == self.connection.address:
            return True
        return bool(channel) and channel == self._find_channel()

    def _call_layer(self, method: str, *args: Any) -> Sent:
        """Call a method of the layer itself, after the calls that are queued."""
        layer = shared_layer()
        if layer is None:
            return DONE
        bridge = self.connection.loop_bridge
        return bridge.call(self._listeners.call_layer, lambda: getattr(layer, method)(*args))


def _decoded(messages: list[KeptMessage]) -> list[tuple[int, Any]]:
    return [(offset, _parsed(text)) for offset, text in messages]


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # not every renderer writes JSON
        return text


def content_event(address: str, content: dict[str, Any]) -> Event:
    """Return the event of the message `content` for `address`, a connection or a group.

    Raise `TypeError` if it is no message, and `ValueError` if its `close` is no close code.
    """
    if not isinstance(content, dict):
        raise TypeError(f"Send a dict with 'text' or 'bytes', not {type(content).__name__}.")
    if unknown := content.keys() - {"text", "bytes", "close", "accept"}:
        raise TypeError(f"A message has 'text', 'bytes', 'close' and 'accept', not {unknown}.")
    close = content.get("close") or None
    close = CloseCode.NORMAL if close is True else close
    if close is not None:
        check_close_code(close)
    text, data = plain_text(content.get("text")), plain_bytes(content.get("bytes"))
    size = encoded_size(text) if text else len(data or b"")
    return Event(address, None, text, data, size, close, accept=bool(content.get("accept")))


def _typed(message: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise TypeError(f"A message to the layer must be a dict with a 'type', not {message!r}.")
    return packable(message) if crosses_processes() else deepcopy(message)
