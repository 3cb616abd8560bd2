"""Messages routed by their type, and a database row for every open socket.

    from sockets import SocketRouter

This import is safe in any module, also before Django's apps are ready.
"""

from .router import SocketRouter

__all__ = ["SocketRouter"]
