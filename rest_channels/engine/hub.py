"""The connections and groups of one event loop, and the delivery of messages to group members.

A message is rendered before it reaches the hub. Every member receives the same message: no task, no
copy and no JSON per connection. While a hub has connections, and a channel layer reaches other
processes, the hub has a link to their hubs.
"""

import asyncio
import contextlib
import itertools
import logging
import re
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
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
from .command_registry import commands
from .fanout import Member, deliver, fan_out
from .recovery import Recovery
from .socket_limits import SocketCounts

P = TypeVar("P")

__all__ = ["Hub", "check_group", "on_heartbeat", "with_data"]

logger = logging.getLogger("rest_channels")

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
        self.recovery = Recovery(self.start_task, self._members_of, self._deliver_rendered)
        self.on_stop: list[Callable[[], Awaitable[None]]] = []
        self._ids = itertools.count(1)
        self._depth = 0
        self._warned = False
        self._connection_count = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._components: dict[Any, Any] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._heartbeat_tasks: dict[Any, asyncio.Task[Any]] = {}  # by work, the last one

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

    @property
    def is_used(self) -> bool:
        """Whether it has connections, or still sends what they have published."""
        return self._connection_count > 0 or self.link is not None

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
        for stop in (*self.on_stop, self.recovery.stop):
            await stop()
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
        for work in _heartbeat_work:
            last = self._heartbeat_tasks.get(work)
            if last is None or last.done():
                self._heartbeat_tasks[work] = self.start_task(work(self))

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
            self.recovery.leave(group, member)
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

    def publish_unnumbered(self, event: Event, put_at: float) -> None:
        """Deliver a message that the store did not take to the members of its group on this hub."""
        if not self.recovery.deliver_unnumbered(event, put_at):
            self.publish(event)

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
        """Deliver `event`; in order, if it has a position."""
        if event.group in self.recovery.groups:
            if event.position is not None:
                self.recovery.receive(event)
                return
            self._warn_of_missing_history(event)
        self.publish(with_data(event, self.groups.get(event.group, ())))

    def _warn_of_missing_history(self, event: Event) -> None:
        """Log once that another process sends to a group whose history it does not know."""
        if event.text is not None and not self._warned:
            self._warned = True
            logger.warning(
                "Another process sends to the group %r and does not know its history, so the "
                "message is not kept. Name the group in REST_CHANNELS['HISTORIES'].",
                event.group,
            )

    def _members_of(self, group: str) -> Collection[Member]:
        return self.groups.get(group, ())

    def _deliver_rendered(self, event: Event, members: Sequence[Member]) -> None:
        self.deliver_to_members(with_data(event, members), members)

    def run_command(self, name: str, args: tuple[Any, ...]) -> Awaitable[Any] | None:
        """Run the command that another process sent. Ignore commands of a newer release."""
        command = commands.get(name)
        return None if command is None else command(self, *args)

    def messages_lost(self, groups: list[str]) -> None:
        """Deliver a `Gap` to the members of `groups`, and read what the store has of them.

        A lost command may have been a revocation: all accounts are checked now. A lost message to
        this node may have been for any connection: each receives a gap under its own address.
        """
        if not {ALL_NODES_GROUP, node_group(self.node)}.isdisjoint(groups):
            for work in _heartbeat_work:  # even if it runs: that may have begun before the loss
                self.start_task(work(self))
        missing: dict[Member, list[str]] = {}
        for group in groups:
            self.recovery.catch_up(group)
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


Work = TypeVar("Work", bound=Callable[..., Coroutine[Any, Any, None]])

_heartbeat_work: list[Callable[[Hub], Coroutine[Any, Any, None]]] = []


def on_heartbeat(work: Work) -> Work:
    """Call the decorated `work(hub)` every `BEAT` seconds for every hub with connections.

    A heartbeat leaves out work that still runs since an earlier one, for example while the database
    does not answer.
    """
    _heartbeat_work.append(work)
    return work


def check_group(name: str) -> str:
    """Return `name` if channel layers accept it as a group name. Raise `TypeError` otherwise."""
    if not isinstance(name, str) or not _GROUP.fullmatch(name):
        raise TypeError(
            f"{name!r} is no group name: use 1 to 99 ASCII letters, digits, '-', '_' or '.'."
        )
    return name
