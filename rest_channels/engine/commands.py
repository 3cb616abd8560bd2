"""Commands for a hub about one of its connections, by address, or about several, by number.

The numbers are the parts of the addresses after the hub's name. Connections that have ended in the
meantime are skipped.
"""

from ..concurrency.awaitables import Sent
from ..protocol.messages import Event
from .command_registry import command
from .fanout import Member
from .hub import Hub, with_data

__all__ = [
    "close_each",
    "deliver_to",
    "deliver_to_each",
    "join_group",
    "join_layer_group",
    "leave_group",
    "leave_layer_group",
]


@command("tell")
def deliver_to(hub: Hub, address: str, event: Event) -> None:
    """Deliver `event` to a connection."""
    if (member := hub.members.get(address)) is not None:
        member.deliver(with_data(event, (member,)))


@command("tell_each")
def deliver_to_each(hub: Hub, numbers: list[str], event: Event) -> None:
    """Deliver `event` to several connections."""
    members = _members(hub, numbers)
    hub.deliver_to_members(with_data(event, members), members)


@command("shut_each")
def close_each(hub: Hub, numbers: list[str], code: int, reason: str) -> None:
    """Close several connections."""
    for member in _members(hub, numbers):
        member.close(code, reason)


def _members(hub: Hub, numbers: list[str]) -> list[Member]:
    prefix, find = f"{hub.node}.", hub.members.get
    return [member for number in numbers if (member := find(prefix + number)) is not None]


@command("enlist")
def join_group(hub: Hub, address: str, group: str, subscriber: str) -> Sent | None:
    """Make a connection join `group`."""
    member = hub.members.get(address)
    return None if member is None else member.groups.join(group, subscriber)


@command("dismiss")
def leave_group(hub: Hub, address: str, group: str, subscriber: str) -> None:
    """Make a connection leave `group`."""
    if (member := hub.members.get(address)) is not None:
        member.groups.leave(group, subscriber)


@command("enroll")
def join_layer_group(hub: Hub, address: str, group: str) -> Sent | None:
    """Make a connection join `group`, in the channel layer too."""
    member = hub.members.get(address)
    return None if member is None else member.groups.join_layer_group(group)


@command("expel")
def leave_layer_group(hub: Hub, address: str, group: str) -> None:
    """Make a connection leave `group`, in the channel layer too."""
    if (member := hub.members.get(address)) is not None:
        member.groups.leave_layer_group(group)
