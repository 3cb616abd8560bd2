"""What a handshake says of its connection, as a row that is not saved yet."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.utils import timezone
from rest_framework.exceptions import NotFound

from .constants import PATH_LENGTH
from .models import Socket

__all__ = ["socket_from_scope"]


def socket_from_scope(scope: dict[str, Any], address: str) -> Socket:
    """The row of the connection at `address`. Raises `NotFound` for a path that no row can hold."""
    path = scope["path"]
    if len(path) > PATH_LENGTH or "\0" in path:
        raise NotFound
    row = Socket(channel_name=address, path=path, active=True, last_ping=timezone.now())
    row.session_id, row.session_key = _session_of(scope.get("session"))
    user = scope.get("user")
    if isinstance(user, get_user_model()):
        row.user_id = user.pk
    if client := scope.get("client"):
        row.user_ip = str(client[0])[:45]
    return row


def _session_of(session: Any) -> tuple[str | None, str | None]:
    """What to note of a session: the key of its row in the sessions' table, else its own key.

    Where sessions live in cookies there is no key: what stands in its place is the session.
    """
    key = getattr(session, "session_key", None)
    if key is None or isinstance(session, SignedCookies):
        return None, None
    field = Socket._meta.get_field("session")
    tabled = getattr(session, "model", None) is field.related_model
    return (key, None) if tabled else (None, key)
