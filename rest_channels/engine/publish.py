"""Publish messages and commands to hubs: directly in this process, through the layer elsewhere.

All functions may be called from a serving loop, from its threads, and in processes that serve no
sockets. Their result can be awaited. In a thread the call itself waits, for at most
`BROKER_TIMEOUT`. A broker failure raises no error.
"""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from django.conf import settings

from ..client_logs import log_for_client
from ..cluster.layer import BROKER_TIMEOUT, crosses_processes
from ..cluster.nodes import is_here, node_of
from ..cluster.packet_sender import ALL_NODES_GROUP, node_group
from ..cluster.packets import CommandPacket
from ..cluster.standalone_publisher import OutgoingPacket, publisher
from ..concurrency.awaitables import DONE, Sent
from ..protocol.messages import Event
from .command_registry import Command
from .hub import Hub
from .receiving import hold_messages_to

__all__ = [
    "broadcast_command",
    "current_hub",
    "deliver_to_addresses",
    "find_hub",
    "may_have_members",
    "note_serving",
    "on_every_hub",
    "publish",
    "run_on",
    "running_loop",
    "send_command",
    "send_command_and_wait",
    "send_command_to_each",
    "send_packets",
    "wait_for_future",
]

logger = logging.getLogger("rest_channels")

ADDRESSES_PER_PACKET = 2000


def current_hub() -> Hub:
    """Return the hub of the running loop."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        with _lock:
            for closed_loop in [known for known in _hubs if known.is_closed()]:
                del _hubs[closed_loop]
            hub = _hubs[loop] = Hub(loop)
    return hub


def publish(event: Event) -> Sent:
    """Send `event` to its group. Members on the calling thread's own loop receive it at once."""
    hold_messages_to((event.group,))
    sent = send_packets((event.group, event))  # first: other processes do not wait for this one
    on_every_hub(Hub.publish, event)
    return sent


def may_have_members(group: str) -> bool:
    """Return whether `group` may have members. Those of other processes are not known here."""
    if not crosses_processes() and not _hubs:
        _warn_that_nothing_receives()
    return crosses_processes() or any(group in hub.groups for hub in _all_hubs())


def note_serving() -> None:
    """Note that this process serves sockets, so that sending is never without effect."""
    global _warned  # noqa: PLW0603 - one flag per process
    _warned = True


def _warn_that_nothing_receives() -> None:
    """Warn once that this process serves no sockets, and reaches no process that does."""
    global _warned  # noqa: PLW0603 - one flag per process
    if not _warned:
        _warned = True
        if "rest_channels.W003" in settings.SILENCED_SYSTEM_CHECKS:
            return
        logger.warning(
            "This process serves no sockets, and CHANNEL_LAYERS reaches no other process. What it "
            "sends to groups, and the rows that it saves, reach no client. Set CHANNEL_LAYERS to a "
            "layer of channels-redis (rest_channels.W003)."
        )


_warned = False


def broadcast_command(command: Command, *args: Any) -> Sent:
    """Let every hub of every process run `command(hub, *args)`."""
    on_every_hub(command, *args)
    return send_packets((ALL_NODES_GROUP, CommandPacket(command.wire_name, args)))


def send_command(address: str, command: Command, *args: Any) -> Sent:
    """Let the hub that owns `address`, if any, run `command(hub, address, *args)`."""
    if (node := _checked_node_of(address)) is None:
        return DONE
    if is_here(node):
        on_every_hub(_only_on(node, command), address, *args)
        return DONE
    return send_packets((node_group(node), CommandPacket(command.wire_name, (address, *args))))


def send_command_to_each(addresses: Iterable[str], command: Command, *args: Any) -> Sent:
    """Let every hub that owns some of `addresses` run `command(hub, numbers, *args)`.

    Each hub receives one packet per `ADDRESSES_PER_PACKET` addresses. In it they are numbers: the
    parts of the addresses after the hub's name. Anything that is not an address is skipped.
    """
    packets: list[OutgoingPacket] = []
    for prefix, numbers in _group_by_prefix(addresses).items():
        if (node := node_of(f"{prefix}0")) is None:
            continue
        if is_here(node):
            on_every_hub(_only_on(node, command), numbers, *args)
        elif not crosses_processes():
            text = "No channel layer reaches the node %s: nothing is sent to it."
            log_for_client(logger, logging.WARNING, text, node)
        else:
            for start in range(0, len(numbers), ADDRESSES_PER_PACKET):
                batch = numbers[start : start + ADDRESSES_PER_PACKET]
                packets.append((node_group(node), CommandPacket(command.wire_name, (batch, *args))))
    return send_packets(*packets)


def deliver_to_addresses(addresses: Sequence[str], command: Command, event: Event) -> Sent:
    """Deliver `event` to the connections at `addresses`. `command` does it on other loops.

    Those of the running loop are found by their whole addresses.
    """
    loop = running_loop()
    hub = None if loop is None else _hubs.get(loop)
    if hub is None:
        return send_command_to_each(addresses, command, event)
    known, sent = hub.members, DONE
    members = list(filter(None, map(known.get, addresses)))
    if len(members) < len(addresses):  # first, so that other processes do not wait for this one
        elsewhere = [address for address in addresses if address not in known]
        sent = send_command_to_each(elsewhere, command, event)
    hub.deliver_to_members(event, members)
    return sent


