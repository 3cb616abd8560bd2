"""The life of a row: created when its connection begins, deleted when it ends.

Every hub has a `Presence` with the rows of its connections, and the table is kept equal to it. Each
heartbeat does the following, and retries what failed at the last one:

* renew the lease of the node, and save which clients have sent a PING
* restore rows deleted under open connections, and delete rows left behind by an error
* save the session and user of rows whose connection has logged in or out
* delete the rows of dead processes
"""

import asyncio
import logging
from typing import Any

from asgiref.sync import sync_to_async
from django.utils import timezone

from rest_channels.client_logs import log_for_client
from rest_channels.concurrency.execution import handshake_thread, thread_lease
from rest_channels.engine.hub import Hub, on_heartbeat

from .leases import lease_cutoff
from .models import Node, Socket, SocketQuerySet, delete_rows
from .rows import (
    delete_addresses,
    insert_row,
    renew_lease,
    repair_rows,
    save_identity,
    writable,
)

__all__ = ["Presence", "purge"]

logger = logging.getLogger("sockets")

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
        self._changed: set[str] = set()  # rows whose session or user is not saved yet
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
        insert = self._inserts[name] = asyncio.ensure_future(sync_to_async(insert_row)(row))
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
                    await sync_to_async(delete_addresses)(self.node, list(pks), last_pk)
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

    async def save_identity(self, row: Socket) -> None:
        """Save the session and user of `row`. After an error the next heartbeat does so."""
        self._changed.add(row.channel_name)
        async with self._write_lock:
            try:
                async with thread_lease(urgent=True):
                    await self._save_changed()
            except Exception as error:  # noqa: BLE001 - databases fail in many ways
                text = "The row of a socket was not saved after a login or logout. Retrying later."
                log_for_client(logger, logging.ERROR, text, error=error)

    async def _save_changed(self) -> None:
        while names := self._changed & self.rows.keys():
            name = names.pop()
            self._changed.discard(name)  # now: a row that changes while it is saved is saved again
            try:
                await sync_to_async(save_identity)(self._row_to_restore(name))
            except BaseException:
                self._changed.add(name)
                raise
        self._changed.clear()

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
                    stored = await sync_to_async(renew_lease)(self.node, alive)
                    missing = self.rows.keys() & pks.keys() - stored
                    orphans = list(stored - self.rows.keys())
                    if missing or orphans:
                        rows = [self._row_to_restore(name) for name in missing]
                        await sync_to_async(repair_rows)(rows, orphans)
                    await self._save_changed()
                    await sync_to_async(_purge_nodes)(self.node)
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
    return _purge_nodes() if sockets is None else delete_rows(sockets.left_behind())


def _purge_nodes(running: str = "") -> int:
    """Delete dead nodes with their rows, and return the number of rows.

    The node `running` is not dead, even if its heartbeat takes longer than its lease.
    """
    cutoff = lease_cutoff()
    if cutoff is None:
        return 0
    dead_nodes = writable(Node).filter(seen__lte=cutoff).exclude(name=running)
    rows = writable(Socket).left_behind().exclude(node=running)
    if not dead_nodes.values_list("name").union(rows.values_list("node_id")).exists():
        return 0
    number = delete_rows(rows)
    dead_nodes.delete()
    return number
