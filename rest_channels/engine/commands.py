"""What hubs can be asked for by others: of the one connection at an address, or of several.

Several are numbers: what follows the hub's name in their addresses. What has ended meanwhile is
passed over.
"""

from ..concurrency.awaitables import Sent
from ..protocol.messages import Event
from .fanout import Member
from .hub import Hub, command

__all__ = ["dismiss", "enlist", "enroll", "expel", "shut_each", "tell", "tell_each"]


@command("tell")
def tell(hub: Hub, address: str, event: Event) -> None:
    """Hand it `event`."""
    if (member := hub.members.get(address)) is not None:
        member.deliver(event)


@command("tell_each")
def tell_each(hub: Hub, numbers: list[str], event: Event) -> None:
    """Hand it to them."""
    hub.hand(event, _members(hub, numbers))


@command("shut_each")
def shut_each(hub: Hub, numbers: list[str], code: int, reason: str) -> None:
    """Close them."""
    for member in _members(hub, numbers):
        member.close(code, reason)


def _members(hub: Hub, numbers: list[str]) -> list[Member]:
    head, find = f"{hub.node}.", hub.members.get
    return [member for number in numbers if (member := find(head + number)) is not None]


@command("enlist")
def enlist(hub: Hub, address: str, group: str, asker: str) -> Sent | None:
    """Let it join `group`."""
    member = hub.members.get(address)
    return None if member is None else member.groups.join(group, asker)


@command("dismiss")
def dismiss(hub: Hub, address: str, group: str, asker: str) -> None:
    """Let it leave `group`."""
    if (member := hub.members.get(address)) is not None:
        member.groups.leave(group, asker)


@command("enroll")
def enroll(hub: Hub, address: str, group: str) -> Sent | None:
    """Let it join `group` in both lanes."""
    member = hub.members.get(address)
    return None if member is None else member.groups.listen(group)


@command("expel")
def expel(hub: Hub, address: str, group: str) -> None:
    """Let it leave `group` in both lanes."""
    if (member := hub.members.get(address)) is not None:
        member.groups.unlisten(group)
