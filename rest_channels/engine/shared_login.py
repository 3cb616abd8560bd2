"""The login that all streams of a multiplexed socket share, because they have one session."""

from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from ..handshake.lazy_objects import unwrap
from .connection_identity import login_of, user_key

__all__ = ["SHARED_LOGIN", "SharedLogin"]

SHARED_LOGIN = "rest_channels.shared_login"
"""The key of the `SharedLogin` in the scopes of a multiplexed socket and of its streams."""


class SharedLogin:
    """The scopes of a multiplexed socket and of its streams: a login in one is that of all.

    Streams whose authenticators do not accept sessions keep the user that these have found.
    """

    def __init__(self, scope: dict[str, Any]) -> None:
        self._scopes = [scope]
        self._former: set[str | None] = set()  # keys of users who were replaced by a login

    def add(self, scope: dict[str, Any]) -> None:
        """Add the scope of a stream."""
        self._scopes.append(scope)
        self._follow(self._scopes[0], scope)  # a login may have replaced its user meanwhile

    def user_changed(self, scope: dict[str, Any], before: str | None) -> None:
        """Give the user of `scope` to the other scopes if a handler has logged in or out.

        Args:
            scope: A scope that may have another user now.
            before: The key of the user that it had.
        """
        key = _key_of(scope)
        if key != before and _is_of_session(scope) and _accepts_sessions(scope):
            self._former = (self._former | {before}) - {key}
            for other in self._scopes:
                self._follow(scope, other)
        else:
            self._follow(self._scopes[0], scope)

    def _follow(self, scope: dict[str, Any], other: dict[str, Any]) -> None:
        """Give the user of `scope` to `other` if a login to their session has replaced its user."""
        has_ended = _key_of(other) in self._former and not _is_of_session(other)
        has_same_session = unwrap(scope.get("session")) is unwrap(other.get("session"))
        if has_ended and has_same_session and _is_of_session(scope) and _accepts_sessions(other):
            other["user"] = scope.get("user")


def _is_of_session(scope: dict[str, Any]) -> bool:
    """Return whether the user of `scope` is that of its session. A session may have none."""
    session = unwrap(scope.get("session"))
    return isinstance(session, SessionBase) and login_of(session) == _key_of(scope)


def _key_of(scope: dict[str, Any]) -> str | None:
    return user_key(unwrap(scope.get("user")))


def _accepts_sessions(scope: dict[str, Any]) -> bool:
    """Return whether no token has authenticated the client, and a login to its session may."""
    if scope.get("auth") is not None:
        return False
    return bool(getattr(scope.get("authentication"), "accepts_sessions", True))
