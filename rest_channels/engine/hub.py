"""The connections and groups of one event loop, and the delivery of messages to group members.

A message is rendered before it reaches the hub. Every member receives the same message: no task, no
copy and no JSON per connection. While a hub has connections, and a channel layer reaches other
processes, the hub has a link to their hubs.
"""

import asyncio
import contextlib
import itertools
import re
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import orjson

from ..cluster.layer import BROKER_TIMEOUT, crosses_processes
from ..cluster.link import Link, PacketReceiver
from ..cluster.listeners import Listeners
from ..cluster.nodes import new_node
from ..cluster.packet_sender import ALL_NODES_GROUP, node_group
from ..cluster.standalone_publisher import publisher
from ..concurrency.awaitables import DONE
from ..concurrency.execution import empty_context
from ..concurrency.tasks import EAGER_TASKS, cancel_tasks, start_task
from ..protocol.messages import Event, Gap
from ..settings import api_settings
from .fanout import Member, deliver, fan_out
from .socket_limits import SocketCounts

P = TypeVar("P")

__all__ = ["Command", "Hub", "check_group", "command", "on_heartbeat", "with_data"]

_GROUP = re.compile(r"[\w.-]{1,99}", re.ASCII)

MAX_NESTING = 16
"""Messages that are published during the delivery of another are delivered at once up to this
depth. Deeper ones wait for the loop's next iteration."""


