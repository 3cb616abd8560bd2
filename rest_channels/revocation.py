"""Close connections when Django signals the end of their session or user, or on demand."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db import router, transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .concurrency.awaitables import Sent
from .engine.publish import broadcast_command
from .engine.revocation import close_connections, recheck_users
from .exceptions import CloseCode, check_close_code

__all__ = ["arevoke", "connect_signals", "revoke"]

SESSION_ENDED = {"code": CloseCode.SESSION_ENDED, "reason": _("Your session has ended.")}
USER_INACTIVE = {"code": CloseCode.USER_INACTIVE, "reason": _("Your account is no longer active.")}

REVOKING_FIELDS = {"is_active", "password"}  # their change can end the connections of a user


def revoke(
    *,
    user: Any = None,
    session_key: str | None = None,
    code: int = CloseCode.REVOKED,
    reason: str = "",
) -> Sent:
    """Close every connection of a user or of a session, in every process.

    While the broker is down, connections of other processes stay open. They are closed when it is
    back, if this process still runs.

    Args:
        user: A user or a primary key.
        session_key: The key of a session.
        code: The close code that clients receive.
        reason: The reason that clients receive, at most 123 bytes.

    Raises:
        TypeError: Neither a saved user nor a session key is given.
        ValueError: `code` is not a close code.
    """
    if user is None and session_key is None:
        raise TypeError("revoke() needs a user or a session_key.")
    pk = getattr(user, "pk", user)
    if user is not None and pk is None:
        raise TypeError("revoke() needs a user that has been saved.")
    code = int(check_close_code(code))
    users = [] if user is None else [str(pk)]
    sessions = [] if session_key is None else [session_key]
    return broadcast_command(close_connections, sessions, users, code, str(reason))


async def arevoke(**kwargs: Any) -> None:
    """Call `revoke`, and await it."""
    await revoke(**kwargs)


def connect_signals() -> None:
    """Connect to the signals of users and sessions, if their apps are installed."""
    if not apps.is_installed("django.contrib.auth"):
        return
    user_logged_out.connect(_logged_out, dispatch_uid="rest_channels")
    for model in apps.get_models():
        if issubclass(model, get_user_model()):  # its proxies and children too
            post_save.connect(_user_saved, model, dispatch_uid="rest_channels")
            post_delete.connect(_user_deleted, model, dispatch_uid="rest_channels")
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if apps.is_installed("django.contrib.sessions") and hasattr(store, "get_model_class"):
        model = store.get_model_class()
        post_delete.connect(_session_deleted, model, dispatch_uid="rest_channels")


def _logged_out(request: Any, **kwargs: Any) -> None:
    # The session still has its key: Django flushes it after this signal.
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key is not None:
        using = router.db_for_write(get_user_model())
        _on_commit(using, revoke, session_key=key, **SESSION_ENDED)


def _session_deleted(instance: Any, using: str, **kwargs: Any) -> None:
    # `clearsessions` deletes many expired ones. The heartbeat closes their connections.
    if instance.expire_date > timezone.now():
        _on_commit(using, revoke, session_key=instance.pk, **SESSION_ENDED)


def _user_saved(
    instance: Any, created: bool, using: str, update_fields: Any = None, **kwargs: Any
) -> None:
    if created or (update_fields is not None and REVOKING_FIELDS.isdisjoint(update_fields)):
        return
    if getattr(instance, "is_active", True):
        _on_commit(using, broadcast_command, recheck_users, [str(instance.pk)])
    else:
        _on_commit(using, revoke, user=instance.pk, **USER_INACTIVE)


def _user_deleted(instance: Model, using: str, **kwargs: Any) -> None:
    _on_commit(using, revoke, user=instance.pk, **USER_INACTIVE)


def _on_commit(using: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    transaction.on_commit(lambda: function(*args, **kwargs), using=using, robust=True)
