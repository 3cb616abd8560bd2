"""Push nothing to a client whose token has expired, until it sends a new one."""

from ..protocol.messages import Gap
from .connection import Connection

__all__ = ["resume_deliveries", "suspend_deliveries"]


def suspend_deliveries(connection: Connection) -> None:
    """Drop messages of groups and rows from now on, and those that wait."""
    connection.needs_queue = True  # so that all of them pass `Connection.deliver`
    connection.missed = set()
    waiting = [] if connection.event_queue is None else connection.event_queue.items
    while waiting:
        connection.deliver(waiting.pop(0))


def resume_deliveries(connection: Connection) -> None:
    """Deliver messages again. A handler of gaps receives the groups that had some meanwhile."""
    missed, connection.missed = connection.missed, None
    connection.needs_queue = connection.handler.overrides_sending
    if missed:
        connection.deliver(Gap(tuple(missed)))
