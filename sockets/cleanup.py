"""Delete the rows of a deleted session or user whose database is another than that of the rows.

In one database `relations` deletes them in the same transaction.
"""

import logging
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, router, transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete

from rest_channels.client_logs import log_for_client
from rest_channels.engine.row_signals import after_commit

from .models import Socket
from .relations import deleting_partition, is_home

__all__ = ["connect_signals"]

logger = logging.getLogger("sockets")

BATCH_SIZE = 500

APPS = {"sessions.Session": "django.contrib.sessions", "auth.User": "django.contrib.auth"}
"""The apps of the models that the table refers to, if the project has no user model of its own."""

Deleted = dict[tuple[str, str | None], list[Any]]
"""Keys of deleted rows, by the field of `Socket` that refers to them, and by partition."""

_deleted: WeakKeyDictionary[QuerySet[Any], Deleted] = WeakKeyDictionary()
"""What each queryset has deleted: `clearsessions` deletes many sessions with one."""


def connect_signals() -> None:
    """Connect to the deletion of sessions and users, of their proxies and of their children."""
    for name in ("session", "user"):
        related: Any = Socket._meta.get_field(name).related_model
        if isinstance(related, str):  # Django has not found the model
            app = APPS.get(related, f"the app of {related}")
            raise ImproperlyConfigured(
                f"The app 'sockets' needs {app!r} in INSTALLED_APPS: its table refers to {related}."
            )
        for model in apps.get_models():
            if issubclass(model, related):
                receiver = partial(_related_row_deleted, name)
                post_delete.connect(receiver, model, weak=False, dispatch_uid=f"sockets.{name}")


def _related_row_deleted(
    name: str, instance: Any, using: str, origin: Any = None, **kwargs: Any
) -> None:
    if is_home(Socket, using):
        return
    keys = _deleted.setdefault(origin, {}) if isinstance(origin, QuerySet) else {}
    partition = deleting_partition(name, using)
    keys.setdefault((name, partition), []).append(instance.pk)
    after_commit(using, _delete_rows, keys)


def _delete_rows(deleted: Deleted) -> None:
    """Delete the rows with these keys. The first hook of a transaction deletes all."""
    using = router.db_for_write(Socket)
    while deleted:
        (name, partition), keys = deleted.popitem()
        sockets = Socket.every_partition.using(using)
        if partition is not None:
            sockets = sockets.filter(partition=partition)
        try:
            for start in range(0, len(keys), BATCH_SIZE):
                rows = sockets.filter(**{f"{name}__in": keys[start : start + BATCH_SIZE]})
                with transaction.atomic(using):
                    rows.delete()
        except DatabaseError as error:
            log_for_client(
                logger, logging.WARNING, "The sockets of deleted rows are not deleted: %s", error
            )
