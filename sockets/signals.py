"""What happens to connections, for whoever wants to know.

Both are sent by the class of the handler, with the row as `socket` and the `handler` itself.
Receivers may be `def` or `async def`; what they raise is logged. Rows also go without a word of
their connection (their server died, their session was deleted): Django's `post_delete` of `Socket`
tells of all of them.
"""

from django.dispatch import Signal

__all__ = ["socket_connected", "socket_disconnected"]

socket_connected = Signal()
"""Somebody connected; the row is there, the handler's `connect` has not run yet."""

socket_disconnected = Signal()
"""Somebody left; the row is gone, the handler's `disconnect` has not run yet."""
