"""Push nothing to a client whose token has expired, until it sends a new one."""

from ..protocol.messages import Gap
from .connection import Connection

__all__ = ["resume_deliveries", "suspend_deliveries"]


def suspend_deliveries(connection: Connection) -> None:
    """Drop messages of groups and rows from now on, and those that wait."""
    connection.missed = set()
    connection.update_needs_queue()  # so that all of them pass `Connection.deliver`
    if connection.event_queue is not None:
        for event in connection.event_queue.take_all():
            connection.deliver(event)


def resume_deliveries(connection: Connection) -> None:
    """Deliver messages again. A handler of gaps receives the groups that had some meanwhile."""
    missed, connection.missed = connection.missed, None
    connection.update_needs_queue()
    if missed:
        connection.deliver(Gap(tuple(missed)))
