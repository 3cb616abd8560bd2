"""Decorators that give an event its sessions and their users, with the names of Channels 1.

    class Editor(SocketView):
        @rest_channels(channel_session)
        def receive(self, request, *args, **kwargs):
            request.channel_session["user"] = request.user.pk

Decorate a function `f(message, …)` directly. Decorate a method with `@rest_channels(…)` or with
Django's `method_decorator(…)`. Both may be `def` or `async def`.

The decorators may be nested: an event has one session of each kind. It is saved after the handler,
even if the handler raises an error. The decorators never refuse a connection.
"""

import logging
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import ImproperlyConfigured

from .client_logs import log_for_client
from .engine.live_sessions import keep_live
from .handshake.identity import (
    LOGIN_KEYS,
    MemorySession,
    open_session,
    session_key,
    session_store,
    session_user,
    user_model,
)
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


def channel_session(handler: F) -> F:
    """Set `request.channel_session`: a mapping that is kept as long as the connection.

    It is in memory, or in the session engine that the setting `CHANNEL_SESSION_ENGINE` names.
    """
    return _with_sessions(handler, [_open_channel_session])


def http_session(handler: F) -> F:
    """Set `request.http_session`: the HTTP session of the handshake, or `None` without one.

    It is read for every event, so it has what HTTP requests have changed in the meantime.
    """
    return _with_sessions(handler, [_open_http_session], _load_http_session)


def http_session_user(handler: F) -> F:
    """Set `request.http_session`, and `request.user` to the user who is logged in to it now.

    The user is looked up for every event, and set for this event only.
    """
    return _with_sessions(handler, [_open_http_session], _set_http_user)


def channel_session_user(handler: F) -> F:
    """Set `request.channel_session`, and `request.user` to the user who is logged in to it.

    `channel_session_user_from_http` logs a user in to it, or the application does.
    """
    return _with_sessions(handler, [_open_channel_session], _set_channel_user)


def channel_session_user_from_http(handler: F) -> F:
    """Do as `http_session_user` and `channel_session`, and copy the login to the channel session.

    Handlers of later events get the user from `channel_session_user`.
    """
    return _with_sessions(handler, [_open_http_session, _open_channel_session], _copy_login)


def _with_sessions(handler: F, open_steps: Sequence[Step], load: Step | None = None) -> F:
    """Wrap `handler` to open its sessions before, and to save them after it.

    `open_steps` do no I/O and return the session to save, or `None`. `load` may query.
    """
    if iscoroutinefunction(handler) or hasattr(handler, "view_class"):  # what as_view() returns

        @wraps(handler)
        async def async_wrapper(*args: Any, **kwargs: Any) -> Any:
            request = _find_request(args, handler)
            opened = [step(request) for step in open_steps]
            if load is not None:
                await sync_to_async(load)(request)
            try:
                return await handler(*args, **kwargs)
            finally:
                if sessions := _sessions_to_save(request, opened):
                    await sync_to_async(_save)(sessions)

        return async_wrapper  # type: ignore[return-value]

    @wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        request = _find_request(args, handler)
        opened = [step(request) for step in open_steps]
        if load is not None:
            load(request)
        try:
            return handler(*args, **kwargs)
        finally:
            _save(_sessions_to_save(request, opened))

    return wrapper  # type: ignore[return-value]


def _find_request(args: tuple[Any, ...], handler: object) -> SocketRequest:
    """Return the request: the first argument of a function, or the second of a method."""
    for argument in args[:2]:
        if isinstance(argument, SocketRequest):
            return argument
    raise TypeError(
        f"{handler!r} was called without a request: its first argument, or the second of a method, "
        "must be a SocketRequest."
    )


# Open a session and return it, to be saved. `None`: an outer decorator opened it, and saves it.


def _open_channel_session(request: SocketRequest) -> Any:
    if "channel_session" in vars(request):
        return None
    view_state = request.connection.view_state
    if "channel_session" not in view_state:
        engine = api_settings.CHANNEL_SESSION_ENGINE
        store = MemorySession if engine is None else import_module(engine).SessionStore
        view_state["channel_session"] = store()
    request.channel_session = session = view_state["channel_session"]
    return None if isinstance(session, MemorySession) else session


def _open_http_session(request: SocketRequest) -> Any:
    if "http_session" in vars(request):
        return None
    if session_store() is None:
        raise ImproperlyConfigured(
            f"Sessions of {settings.SESSION_ENGINE!r} need 'django.contrib.sessions' in "
            "INSTALLED_APPS."
        )
    key = session_key(request.scope)
    request.http_session = session = None if key is None else open_session(key)
    keep_live(session)
    return session


def _load_http_session(request: SocketRequest) -> None:
    """Read the session in this thread, so that an `async def` can use it without awaiting."""
    if request.http_session is not None:
        request.http_session.keys()


def _set_http_user(request: SocketRequest) -> None:
    _load_http_session(request)
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
    if user_model() is None:
        raise ImproperlyConfigured(
            "Session users need 'django.contrib.auth' in INSTALLED_APPS, or AUTH_USER_MODEL."
        )
    return session_user(session)


def _sessions_to_save(request: SocketRequest, opened: Sequence[Any]) -> list[Any]:
    """Return the sessions that changed, except a new or flushed HTTP session: it has no cookie."""
    return [
        session
        for session in opened
        if session is not None
        and session.modified
        and not session.is_empty()
        and (session.session_key or session is not request.http_session)
    ]


def _save(sessions: Sequence[Any]) -> None:
    for session in sessions:
        try:
            session.save()
        except UpdateError:
            text = "A handler changed a session that has been deleted in the meantime."
            log_for_client(logger, logging.WARNING, text)
        session.modified = False  # a channel session is kept and must not be saved again
