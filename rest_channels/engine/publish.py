"""From anywhere to the hubs: to those of this process at once, to others through the layer.

Everything here may be called from a serving loop, from its threads, and where nothing is served.
What is returned can be awaited; in a thread the call itself waits, and never for longer than a
second. Nothing raises because a broker is down.
"""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from ..cluster.layer import PATIENCE, crosses_processes
from ..cluster.nodes import is_here, node_of
from ..cluster.packet_sender import EVERYONE, node_group
from ..cluster.packets import CommandPacket
from ..cluster.publisher import OutgoingPacket, publisher
from ..concurrency.awaitables import DONE, Sent
from ..protocol.messages import Event
from .hub import Command, Hub

__all__ = [
    "broadcast_command",
    "current_hub",
    "may_have_members",
    "on_every_hub",
    "publish",
    "send_command",
    "send_command_and_wait",
    "send_command_to_each",
]

logger = logging.getLogger("rest_channels")

AT_ONCE = 2000
"""How many addresses travel in one message."""


def current_hub() -> Hub:
    """The hub of the running loop."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        with _lock:
            for ended in [other for other in _hubs if other.is_closed()]:
                del _hubs[ended]
            hub = _hubs[loop] = Hub(loop)
    return hub


def publish(event: Event) -> Sent:
    """Say `event` to its group; on a serving loop's own thread its members hear it at once.

    It leaves for other processes first: theirs then need not wait for the members here.
    """
    sent = _say((event.group, event))
    on_every_hub(Hub.publish, event)
    return sent


def may_have_members(group: str) -> bool:
    """Whether somebody may be in `group`: here, or in another process, of which nobody knows."""
    return crosses_processes() or any(group in hub.groups for hub in _all())


def broadcast_command(command: Command, *args: Any) -> Sent:
    """Let every hub of every process obey."""
    on_every_hub(command, *args)
    return _say((EVERYONE, CommandPacket(command.wire_name, args)))


def send_command(address: str, command: Command, *args: Any) -> Sent:
    """Let the hub that owns `address` obey, if there is one: `wanted(hub, address, *args)`."""
    node = _node_of(address)
    if node is None:
        return DONE
    if is_here(node):
        on_every_hub(_only(node, command), address, *args)
        return DONE
    return _say((node_group(node), CommandPacket(command.wire_name, (address, *args))))


def send_command_to_each(addresses: Iterable[str], command: Command, *args: Any) -> Sent:
    """Let every hub that owns some of `addresses` obey: `wanted(hub, numbers, *args)`.

    One message goes to each, or one for every `AT_ONCE` addresses; in it they are numbers: what
    follows the hub's name. What is no address of ours is passed over.
    """
    orders = []
    for head, numbers in _by_head(addresses).items():
        if (node := node_of(head + numbers[0])) is None:
            continue
        if is_here(node):
            on_every_hub(_only(node, command), numbers, *args)
        else:
            if not crosses_processes():
                logger.warning("No channel layer leads to %s: nothing is said there.", node)
                continue
            for start in range(0, len(numbers), AT_ONCE):
                some = numbers[start : start + AT_ONCE]
                orders.append((node_group(node), CommandPacket(command.wire_name, (some, *args))))
    return _say(*orders)


def send_command_and_wait(address: str, command: Command, *args: Any) -> Sent:
    """`send_command`, and wait until it is done there, for at most `PATIENCE`."""
    node = _node_of(address)
    if node is None:
        return DONE
    hub = _serving()
    if is_here(node):
        owner = next((one for one in _all() if one.node == node), None)
        return DONE if owner is None else _on(owner, _obeyed(owner, command, (address, *args)))
    if not crosses_processes():
        return DONE
    if hub is not None and hub.link is not None:
        return _on(hub, hub.link.ask(node, command.wire_name, address, *args))
    return _waiting(publisher.ask(node, command.wire_name, address, *args))


def on_every_hub(method: Callable[..., Any], *args: Any) -> None:
    """Call `method(hub, *args)` for every hub of this process, each on its own loop."""
    here = _running()
    for hub in _all():
        if hub.loop is here:
            method(hub, *args)
        else:
            with contextlib.suppress(RuntimeError):  # that loop is closed, and nobody is there
                hub.loop.call_soon_threadsafe(method, hub, *args)


def _by_head(addresses: Iterable[str]) -> dict[str, list[str]]:
    """Addresses, each parted behind its last dot."""
    parted: dict[str, list[str]] = {}
    head, length = "", 0
    numbers: list[str] = []
    for address in addresses:
        if not (head and address.startswith(head)):  # neighbours mostly have the same
            length = address.rfind(".") + 1
            head = address[:length]
            numbers = parted.setdefault(head, [])
        numbers.append(address[length:])
    return parted


def _say(*words: OutgoingPacket) -> Sent:
    """Let other processes hear them: through a link that is open, else through the publisher."""
    if not words or not crosses_processes():
        return DONE
    hub = _serving()
    if hub is None or hub.link is None:
        return _waiting(publisher.say(words))
    if hub.loop is _running():
        return [hub.link.sender.put(*word) for word in words][-1]
    return _on(hub, _put(hub, words))


async def _put(hub: Hub, words: Sequence[OutgoingPacket]) -> None:
    for place, word in enumerate(words):
        if hub.link is None:  # its last connection has gone meanwhile
            await _waiting(publisher.say(words[place:]))
            return
        await hub.link.sender.put(*word)


async def _obeyed(hub: Hub, command: Command, args: tuple[Any, ...]) -> None:
    waiting = command(hub, *args)
    if waiting is not None:
        await waiting


def _on(hub: Hub, work: Coroutine[Any, Any, Any]) -> Sent:
    """Do `work` on `hub`'s loop."""
    if hub.loop is _running():
        task = hub.start_task(work)
        if task.done():
            task.result()
            return DONE
        return Sent(lambda: _outcome(task))
    return _waiting(asyncio.run_coroutine_threadsafe(work, hub.loop))


async def _outcome(task: "asyncio.Task[Any]") -> None:
    await asyncio.wait({task})
    task.result()


def _waiting(future: "Future[Any]") -> Sent:
    """Wait for `future` now, in a thread; on a loop, when it is awaited."""
    if _running() is None:
        with contextlib.suppress(TimeoutError):
            future.result(PATIENCE)
        return DONE
    return Sent(lambda: asyncio.wait({asyncio.wrap_future(future)}, timeout=PATIENCE))


def _node_of(address: str) -> str | None:
    node = node_of(address)
    if node is None:
        logger.warning("%r is no connection's address: reply_channel.name is one.", address)
    return node


def _only(node: str, command: Command) -> Callable[..., None]:
    def by_its_owner(hub: Hub, *args: Any) -> None:
        if hub.node == node:
            command(hub, *args)

    return by_its_owner


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _all() -> list[Hub]:
    return list(_hubs.values())  # in one step, so no lock is needed


def _serving() -> Hub | None:
    """A hub with a link: the running loop's, else any."""
    here = _running()
    if here is not None and (hub := _hubs.get(here)) is not None and hub.link is not None:
        return hub
    serving = (hub for hub in _all() if hub.link is not None and not hub.loop.is_closed())
    return next(serving, None)


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}
_lock = threading.Lock()


def _forget() -> None:
    """A fork has copied the hubs, but nobody who serves them."""
    global _lock  # noqa: PLW0603 - it may have been copied locked
    _lock = threading.Lock()
    _hubs.clear()


os.register_at_fork(after_in_child=_forget)