class Hub(PacketReceiver):
    """The connections and groups of one event loop. Call its methods in that loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.outboxes_lock = threading.Lock()
        self.node = new_node()
        self.groups: dict[str, dict[Member, None]] = {}
        self.members: dict[str, Member] = {}
        self.link: Link | None = None
        self.listeners = Listeners()
        self.sockets = SocketCounts()
        self._ids = itertools.count(1)
        self._depth = 0
        self._connection_count = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._components: dict[Any, Any] = {}
        self._timer: asyncio.TimerHandle | None = None

    # Connections. The link and the heartbeat run from the first connection to the last.

    def new_address(self) -> str:
        return f"{self.node}.{next(self._ids):x}"

    def add_connection(self, member: Member) -> None:
        """Make `member` reachable under its address."""
        self._connection_count += 1
        self.members[member.address] = member
        if self.link is None and crosses_processes():
            self.link = Link(self.node, self, after=publisher.flush())
        if self._timer is None:
            self._schedule_heartbeat()

    async def reachable(self, member: Member) -> bool:
        """Wait until other processes reach the addresses here, for at most `BROKER_TIMEOUT`.

        Its handler may pass its address on. Return whether `member` is still here: a revocation may
        have closed it meanwhile.
        """
        if self.link is not None and not self.link.first_attempt.done():
            await asyncio.wait({self.link.first_attempt}, timeout=BROKER_TIMEOUT)
        return member.address in self.members

    def remove_address(self, member: Member) -> None:
        self.members.pop(member.address, None)

    def remove_connection(self, member: Member) -> Awaitable[None]:
        """Note that `member` has ended. A hub without connections stops its work."""
        self._connection_count -= 1
        self.sockets.release(member)
        return DONE if self._connection_count else self._stop()

    async def _stop(self) -> None:
        link = self.link
        while link is not None and link.sender.unsent:  # later messages may use the publisher
            await link.sender.flush()
        if self._connection_count or link is not self.link:
            return
        self.link = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        listeners, self.listeners = self.listeners, Listeners()
        await cancel_tasks(self._tasks, 1.0)
        await listeners.stop()
        if link is not None:
            await link.stop()

    def _schedule_heartbeat(self) -> None:
        if (seconds := api_settings.BEAT) is not None:
            self._timer = self.loop.call_later(seconds, self._heartbeat)

    def _heartbeat(self) -> None:
        self._schedule_heartbeat()
        self.start_task(self.listeners.renew())
        self._start_heartbeat_work()

    def _start_heartbeat_work(self) -> None:
        for work in _heartbeat_work:
            self.start_task(work(self))

    def start_task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start `work`. It ends with the hub's last connection at the latest."""
        task = start_task(work, self.loop, empty_context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def get_component(self, kind: Callable[["Hub"], P]) -> P:
        """Return this hub's `kind(hub)`, the data of another module. Create it on first use."""
        if kind not in self._components:
            self._components[kind] = kind(self)
        component: P = self._components[kind]
        return component

    # Groups.

    def join(self, group: str, member: Member) -> asyncio.Future[Any] | None:
        """Make `member` a member of `group`. Raise `TypeError` for a bad name.

        Return a future to wait for until messages of other processes arrive, or `None`.
        """
        members = self.groups.get(group)
        if members is not None:
            members[member] = None
            return None
        self.groups[check_group(group)] = {member: None}
        return None if self.link is None else self.link.join(group)

    def leave(self, group: str, member: Member) -> None:
        members = self.groups.get(group)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self.groups[group]
                if self.link is not None:
                    self.link.leave(group)

    def publish(self, event: Event) -> None:
        """Deliver `event` to the members of its group on this hub, in the order they joined."""
        members: Iterable[Member] | None = self.groups.get(event.group)
        if members is None:
            return
        if event.also_on_layer:
            listening = set(self.listeners.receivers_of(event.group))
            members = [member for member in members if member not in listening]
        self.deliver_to_members(event, tuple(members))

    def deliver_to_members(self, event: Event, members: Sequence[Member]) -> None:
        if self._depth >= MAX_NESTING:
            self.loop.call_soon(deliver, event, members)
            return
        self._depth += 1
        try:
            if EAGER_TASKS and event.text is not None and event.close is None and not event.accept:
                fan_out(event, members, self.loop)
            else:
                deliver(event, members)
        finally:
            self._depth -= 1

    # Messages and commands of other processes.

    def wants_group(self, group: str) -> bool:
        return group in self.groups or group == ALL_NODES_GROUP

    def wanted_groups(self) -> list[str]:
        return [ALL_NODES_GROUP, *self.groups]

    def receive(self, event: Event) -> None:
        """Deliver `event`."""
        self.publish(with_data(event, self.groups.get(event.group, ())))

    def run_command(self, name: str, args: tuple[Any, ...]) -> Awaitable[Any] | None:
        """Run the command that another process sent. Ignore commands of a newer release."""
        command = _commands.get(name)
        return None if command is None else command(self, *args)

    def messages_lost(self, groups: list[str]) -> None:
        """Deliver a `Gap` to the members of `groups`.

        A lost command may have been a revocation: all accounts are checked now. A lost message to
        this node may have been for any connection: each receives a gap under its own address.
        """
        if not {ALL_NODES_GROUP, node_group(self.node)}.isdisjoint(groups):
            self._start_heartbeat_work()
        missing: dict[Member, list[str]] = {}
        for group in groups:
            for member in self.groups.get(group, ()):
                missing.setdefault(member, []).append(group)
        if node_group(self.node) in groups:
            for address, member in self.members.items():
                missing.setdefault(member, []).append(address)
        for member, names in missing.items():
            member.deliver(Gap(tuple(names)))

    def layer_restored(self) -> None:
        """Listen again, and deliver a `Gap` to every connection."""
        self.listeners.restore()
        self.messages_lost([*self.groups, node_group(self.node)])


def with_data(event: Event, members: Iterable[Member]) -> Event:
    """Return `event`, with the data that was rendered if members need it: they override sending."""
    if event.rendered_elsewhere and event.text and any(member.needs_queue for member in members):
        with contextlib.suppress(orjson.JSONDecodeError):  # not every renderer writes JSON
            return event._replace(data=orjson.loads(event.text))
    return event


class Command:
    """A function of a hub that other processes may call, by a name that never changes.

    Two releases share a broker during an upgrade. Therefore the name on the wire is not the name
    of the function: the other release would ignore a command whose function was renamed.
    """

    def __init__(self, wire_name: str, function: Callable[..., Awaitable[Any] | None]) -> None:
        self.wire_name = wire_name
        self._function = function
        self.__doc__ = function.__doc__

    def __call__(self, hub: Hub, *args: Any) -> Awaitable[Any] | None:
        """Run the command on `hub`. Return an awaitable if it is not done yet."""
        return self._function(hub, *args)


Work = TypeVar("Work", bound=Callable[..., Coroutine[Any, Any, None]])

_commands: dict[str, Command] = {}
_heartbeat_work: list[Callable[[Hub], Coroutine[Any, Any, None]]] = []


def command(wire_name: str) -> Callable[[Callable[..., Any]], Command]:
    """Let other processes call the decorated `function(hub, *args)` by `wire_name`."""

    def register(function: Callable[..., Any]) -> Command:
        _commands[wire_name] = registered = Command(wire_name, function)
        return registered

    return register


def on_heartbeat(work: Work) -> Work:
    """Call the decorated `work(hub)` every `BEAT` seconds for every hub with connections."""
    _heartbeat_work.append(work)
    return work


def check_group(name: str) -> str:
    """Return `name` if channel layers accept it as a group name. Raise `TypeError` otherwise."""
    if not isinstance(name, str) or not _GROUP.fullmatch(name):
        raise TypeError(
            f"{name!r} is no group name: use 1 to 99 ASCII letters, digits, '-', '_' or '.'."
        )
    return name