def send_command_and_wait(address: str, command: Command, *args: Any) -> Sent:
    """Call `send_command`, and wait until the command is done, for at most `BROKER_TIMEOUT`."""
    if (node := _checked_node_of(address)) is None:
        return DONE
    hub = find_hub()
    if is_here(node):
        owner = next((hub for hub in _all_hubs() if hub.node == node), None)
        if owner is None or owner.loop.is_closed():
            return DONE
        return run_on(owner, _run_command(owner, command, (address, *args)))
    if not crosses_processes():
        return DONE
    if hub is not None and hub.link is not None:
        return run_on(hub, hub.link.send_command(node, command.wire_name, address, *args))
    return wait_for_future(publisher.send_command(node, command.wire_name, address, *args))


def on_every_hub(method: Callable[..., Any], *args: Any) -> None:
    """Call `method(hub, *args)` for every hub of this process, each on its own loop."""
    running = running_loop()
    for hub in _all_hubs():
        if hub.loop is running:
            method(hub, *args)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed and has no members
                hub.loop.call_soon_threadsafe(method, hub, *args)


def _group_by_prefix(addresses: Iterable[str]) -> dict[str, list[str]]:
    """Split each address after its last dot, and group the second parts by the first."""
    numbers_by_prefix: dict[str, list[str]] = {}
    prefix, length = "", 0
    numbers: list[str] = []
    for address in addresses:
        if not (prefix and address.startswith(prefix)):  # neighbours mostly share their prefix
            length = address.rfind(".") + 1
            prefix = address[:length]
            numbers = numbers_by_prefix.setdefault(prefix, [])
        numbers.append(address[length:])
    return numbers_by_prefix


def send_packets(*packets: OutgoingPacket) -> Sent:
    """Send `packets` to other processes, through an open link or through the publisher."""
    if not packets or not crosses_processes():
        if packets and not _hubs:
            _warn_that_nothing_receives()
        return DONE
    hub = find_hub()
    if hub is None or hub.link is None:
        return wait_for_future(publisher.send(packets))
    if hub.loop is running_loop():
        return [hub.link.sender.put(*packet) for packet in packets][-1]
    return run_on(hub, _put(hub, packets))


async def _put(hub: Hub, packets: Sequence[OutgoingPacket]) -> None:
    for index, packet in enumerate(packets):
        if hub.link is None:  # its last connection has ended in the meantime
            await wait_for_future(publisher.send(packets[index:]))
            return
        await hub.link.sender.put(*packet)


async def _run_command(hub: Hub, command: Command, args: tuple[Any, ...]) -> None:
    if (done := command(hub, *args)) is not None:
        await done


def run_on(hub: Hub, work: Coroutine[Any, Any, Any]) -> Sent:
    """Run `work` in the loop of `hub`. A thread waits for it, for at most `BROKER_TIMEOUT`."""
    if hub.loop is running_loop():
        task = hub.start_task(work)
        if task.done():
            task.result()
            return DONE
        return Sent(lambda: _result_of(task))
    return wait_for_future(asyncio.run_coroutine_threadsafe(work, hub.loop))


async def _result_of(task: "asyncio.Task[Any]") -> None:
    await asyncio.wait({task})  # which does not cancel it with its caller
    task.result()


def wait_for_future(future: "Future[Any]") -> Sent:
    """Wait for `future`: now if called in a thread, else when the result is awaited."""
    if running_loop() is None:
        with contextlib.suppress(TimeoutError):
            future.result(BROKER_TIMEOUT)
        return DONE
    return Sent(lambda: asyncio.wait({asyncio.wrap_future(future)}, timeout=BROKER_TIMEOUT))


def _checked_node_of(address: str) -> str | None:
    node = node_of(address)
    if node is None:
        text = "%.80r is not the address of a connection: use `request.reply_channel.name`."
        log_for_client(logger, logging.WARNING, text, address)
    return node


def _only_on(node: str, command: Command) -> Callable[..., None]:
    def run_on_owner(hub: Hub, *args: Any) -> None:
        if hub.node == node:
            command(hub, *args)

    return run_on_owner


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the running event loop, or `None` in a thread without one."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _all_hubs() -> list[Hub]:
    return list(_hubs.values())  # one atomic step, so it needs no lock


def find_hub() -> Hub | None:
    """Return a hub that is used: that of the running loop if possible, else any."""
    used = [hub for hub in _all_hubs() if hub.is_used and not hub.loop.is_closed()]
    return next((hub for hub in used if hub.loop is running_loop()), used[0] if used else None)


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}
_lock = threading.Lock()


def _forget_hubs() -> None:
    """Forget the hubs that a fork has copied: their loops do not run in the child."""
    global _lock  # noqa: PLW0603 - it may have been copied in its locked state
    _lock = threading.Lock()
    _hubs.clear()


os.register_at_fork(after_in_child=_forget_hubs)
