"""Django signals that a connection has begun or ended.

The class of the handler sends both, with the row as `socket` and the instance as `handler`.
Receivers may be `def` or `async def`. Errors they raise are logged.

Some rows are deleted without `socket_disconnected`: their server died, or their session was
deleted. Django's `post_delete` of `Socket` is sent for every row.
"""

from django.dispatch import Signal

__all__ = ["socket_connected", "socket_disconnected"]

socket_connected = Signal()
"""A client connected. The row exists, and the handler's `connect` has not run yet."""

socket_disconnected = Signal()
"""A client disconnected. The row is deleted, and the handler's `disconnect` has not run yet."""
