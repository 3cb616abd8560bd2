"""Decorators that give an event its sessions, and their users (Channels 1's names).

    class Editor(SocketView):
        @rest_channels(channel_session)
        def receive(self, request, *args, **kwargs):
            request.channel_session["user"] = request.user.pk

Bare on a function `f(message, …)`, as `@rest_channels(channel_session)` on a method, or through
Django's `method_decorator(channel_session)`; on `def` and `async def` alike. They may be nested:
an event has one session of a kind, which is saved after the handler, also after one that raises.
None of them refuses anybody.
"""

import logging
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.apps import apps
from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import ImproperlyConfigured

from .handshake.identity import LOGIN_KEYS, MemorySession, open_session, session_key, session_user
from .request import SocketRequest
from .settings import api_settings

__all__ = [
    "channel_session",
    "channel_session_user",
    "channel_session_user_from_http",
    "http_session",
    "http_session_user",
]

logger = logging.getLogger("rest_channels")

F = TypeVar("F", bound=Callable[..., Any])

Step = Callable[[SocketRequest], Any]

_MEMORY = "channel_session"


def channel_session(handler: F) -> F:
    """Set `request.channel_session`: a dict-like that lives as long as the connection.

    It is kept in memory; where `REST_CHANNELS["CHANNEL_SESSION_ENGINE"]` names a session engine
    it is a session of Django's, saved after the handler.
    """
    return _around(handler, [_open_channel])


def http_session(handler: F) -> F:
    """Set `request.http_session`: the HTTP session of the handshake, as it is now.

    It is read for every event, so it tells what HTTP changed meanwhile; `None` where the
    handshake named none. What a handler changes is saved after it.
    """
    return _around(handler, [_open_http], _load_http)


def http_session_user(handler: F) -> F:
    """Set `request.http_session`, and `request.user` to who is logged in to it now.

    The user is looked up for every event and is that event's only.
    """
    return _around(handler, [_open_http], _set_http_user)


def channel_session_user(handler: F) -> F:
    """Set `request.channel_session`, and `request.user` to who is logged in to it.

    That is whoever `channel_session_user_from_http` found, or `login` on this session left.
    """
    return _around(handler, [_open_channel], _set_channel_user)


def channel_session_user_from_http(handler: F) -> F:
    """`http_session_user` and `channel_session`; the login goes from the first into the second.

    Handlers of later events find the user by `channel_session_user`.
    """
    return _around(handler, [_open_http, _open_channel], _copy_login)


def _around(handler: F, opening: Sequence[Step], look: Step | None = None) -> F:
    """`handler`, between opening its sessions and saving them.

    In: `opening`, steps that do no I/O and return what they opened; `look`, which may do some.
    """
    if iscoroutinefunction(handler) or hasattr(handler, "view_class"):  # what as_view() returns

        @wraps(handler)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            request = _request_among(args, handler)
            opened = [step(request) for step in opening]
            if look is not None:
                await sync_to_async(look)(request)
            try:
                return await handler(*args, **kwargs)
            finally:
                if changed := _changed(request, opened):
                    await sync_to_async(_save)(changed)

        return awaited  # type: ignore[return-value]

    @wraps(handler)
    def called(*args: Any, **kwargs: Any) -> Any:
        request = _request_among(args, handler)
        opened = [step(request) for step in opening]
        if look is not None:
            look(request)
        try:
            return handler(*args, **kwargs)
        finally:
            _save(_changed(request, opened))

    return called  # type: ignore[return-value]


def _request_among(args: tuple[Any, ...], handler: object) -> SocketRequest:
    """The request: of a function the first argument, of a method the second."""
    for argument in args[:2]:
        if isinstance(argument, SocketRequest):
            return argument
    raise TypeError(f"{handler!r} was called without a request to give a session to.")


# Opening. Who finds a session open leaves it, and the saving, to whoever opened it.


def _open_channel(request: SocketRequest) -> Any:
    if "channel_session" in vars(request):
        return None
    memory = request.connection.memory
    if _MEMORY not in memory:
        engine = api_settings.CHANNEL_SESSION_ENGINE
        store = MemorySession if engine is None else import_module(engine).SessionStore
        memory[_MEMORY] = store()
    request.channel_session = session = memory[_MEMORY]
    return None if isinstance(session, MemorySession) else session


def _open_http(request: SocketRequest) -> Any:
    if "http_session" in vars(request):
        return None
    if not apps.is_installed("django.contrib.sessions"):
        raise ImproperlyConfigured("HTTP sessions need 'django.contrib.sessions' to be installed.")
    key = session_key(request.scope)
    request.http_session = None if key is None else open_session(key)
    return request.http_session


# Looking.


def _load_http(request: SocketRequest) -> None:
    """Read the session here, so that an `async def` may ask it without awaiting."""
    if request.http_session is not None:
        request.http_session.keys()


def _set_http_user(request: SocketRequest) -> None:
    _load_http(request)
    request.set_event_user(_user_of(request.http_session))


def _set_channel_user(request: SocketRequest) -> None:
    request.set_event_user(_user_of(request.channel_session))


def _copy_login(request: SocketRequest) -> None:
    _set_http_user(request)
    session = request.http_session
    if session is not None and all(key in session for key in LOGIN_KEYS):
        for key in LOGIN_KEYS:
            request.channel_session[key] = session[key]


def _user_of(session: Any) -> Any:
    if not apps.is_installed("django.contrib.auth"):
        raise ImproperlyConfigured("A session's user needs 'django.contrib.auth' to be installed.")
    return session_user(session)


# Saving.


def _changed(request: SocketRequest, opened: Sequence[Any]) -> list[Any]:
    """What has to be saved.

    An HTTP session that does not exist does not come to be here: no cookie would lead to it. One
    that was flushed stays away.
    """
    changed = [one for one in opened if one is not None and one.modified and not one.is_empty()]
    return [one for one in changed if one.session_key or one is not request.http_session]


def _save(sessions: Sequence[Any]) -> None:
    for session in sessions:
        try:
            session.save()
        except UpdateError:
            logger.warning("A session that a handler changed has been deleted meanwhile.")
        session.modified = False  # a channel session is kept, and need not be saved again
