"""Build the unsaved `Socket` row of a new connection from its handshake."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.utils import timezone
from rest_framework.exceptions import NotFound

from .constants import PATH_LENGTH
from .models import Socket

__all__ = ["socket_from_scope"]


def socket_from_scope(scope: dict[str, Any], address: str) -> Socket:
    """Return the unsaved row, or raise `NotFound` if the path does not fit into a row."""
    path = scope["path"]
    if len(path) > PATH_LENGTH or "\0" in path:
        raise NotFound
    row = Socket(channel_name=address, path=path, active=True, last_ping=timezone.now())
    row.session_id, row.session_key = _session_keys(scope.get("session"))
    user = scope.get("user")
    if isinstance(user, get_user_model()):
        row.user_id = user.pk
    if client := scope.get("client"):
        row.user_ip = str(client[0])[:45]
    return row


def _session_keys(session: Any) -> tuple[str | None, str | None]:
    """Return `(session_id, session_key)`: the first for sessions in the sessions' table.

    With sessions in signed cookies both are `None`: there the "key" is the whole session.
    """
    key = getattr(session, "session_key", None)
    if key is None or isinstance(session, SignedCookies):
        return None, None
    field = Socket._meta.get_field("session")
    is_in_table = getattr(session, "model", None) is field.related_model
    return (key, None) if is_in_table else (None, key)
