"""Messages routed by their type, and a row for every open socket.

    from sockets import SocketRouter

may stand in any module of a project, also in one that is imported before its apps are ready.
"""

from .router import SocketRouter

__all__ = ["SocketRouter"]
