"""Who is in which group, and the way of a message to all of them.

There is one hub per event loop. A message is rendered before it comes here and is handed to every
member as it is: no task, no copy and no JSON per connection. While a hub has connections it has a
link to the hubs of other processes, where there is a channel layer that reaches them.
"""

import asyncio
import contextlib
import itertools
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import orjson

from ..cluster.layer import crosses_processes
from ..cluster.link import Link, PacketReceiver
from ..cluster.listeners import Listeners
from ..cluster.nodes import new_node
from ..cluster.packet_sender import EVERYONE, node_group
from ..cluster.publisher import publisher
from ..concurrency.execution import empty_context
from ..concurrency.serial_queue import EAGER, cancel_tasks, start_task
from ..protocol.messages import Event, Gap
from ..settings import api_settings
from .fanout import Member, deliver, fan_out

P = TypeVar("P")

__all__ = ["Command", "Hub", "check_group", "command", "on_heartbeat"]

_GROUP = re.compile(r"[\w.-]{1,99}", re.ASCII)

NESTING = 16
"""A message that is published while another is delivered, while another … goes out at once this
deep, and beyond that at the loop's next turn."""


class Hub(PacketReceiver):
    """The groups of one event loop. Its methods belong to that loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.node = new_node()
        self.groups: dict[str, dict[Member, None]] = {}
        self.members: dict[str, Member] = {}
        self.link: Link | None = None
        self.listeners = Listeners()
        self._ids = itertools.count(1)
        self._depth = 0
        self._guests = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._parts: dict[Any, Any] = {}
        self._timer: asyncio.TimerHandle | None = None

    # Who is here. The hub is at work from the first connection to the last.

    def new_address(self) -> str:
        """The address of another connection."""
        return f"{self.node}.{next(self._ids):x}"

    def add_connection(self, member: Member) -> None:
        """`member` begins: it can be reached under its address."""
        self._guests += 1
        self.members[member.address] = member
        if self.link is None and crosses_processes():
            self.link = Link(self.node, self, after=publisher.flush())
        if self._timer is None:
            self._await_beat()

    def remove_address(self, member: Member) -> None:
        """`member` can be reached no more."""
        self.members.pop(member.address, None)

    async def remove_connection(self, member: Member) -> None:
        """`member` has ended. The last one ends what goes on here."""
        self._guests -= 1
        if not self._guests:
            await self._rest()

    async def _rest(self) -> None:
        link = self.link
        while link is not None and link.sender.unsent:  # what follows may go another way
            await link.sender.flush()
        if self._guests or link is not self.link:
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

    def _await_beat(self) -> None:
        if (beat := api_settings.BEAT) is not None:
            self._timer = self.loop.call_later(beat, self._beat)

    def _beat(self) -> None:
        self._await_beat()
        self.start_task(self.listeners.renew())
        self._look()

    def _look(self) -> None:
        for work in _beats:
            self.start_task(work(self))

    def start_task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin `work`; it ends at the latest with the hub's last connection."""
        task = start_task(work, self.loop, empty_context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def get_part(self, kind: Callable[["Hub"], P]) -> P:
        """This hub's own `kind(hub)`: what other modules keep for it, made when first asked for."""
        if kind not in self._parts:
            self._parts[kind] = kind(self)
        part: P = self._parts[kind]
        return part

    # Groups.

    def join(self, group: str, member: Member) -> asyncio.Future[Any] | None:
        """Make `member` hear what is said to `group`; what to wait for until other processes know.

        Raises `TypeError` for a bad name.
        """
        members = self.groups.get(group)
        if members is not None:
            members[member] = None
            return None
        self.groups[check_group(group)] = {member: None}
        return None if self.link is None else self.link.join(group)

    def leave(self, group: str, member: Member) -> None:
        """End the membership, if there is one."""
        members = self.groups.get(group)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self.groups[group]
                if self.link is not None:
                    self.link.leave(group)

    def publish(self, event: Event) -> None:
        """Hand `event` to every member its group has here, in the order they joined."""
        members: Iterable[Member] | None = self.groups.get(event.group)
        if members is None:
            return
        if event.also_on_layer:
            listening = set(self.listeners.of(event.group))
            members = [member for member in members if member not in listening]
        self.deliver_to_members(event, tuple(members))

    def deliver_to_members(self, event: Event, members: Sequence[Member]) -> None:
        """Hand `event` to `members`, one after another."""
        if self._depth >= NESTING:
            self.loop.call_soon(deliver, event, members)
            return
        self._depth += 1
        try:
            if EAGER and event.text is not None and event.close is None and not event.accept:
                fan_out(event, members, self.loop)
            else:
                deliver(event, members)
        finally:
            self._depth -= 1

    # What other processes say: the link's ears.

    def wants_group(self, group: str) -> bool:
        """Whether the hub is to be in `group`."""
        return group in self.groups or group == EVERYONE

    def wanted_groups(self) -> list[str]:
        return [EVERYONE, *self.groups]

    def receive(self, event: Event) -> None:
        """Another process says `event`. Who intercepts needs the data it was rendered from."""
        members = self.groups.get(event.group, ())
        if (
            event.rendered_elsewhere
            and event.text
            and any(member.needs_queue for member in members)
        ):
            with contextlib.suppress(orjson.JSONDecodeError):  # a renderer may write what it likes
                event = event._replace(data=orjson.loads(event.text))
        self.publish(event)

    def run_command(self, name: str, args: tuple[Any, ...]) -> Awaitable[Any] | None:
        """Run the command that another process sent; ignore those of a newer release."""
        wanted = _commands.get(name)
        return None if wanted is None else wanted(self, *args)

    def messages_lost(self, groups: list[str]) -> None:
        """Tell the members of `groups` that something did not arrive.

        Where that was a command, it may have been one to close somebody: that is looked at now.
        And it may have been a word for anybody here: all are told under their own address.
        """
        if not {EVERYONE, node_group(self.node)}.isdisjoint(groups):
            self._look()
        missing: dict[Member, list[str]] = {}
        for group in groups:
            for member in self.groups.get(group, ()):
                missing.setdefault(member, []).append(group)
        if node_group(self.node) in groups:
            for address, member in self.members.items():
                missing.setdefault(member, []).append(address)
        for member, theirs in missing.items():
            member.deliver(Gap(tuple(theirs)))

    def layer_restored(self) -> None:
        """The layer is back: listen anew, and tell everybody that anything may be missing."""
        self.listeners.restore()
        self.messages_lost([*self.groups, node_group(self.node)])


class Command:
    """A function of a hub that other processes may call, under a name that never changes.

    Two releases share a broker while one replaces the other, so the name on the wire is not the
    function's: renaming the function must not make the other release ignore the command.
    """

    def __init__(self, wire_name: str, function: Callable[..., Awaitable[Any] | None]) -> None:
        self.wire_name = wire_name
        self._function = function
        self.__doc__ = function.__doc__

    def __call__(self, hub: Hub, *args: Any) -> Awaitable[Any] | None:
        """Run it on `hub`; what it returns can be awaited until it is done."""
        return self._function(hub, *args)


Work = TypeVar("Work", bound=Callable[..., Coroutine[Any, Any, None]])

_commands: dict[str, Command] = {}
_beats: list[Callable[[Hub], Coroutine[Any, Any, None]]] = []


def command(wire_name: str) -> Callable[[Callable[..., Any]], Command]:
    """Let other processes call the decorated `function(hub, *args)` under `wire_name`."""

    def register(function: Callable[..., Any]) -> Command:
        _commands[wire_name] = registered = Command(wire_name, function)
        return registered

    return register


def on_heartbeat(work: Work) -> Work:
    """Let `work(hub)` be done every `BEAT` seconds by every hub that has connections."""
    _beats.append(work)
    return work


def check_group(name: str) -> str:
    """`name`, if a channel layer would take it as a group's; `TypeError` otherwise."""
    if not isinstance(name, str) or not _GROUP.fullmatch(name):
        raise TypeError(
            f"{name!r} is no group name: it takes 1 to 99 ASCII letters, digits, '-', '_' or '.'."
        )
    return name
