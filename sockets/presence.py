"""A row's life: made when a connection begins, deleted when it ends, gone with a dead process.

Every hub has a `Presence`: the rows of its connections, which are the truth; the table follows.
Each beat it renews the lease of its node, mends what differs from the truth (rows deleted under a
living connection, or left behind by an error), writes down who gave a sign of life, and deletes
what dead processes have left. What fails is tried again at the next beat.
"""

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import IntegrityError, router
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotAuthenticated

from rest_channels.concurrency.execution import thread_lease
from rest_channels.engine.hub import Hub, on_heartbeat

from .leases import expiry
from .models import Node, Socket, SocketQuerySet, deleted

__all__ = ["Presence", "purge"]

T = TypeVar("T")

logger = logging.getLogger("sockets")

AT_ONCE = 500
"""How many rows one statement mends or deletes."""

TRIES = 5
"""How often the last connection of a process tries to delete what is left, a second apart."""


class Presence:
    """The rows of one hub's connections, by address. Its methods belong to the hub's loop."""

    def __init__(self, hub: Hub) -> None:
        self.node = hub.node
        self.rows: dict[str, Socket] = {}
        self._pks: dict[str, int] = {}  # of the rows that are made
        self._making: dict[str, asyncio.Future[None]] = {}
        self._pinged: set[str] = set()
        self._gone: dict[str, int] = {}
        self._asked: set[tuple[Any, str]] = set()
        self._writing = asyncio.Lock()

    async def open(self, row: Socket) -> None:
        """Make `row`: one INSERT. Raises `NotAuthenticated` if its session or user has gone."""
        row.node_id = self.node
        name = row.channel_name
        self.rows[name] = row
        making = self._making[name] = asyncio.ensure_future(sync_to_async(_insert)(row))
        try:
            await asyncio.shield(making)
            self._pks[name] = row.pk
        finally:
            if making.done():
                self._making.pop(name, None)

    async def close(self, row: Socket) -> None:
        """Delete `row`. Those that end meanwhile go in one statement, and wait for it."""
        name = row.channel_name
        if (making := self._making.pop(name, None)) is not None:  # its client did not wait for it
            await asyncio.wait({making})
            making.cancelled() or making.exception()
        self.rows.pop(name, None)
        self._pinged.discard(name)
        self._gone[name] = self._pks.pop(name, 0)
        async with self._writing:
            if name in self._gone:  # else whoever had the lock before took it along
                await self._sweep()

    async def _sweep(self) -> None:
        """Delete the rows of those who have gone. What fails is a stray, for the next beat.

        Without connections there is no beat, so the last one tries a few times.
        """
        gone, self._gone = self._gone, {}
        for attempt in range(TRIES):
            last = None if self.rows or not all(gone.values()) else max(gone.values())
            try:
                await sync_to_async(_delete)(self.node, list(gone), last)
            except Exception:  # a database fails in many ways, and the connection ends anyway
                if attempt == 0:
                    logger.exception("Rows of ended sockets could not be deleted; once more later.")
                if self.rows:
                    return
                await asyncio.sleep(1)
            else:
                return

    def ping(self, row: Socket) -> None:
        """Note a sign of life; it is written down at the next beat."""
        row.last_ping = timezone.now()
        row.active = True
        self._pinged.add(row.channel_name)

    async def ask_for_life(self, sockets: SocketQuerySet, user: Any, path: str) -> None:
        """Ask the `sockets` of `user` on `path` for a sign of life, once a beat and no oftener."""
        if (user, path) in self._asked:
            return
        self._asked.add((user, path))
        try:
            await sockets.acleanup_stale()
        except Exception:  # as above; nobody has asked for it in so many words
            logger.exception("Sockets could not be asked for a sign of life.")

    async def beat(self) -> None:
        """What is to be done each beat: four queries, some more if something is amiss."""
        async with self._writing:
            made = dict(self._pks)
            pinged, self._pinged = self._pinged, set()
            self._asked.clear()
            try:
                async with thread_lease(urgent=True):
                    alive = sorted(made[name] for name in pinged & made.keys())
                    present = await sync_to_async(_renew)(self.node, alive)
                    missing = self.rows.keys() & made.keys() - present
                    strays = list(present - self.rows.keys())
                    if missing or strays:
                        rows = [self._as_made(name) for name in missing]
                        await sync_to_async(_mend)(rows, strays)
                    await sync_to_async(purge)()
            except Exception:  # as above
                logger.exception("The lease on rows could not be renewed; once more later.")
                self._pinged |= pinged & self.rows.keys()

    def _as_made(self, name: str) -> Socket:
        row = self.rows[name]
        row.pk = self._pks[name]  # somebody may have called its delete()
        return row


