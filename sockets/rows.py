"""The row of a connection: made from its scope, and the statements that keep it in the table."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.db import DatabaseError, IntegrityError, router
from django.db.models import Case, CharField, Exists, Value, When
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotAuthenticated, NotFound

from rest_channels.engine.connection_identity import stored_user_pk
from rest_channels.partitions import activated

from .constants import PATH_LENGTH
from .models import Node, Socket
from .relations import share_database

__all__ = [
    "delete_addresses",
    "insert_row",
    "renew_lease",
    "repair_rows",
    "save_identity",
    "set_identity",
    "socket_from_scope",
    "writable",
]

T = TypeVar("T")

BATCH_SIZE = 500
"""How many rows one statement repairs or deletes."""

IDENTITY = ["session_id", "session_key", "user_id"]


def socket_from_scope(scope: dict[str, Any], address: str) -> Socket:
    """Return the unsaved row, or raise `NotFound` if the path does not fit into a row."""
    path = scope["path"]
    if len(path) > PATH_LENGTH or "\0" in path:
        raise NotFound
    row = Socket(channel_name=address, path=path, active=True, last_ping=timezone.now())
    set_identity(row, scope)
    if client := scope.get("client"):
        row.user_ip = str(client[0])[:45]
    return row


def set_identity(row: Socket, scope: dict[str, Any]) -> bool:
    """Set the session and the user of `scope` in `row`. Return whether it had others."""
    before = [getattr(row, name) for name in IDENTITY]
    row.session_id, row.session_key = _session_keys(scope.get("session"))
    row.user_id = stored_user_pk(scope.get("user"))
    return before != [getattr(row, name) for name in IDENTITY]


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


# These run in threads. Times that are compared with each other are the database's.


def writable(model: Any) -> Any:
    """Return the queryset of the database that `model` is written to: a replica may lag."""
    manager: Any = Socket.every_partition if model is Socket else model._default_manager
    return manager.using(router.db_for_write(model))


def insert_row(row: Socket) -> None:
    """Insert `row`. Raise `NotAuthenticated` if its session or user no longer exists.

    There is no constraint. So the address is NULL, which the column refuses, if one is missing.
    """
    name = row.channel_name
    row.channel_name = Value(name, CharField())
    related = [*_related_row("session", row), *_related_row("user", row)]
    here = [query for query in related if share_database(Socket, query.model)]
    row.connected_at = Now()
    try:
        if not all(query.exists() for query in related if query not in here):
            raise IntegrityError
        for query in here:
            row.channel_name = Case(When(Exists(query), then=row.channel_name))
        row.save(force_insert=True)
    except IntegrityError as error:
        raise NotAuthenticated(_("Your session has ended.")) from error
    finally:
        row.channel_name = name
        if not isinstance(row.connected_at, datetime):  # not every database returns the value
            row.connected_at = timezone.now()


def _related_row(field: str, row: Socket) -> list[Any]:
    """Return a list of one query, for the row that `field` refers to, or an empty list."""
    key = getattr(row, f"{field}_id")
    model: Any = Socket._meta.get_field(field).related_model
    return [] if key is None else [writable(model).filter(pk=key)]


def delete_addresses(node: str, names: list[str], last_pk: int | None) -> None:
    """Delete rows by address; with `last_pk` instead all of `node` up to this primary key.

    Rows inserted meanwhile have higher primary keys.
    """
    if last_pk:
        writable(Socket).filter(node=node, pk__lte=last_pk).delete()
        return
    for batch in _batches(names):
        writable(Socket).filter(channel_name__in=batch).delete()


def renew_lease(node: str, alive: list[int]) -> set[str]:
    """Renew the lease of `node`, save the pings of `alive`, and return the addresses stored."""
    if not writable(Node).filter(name=node).update(seen=Now()):
        writable(Node).bulk_create([Node(name=node, seen=Now())], ignore_conflicts=True)
    for batch in _batches(alive, 30_000):  # the most parameters that every database takes
        writable(Socket).filter(pk__in=batch).update(active=True, last_ping=timezone.now())
    return set(writable(Socket).filter(node=node).values_list("channel_name", flat=True))


def save_identity(row: Socket) -> None:
    """Save the session and user of `row`. Insert it again if it was deleted with its session."""
    try:
        row.save(update_fields=IDENTITY)
    except DatabaseError:  # as Django raises for a row that does not exist
        row.save(force_insert=True)


def repair_rows(missing: list[Socket], orphans: list[str]) -> None:
    """Insert the `missing` rows with their old primary keys, and delete the `orphans`.

    Rows whose session or user is gone are not restored: their connections are being closed.
    """
    for names in _batches(orphans):
        writable(Socket).filter(channel_name__in=names).delete()
    partitions: dict[str, list[Socket]] = {}
    for row in missing:
        partitions.setdefault(row.partition, []).append(row)
    for partition, rows in partitions.items():
        with activated(partition):
            for batch in _batches(rows):
                _restore_rows(batch)


def _restore_rows(rows: list[Socket]) -> None:
    sessions = _existing_keys("session", {row.session_id for row in rows})
    users = _existing_keys("user", {row.user_id for row in rows})
    valid = [row for row in rows if row.session_id in sessions and row.user_id in users]
    writable(Socket).bulk_create(valid, ignore_conflicts=True)


def _existing_keys(field: str, keys: set[Any]) -> set[Any]:
    """Return those `keys` whose related row exists; `None` is always one of them."""
    model: Any = Socket._meta.get_field(field).related_model
    stored = writable(model).filter(pk__in=keys - {None}).values_list("pk", flat=True)
    return {None, *stored}


def _batches(items: list[T], size: int = BATCH_SIZE) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
