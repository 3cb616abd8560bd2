"""The life of a row: created when its connection begins, deleted when it ends.

Every hub has a `Presence` with the rows of its connections, and the table is kept equal to it. Each
heartbeat does the following, and retries what failed at the last one:

* renew the lease of the node, and save which clients have sent a PING
* restore rows deleted under open connections, and delete rows left behind by an error
* delete the rows of dead processes
"""

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import IntegrityError, router
from django.db.models import Case, CharField, Exists, Value, When
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotAuthenticated

from rest_channels.client_logs import log_for_client
from rest_channels.concurrency.execution import handshake_thread, thread_lease
from rest_channels.engine.hub import Hub, on_heartbeat
from rest_channels.partitions import activated

from .leases import lease_cutoff
from .models import Node, Socket, SocketQuerySet, delete_rows
from .relations import share_database

__all__ = ["Presence", "purge"]

T = TypeVar("T")

logger = logging.getLogger("sockets")

BATCH_SIZE = 500
"""How many rows one statement repairs or deletes."""

DELETE_ATTEMPTS = 5
"""How often the last connection of a process tries to delete its rows, one second apart."""


class Presence:
    """The rows of one hub's connections, by address. Call its methods on the hub's event loop."""

    def __init__(self, hub: Hub) -> None:
        self.node = hub.node
        self.rows: dict[str, Socket] = {}
        self._saved_pks: dict[str, int] = {}
        self._inserts: dict[str, asyncio.Future[None]] = {}  # still running
        self._pinged: set[str] = set()  # to be saved at the next heartbeat
        self._pending_deletes: dict[str, int] = {}  # address → primary key, 0 if never saved
        self._pings_sent: set[tuple[Any, str]] = set()  # (user, path) since the last heartbeat
        self._write_lock = asyncio.Lock()

    async def add(self, row: Socket) -> None:
        """Insert `row`. Raise `NotAuthenticated` if its session or user no longer exists."""
        row.node_id = self.node
        name = row.channel_name
        self.rows[name] = row
        async with handshake_thread():
            await self._insert(row, name)

    async def _insert(self, row: Socket, name: str) -> None:
        insert = self._inserts[name] = asyncio.ensure_future(sync_to_async(_insert_row)(row))
        try:
            await asyncio.shield(insert)
            self._saved_pks[name] = row.pk
        finally:
            if insert.done():
                self._inserts.pop(name, None)

    async def remove(self, row: Socket) -> None:
        """Delete `row`, together with others that are removed meanwhile, in one statement.

        Call it again if it was cancelled. Otherwise another call does nothing.
        """
        name = row.channel_name
        if name not in self.rows and name not in self._pending_deletes:
            return
        if (insert := self._inserts.pop(name, None)) is not None:  # the INSERT still runs
            await asyncio.wait({insert})
            insert.cancelled() or insert.exception()
        self.rows.pop(name, None)
        self._pinged.discard(name)
        self._pending_deletes.setdefault(name, self._saved_pks.pop(name, 0))
        async with self._write_lock:
            if name in self._pending_deletes:  # else the previous holder of the lock deleted it
                await self._delete_pending()

    async def _delete_pending(self) -> None:
        """Delete the rows of ended connections. After an error the next heartbeat deletes them.

        Without connections there is no heartbeat, so the last connection tries several times.
        """
        pks, self._pending_deletes = self._pending_deletes, {}
        for attempt in range(DELETE_ATTEMPTS):
            last_pk = None if self.rows or not all(pks.values()) else max(pks.values())
            try:
                async with thread_lease(urgent=True):
                    await sync_to_async(_delete_rows)(self.node, list(pks), last_pk)
            except Exception as error:  # noqa: BLE001 - databases fail in many ways
                if attempt == 0:
                    text = "Rows of closed sockets were not deleted. Retrying later."
                    log_for_client(logger, logging.ERROR, text, error=error)
                if self.rows:
                    return
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                self._pending_deletes |= pks
                raise
            else:
                return

    def record_ping(self, row: Socket) -> None:
        """Note that the client of `row` has sent a PING. The next heartbeat saves it."""
        row.last_ping = timezone.now()
        row.active = True
        self._pinged.add(row.channel_name)

    async def send_pings(self, sockets: SocketQuerySet, user: Any, path: str) -> None:
        """Send a PING to the `sockets` of `user` on `path`, at most once per heartbeat."""
        if (user, path) in self._pings_sent:
            return
        self._pings_sent.add((user, path))
        try:
            await sockets.acleanup_stale()
        except Exception as error:  # noqa: BLE001 - no client asked, so none receives an error
            text = "The sockets of user %r on %r were not pinged."
            log_for_client(logger, logging.ERROR, text, user, path, error=error)

    async def heartbeat(self) -> None:
        """Renew, save and repair: four queries, and a few more if the table needs repair."""
        async with self._write_lock:
            pks = dict(self._saved_pks)
            pinged, self._pinged = self._pinged, set()
            self._pings_sent.clear()
            try:
                async with thread_lease(urgent=True):
                    alive = sorted(pks[name] for name in pinged & pks.keys())
                    stored = await sync_to_async(_renew_lease)(self.node, alive)
                    missing = self.rows.keys() & pks.keys() - stored
                    orphans = list(stored - self.rows.keys())
                    if missing or orphans:
                        rows = [self._row_to_restore(name) for name in missing]
                        await sync_to_async(_repair_rows)(rows, orphans)
                    await sync_to_async(purge)()
            except Exception:  # databases fail in many ways, and heartbeats must go on
                logger.exception("The lease of this process was not renewed. Retrying later.")
                self._pinged |= pinged & self.rows.keys()

    def _row_to_restore(self, name: str) -> Socket:
        row = self.rows[name]
        row.pk = self._saved_pks[name]  # Model.delete() has set it to None
        return row


