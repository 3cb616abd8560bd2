"""Tell all hubs what Django signals about sessions, users and tokens, and revoke on demand."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth.signals import user_logged_out
from django.db import DEFAULT_DB_ALIAS, router
from django.db.models import Model
from django.db.models.signals import post_delete, post_save
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import TokenAuthentication

from .concurrency.awaitables import Sent
from .engine.account_status import session_model
from .engine.connection import Connection
from .engine.connection_identity import user_key
from .engine.publish import broadcast_command
from .engine.related_signals import connect_related
from .engine.revocation_index import (
    close_connections,
    recheck_sessions,
    recheck_users,
    watch_tokens,
)
from .engine.row_signals import ignores_saves, revoke_at_commit
from .exceptions import CloseCode, check_close_code
from .handshake.identity import user_model
from .handshake.lazy_objects import evaluate
from .partitions import running_partition
from .settings import api_settings

__all__ = ["arevoke", "connect_signals", "revoke", "watch_token_models"]

SESSION_ENDED = {"code": CloseCode.SESSION_ENDED, "reason": _("Your session has ended.")}


def revoke(
    *,
    user: Any = None,
    session_key: str | None = None,
    every_partition: bool = False,
    code: int = CloseCode.REVOKED,
    reason: str = "",
) -> Sent:
    """Close every connection of a user or of a session, in every process.

    While the broker is down, connections of other processes stay open. They are closed when it is
    back, if this process still runs.

    Args:
        user: A user, or a primary key of the user model. An object of another class, such as the
            user of a stateless token, stands for the connections of that object only.
        session_key: The key of a session.
        every_partition: Close the connections of users with that key in every partition (setting
            `PARTITION`). By default only those in the partition of the running code are closed.
        code: The close code that clients receive.
        reason: The reason that clients receive, at most 123 bytes.

    Raises:
        TypeError: Neither a saved user nor a session key is given.
        ValueError: `code` is not a close code.
    """
    if user is None and session_key is None:
        raise TypeError("revoke() needs a user or a session_key.")
    key = user_key(evaluate(user)) if hasattr(user, "pk") else str(user)
    if key is None:
        raise TypeError("revoke() needs a user that has been saved.")
    code = int(check_close_code(code))
    users = [] if user is None else [key]
    sessions = [] if session_key is None else [session_key]
    one_partition = users and not every_partition and api_settings.PARTITION is not None
    partition = ["", running_partition()] if one_partition else []
    return broadcast_command(close_connections, sessions, users, code, str(reason), *partition)


async def arevoke(**kwargs: Any) -> None:
    """Call `revoke`, and await it."""
    await revoke(**kwargs)


def connect_signals() -> None:
    """Connect to the signals of users and sessions, as far as the project has them."""
    if (user := user_model()) is not None:
        user_logged_out.connect(_logged_out, dispatch_uid="rest_channels")
        for model in apps.get_models():
            if issubclass(model, user) or issubclass(user, model):  # its parents have columns too
                post_save.connect(_user_changed, model, dispatch_uid="rest_channels")
            if issubclass(model, user):
                post_delete.connect(_user_changed, model, dispatch_uid="rest_channels")
        connect_related(user)
    if (model := session_model()) is not None:
        post_save.connect(_session_saved, model, dispatch_uid="rest_channels")
        post_delete.connect(_session_deleted, model, dispatch_uid="rest_channels")


def watch_token_models() -> None:
    """Connect to the signals of the models of tokens that authenticators use."""
    for model in _token_models():
        watch_tokens(model)


def _token_models() -> Iterator[type[Model]]:
    """Yield the models of DRF's tokens, which any process may delete."""
    if apps.is_installed("rest_framework.authtoken"):
        from rest_framework.authtoken.models import Token  # noqa: PLC0415 - its app may be missing

        yield Token
    classes: list[Any] = [TokenAuthentication]
    while classes:
        authentication = classes.pop()
        classes += authentication.__subclasses__()
        if authentication.model is not None:
            yield authentication.model


def _logged_out(request: Any, **kwargs: Any) -> None:
    # The session still has its key: Django flushes it after this signal.
    session = getattr(request, "session", None)
    if (key := getattr(session, "session_key", None)) is not None:
        # A handler that logs out replaces the session and the user of its own connection.
        connection = getattr(request, "connection", None)
        spared = connection.address if isinstance(connection, Connection) else ""
        model = session_model()
        using = DEFAULT_DB_ALIAS if model is None else router.db_for_write(model)
        end = [[key], [], SESSION_ENDED["code"], str(SESSION_ENDED["reason"])]
        revoke_at_commit(using, broadcast_command, close_connections, *end, *filter(None, [spared]))


def _session_saved(instance: Any, created: bool, using: str, **kwargs: Any) -> None:
    if not created:
        revoke_at_commit(using, broadcast_command, recheck_sessions, [instance.pk])


def _session_deleted(instance: Any, using: str, **kwargs: Any) -> None:
    # `clearsessions` deletes many expired ones. The heartbeat closes their connections.
    end = vars(instance).get("expire_date")  # not loaded by `only()`, or not set by hand
    if end is None or end > timezone.now():
        revoke_at_commit(using, revoke, session_key=instance.pk, **SESSION_ENDED)


def _user_changed(instance: Any, using: str, created: bool = False, **kwargs: Any) -> None:
    """Let the users be read again. What has logged them in decides whether they may stay."""
    # The key of a parent's row is that of the user's. What an authenticator saves when it is asked
    # again must not let it be asked once more.
    if not created and not ignores_saves.get():
        revoke_at_commit(using, broadcast_command, recheck_users, [str(instance.pk)])