@on_heartbeat
async def renew(hub: Hub) -> None:
    """Every hub with connections does it: for its own rows, and for those of the dead."""
    await hub.get_part(Presence).beat()


def purge(sockets: SocketQuerySet | None = None) -> int:
    """Delete the rows of dead processes; their number. In: only among these (`None`: all)."""
    since = expiry()
    if since is None:
        return 0
    if sockets is not None:
        return deleted(sockets.left_behind())
    silent = _stored(Node).filter(seen__lte=since)
    left = _stored(Socket).left_behind()
    if not silent.values_list("name").union(left.values_list("node_id")).exists():
        return 0
    number = deleted(left)
    silent.delete()
    return number


# In threads. Times that are compared are the database's.


def _stored(model: Any) -> Any:
    """The table that is written to: a replica may be late."""
    return model._default_manager.using(router.db_for_write(model))


def _insert(row: Socket) -> None:
    row.connected_at = Now()
    try:
        row.save(force_insert=True)
    except IntegrityError as error:
        raise NotAuthenticated(_("Your session has ended.")) from error
    finally:
        if not isinstance(row.connected_at, datetime):  # not every database tells what it wrote
            row.connected_at = timezone.now()


def _delete(node: str, names: list[str], last: int | None) -> None:
    """Delete the rows called `names`, or where there are no others, all of `node` up to `last`.

    Rows that are made meanwhile have higher numbers.
    """
    if last:
        _stored(Socket).filter(node=node, pk__lte=last).delete()
        return
    for some in _portions(names):
        _stored(Socket).filter(channel_name__in=some).delete()


def _renew(node: str, alive: list[int]) -> set[str]:
    """Renew the lease of `node`, note who is `alive`; the names of its rows."""
    if not _stored(Node).filter(name=node).update(seen=Now()):
        _stored(Node).bulk_create([Node(name=node, seen=Now())], ignore_conflicts=True)
    for some in _portions(alive, 30_000):  # as many as every database takes
        _stored(Socket).filter(pk__in=some).update(active=True, last_ping=timezone.now())
    return set(_stored(Socket).filter(node=node).values_list("channel_name", flat=True))


def _mend(missing: list[Socket], strays: list[str]) -> None:
    """Put back what is `missing`, as it was, and delete the `strays`.

    Whose session or user has gone stays away: that connection is about to be closed.
    """
    for names in _portions(strays):
        _stored(Socket).filter(channel_name__in=names).delete()
    for rows in _portions(missing):
        sessions = _existing("session", {row.session_id for row in rows})
        users = _existing("user", {row.user_id for row in rows})
        good = [row for row in rows if row.session_id in sessions and row.user_id in users]
        _stored(Socket).bulk_create(good, ignore_conflicts=True)


def _existing(field: str, keys: set[Any]) -> set[Any]:
    model: Any = Socket._meta.get_field(field).related_model
    known = keys - {None}
    return {None, *_stored(model).filter(pk__in=known).values_list("pk", flat=True)}


def _portions(items: list[T], size: int = AT_ONCE) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