@on_heartbeat
async def run_heartbeat(hub: Hub) -> None:
    """Run the heartbeat of the hub's rows."""
    await hub.get_component(Presence).heartbeat()


def purge(sockets: SocketQuerySet | None = None) -> int:
    """Delete the rows of dead processes, or those among `sockets`, and return their number."""
    cutoff = lease_cutoff()
    if cutoff is None:
        return 0
    if sockets is not None:
        return delete_rows(sockets.left_behind())
    dead_nodes = _writable(Node).filter(seen__lte=cutoff)
    rows = _writable(Socket).left_behind()
    if not dead_nodes.values_list("name").union(rows.values_list("node_id")).exists():
        return 0
    number = delete_rows(rows)
    dead_nodes.delete()
    return number


# These run in threads. Times that are compared with each other are the database's.


def _writable(model: Any) -> Any:
    """Return the queryset of the database that `model` is written to: a replica may lag."""
    manager: Any = Socket.every_partition if model is Socket else model._default_manager
    return manager.using(router.db_for_write(model))


def _insert_row(row: Socket) -> None:
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
    return [] if key is None else [_writable(model).filter(pk=key)]


def _delete_rows(node: str, names: list[str], last_pk: int | None) -> None:
    """Delete rows by address; with `last_pk` instead all of `node` up to this primary key.

    Rows inserted meanwhile have higher primary keys.
    """
    if last_pk:
        _writable(Socket).filter(node=node, pk__lte=last_pk).delete()
        return
    for batch in _batches(names):
        _writable(Socket).filter(channel_name__in=batch).delete()


def _renew_lease(node: str, alive: list[int]) -> set[str]:
    """Renew the lease of `node`, save the pings of `alive`, and return the addresses stored."""
    if not _writable(Node).filter(name=node).update(seen=Now()):
        _writable(Node).bulk_create([Node(name=node, seen=Now())], ignore_conflicts=True)
    for batch in _batches(alive, 30_000):  # the most parameters that every database takes
        _writable(Socket).filter(pk__in=batch).update(active=True, last_ping=timezone.now())
    return set(_writable(Socket).filter(node=node).values_list("channel_name", flat=True))


def _repair_rows(missing: list[Socket], orphans: list[str]) -> None:
    """Insert the `missing` rows with their old primary keys, and delete the `orphans`.

    Rows whose session or user is gone are not restored: their connections are being closed.
    """
    for names in _batches(orphans):
        _writable(Socket).filter(channel_name__in=names).delete()
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
    _writable(Socket).bulk_create(valid, ignore_conflicts=True)


def _existing_keys(field: str, keys: set[Any]) -> set[Any]:
    """Return those `keys` whose related row exists; `None` is always one of them."""
    model: Any = Socket._meta.get_field(field).related_model
    stored = _writable(model).filter(pk__in=keys - {None}).values_list("pk", flat=True)
    return {None, *stored}


def _batches(items: list[T], size: int = BATCH_SIZE) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
