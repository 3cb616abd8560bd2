"""Decorators that give an event its `channel_session` (Channels 1's names).

    class Editor(SocketView):
        @rest_channels(channel_session)
        def receive(self, request, *args, **kwargs):
            request.channel_session["user"] = request.user.pk

Bare on a function, as `@rest_channels(channel_session)` on a method, or through Django's
`method_decorator(channel_session)`.
"""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction

from .request import SocketRequest
from .settings import api_settings

__all__ = ["channel_session"]

F = TypeVar("F", bound=Callable[..., Any])

_MEMORY = "channel_session"


def channel_session(handler: F) -> F:
    """Set `request.channel_session`: a dict-like that lives as long as the connection.

    It is kept in memory; where `REST_CHANNELS["CHANNEL_SESSION_ENGINE"]` names a session engine
    it is a session of Django's, saved after the handler, also when that raises.
    """
    if iscoroutinefunction(handler):

        @wraps(handler)
        async def awaited(request: SocketRequest, *args: Any, **kwargs: Any) -> Any:
            session = _open(request)
            try:
                return await handler(request, *args, **kwargs)
            finally:
                if session is not None and session.modified:
                    await session.asave()

        return awaited  # type: ignore[return-value]

    @wraps(handler)
    def called(request: SocketRequest, *args: Any, **kwargs: Any) -> Any:
        session = _open(request)
        try:
            return handler(request, *args, **kwargs)
        finally:
            if session is not None and session.modified:
                session.save()

    return called  # type: ignore[return-value]


def _open(request: SocketRequest) -> Any:
    """Give `request` its session; what has to be saved afterwards, if anything has."""
    memory = request.connection.memory.setdefault
    if api_settings.CHANNEL_SESSION_ENGINE is None:
        request.channel_session = memory(_MEMORY, {})
        return None
    engine = import_module(api_settings.CHANNEL_SESSION_ENGINE)
    request.channel_session = memory(_MEMORY, engine.SessionStore())
    return request.channel_session
