"""The rows that were written in each transaction, told to all hubs after the commit.

Live queries read rows again, so they need to know only which rows of which tables were written. For
that no query is made, whatever is written. One message has all that one commit wrote.

Saves and new relations are known by Django's signals. Deletions are known by Django's `Collector`,
which deletes all rows: a receiver of `post_delete` would make Django load each row before it
deletes it. In this way also rows that cascades delete or set to NULL are known.
"""

import logging
from collections.abc import Iterable, Mapping
from functools import wraps
from typing import Any, Self
from weakref import WeakKeyDictionary, ref

from django.apps import apps
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from django.db.models.deletion import Collector
from django.db.models.signals import m2m_changed, post_save

from ..client_logs import log_for_client
from ..engine.commit_hooks import CommitHook
from ..engine.publish import may_have_members, publish
from ..partitions import changed_partition, group_name
from ..protocol.messages import Event
from .keys import normalize_key, row_key

__all__ = ["LIVE_GROUP", "MAX_KEYS", "capture_writes", "captures_everywhere", "is_told"]
__all__ += ["note_written"]

logger = logging.getLogger("rest_channels")

LIVE_GROUP = "rest_channels.live"
"""The group in which hubs with live queries receive what was written, in each partition."""

MAX_KEYS = 200
"""How many rows of a table are named. More are told as "the table has changed"."""

UID = "rest_channels.live"

UNTOLD_APPS = frozenset(
    {"admin", "contenttypes", "migrations", "rest_channels_history", "sessions", "sockets"}
)
"""Apps whose rows are written all the time, by requests and sockets, and are in no live query."""

Keys = set[Any] | None
"""The keys of written rows, as JSON; `None`: any row of the table may have been written."""


def _merged(known: Keys, keys: Keys) -> Keys:
    """Return the keys of both. More than `MAX_KEYS` are "any row of the table"."""
    if known is None or keys is None or len(known | keys) > MAX_KEYS:
        return None
    return known | keys


def is_told(model: type[Model]) -> bool:
    """Return whether writes of the rows of `model` are told to hubs."""
    return model._meta.app_label not in UNTOLD_APPS


class Writes(CommitHook):
    """What one transaction has written so far, or one savepoint of it."""

    __slots__ = ("__weakref__", "partition", "published", "tables", "using")

    def __init__(self, using: str, partition: str) -> None:
        self.using = using
        self.partition = partition
        self.tables: dict[type[Model], Keys] = {}
        self.published = False

    def add(self, model: type[Model], keys: Iterable[Any] | None) -> None:
        """Add rows of the table of `model`."""
        new = None if keys is None else {row_key(normalize_key(model, key)) for key in keys}
        self.tables[model] = _merged(self.tables.get(model, set()), new)

    @classmethod
    def publish_all(cls, hooks: list[Self]) -> None:
        """Publish the writes of one commit in one message for each partition."""
        by_partition: dict[str, Writes] = {}
        for writes in hooks:
            writes.published = True
            merged = by_partition.setdefault(writes.partition, cls(writes.using, writes.partition))
            for model, keys in writes.tables.items():
                merged.tables[model] = _merged(merged.tables.get(model, set()), keys)
        for merged in by_partition.values():
            merged._publish()

    def commit_hook(self) -> None:
        if not self.published:
            self.publish_all([self])

    def _publish(self) -> None:
        group = group_name(LIVE_GROUP, self.partition)
        if not may_have_members(group):
            return
        written = [
            [model._meta.label_lower, None if keys is None else [*keys]]
            for model, keys in self.tables.items()
        ]
        try:
            publish(Event(group, {"written": written, "using": self.using}))
        except Exception as error:  # noqa: BLE001 - what was written is committed already
            text = "What was written cannot be told to live queries."
            log_for_client(logger, logging.ERROR, text, error=error)


_running: WeakKeyDictionary[BaseDatabaseWrapper, dict[Any, ref[Writes]]] = WeakKeyDictionary()
"""A connection → its writes that are not yet committed, by savepoints and partition.

The references are weak: Django drops the hooks of a savepoint that is rolled back.
"""


def note_written(using: str, tables: Mapping[type[Model], Iterable[Any] | None]) -> None:
    """Tell hubs, once the running transaction is committed, that rows were written.

    Args:
        using: The database.
        tables: Each model, with the primary keys of the rows; `None`: any row of the table.
    """
    found: dict[Any, Iterable[Any] | None] = {}
    for model, keys in tables.items() if _captures else ():
        if is_told(model):
            found[model._meta.concrete_model or model] = keys
    if not found:
        return
    try:
        writes, is_new = _writes_of(transaction.get_connection(using))
        for model, keys in found.items():
            writes.add(model, keys)
        if is_new:
            writes.add_to(transaction.get_connection(using))
    except transaction.TransactionManagementError:
        labels = ", ".join(model._meta.label for model in found)
        text = "Writes of %s without autocommit are not told: use atomic()."
        log_for_client(logger, logging.WARNING, text, labels)


def _writes_of(connection: BaseDatabaseWrapper) -> tuple[Writes, bool]:
    """Return the writes of the running savepoint, and whether they are new."""
    partition = changed_partition(connection.alias)
    if not connection.in_atomic_block:
        return Writes(connection.alias, partition), True
    key = (*connection.savepoint_ids, partition)
    known = _running.setdefault(connection, {})
    writes = known[key]() if key in known else None
    if writes is not None and not writes.published:
        return writes, False
    for old in [each for each, found in known.items() if found() is None]:
        del known[old]
    writes = Writes(connection.alias, partition)
    known[key] = ref(writes)
    return writes, True


_captures = False
_captures_everywhere = False


def capture_writes() -> None:
    """Tell hubs from now on what this process writes. Each live query calls this."""
    global _captures, _captures_everywhere  # noqa: PLW0603 - flags of the process
    if _captures:
        return
    _captures = True
    _captures_everywhere = not apps.ready
    post_save.connect(_saved, dispatch_uid=UID)
    m2m_changed.connect(_related, dispatch_uid=UID)
    collector: Any = Collector
    collector.delete = _noting_deletions(Collector.delete)


def captures_everywhere() -> bool:
    """Return whether any process of the project tells what it writes, also one without sockets.

    It does if its apps import a class with a live query. Others are imported later, with routes.
    """
    return _captures_everywhere


def _saved(
    sender: type[Model], instance: Model, using: str, raw: bool = False, **kwargs: Any
) -> None:
    concrete = sender._meta.concrete_model or sender
    tables: dict[type[Model], Iterable[Any] | None] = {concrete: [instance.pk]}
    for parent in () if raw else concrete._meta.get_parent_list():
        link: Any = concrete._meta.get_ancestor_link(parent)
        key = None if link is None else getattr(instance, link.attname, None)
        tables[parent] = None if key is None else [key]
    note_written(using, tables)


def _related(sender: type[Model], action: str, using: str, **kwargs: Any) -> None:
    """Note rows of a relation that Django has added without saving them one by one."""
    if action == "post_add":
        note_written(using, {sender: None})


def _noting_deletions(delete: Any) -> Any:
    @wraps(delete)
    def delete_and_note(self: Any) -> Any:
        tables = _about_to_be_deleted(self)
        result = delete(self)
        note_written(self.using, tables)
        return result

    return delete_and_note


def _about_to_be_deleted(collector: Any) -> dict[type[Model], list[Any] | None]:
    """Return what a collector deletes, and the models whose rows it sets to NULL or a default."""
    tables: dict[type[Model], list[Any] | None]
    tables = {model: [row.pk for row in rows] for model, rows in collector.data.items()}
    tables |= {rows.model: None for rows in collector.fast_deletes}
    tables |= {field.model: None for field, _value in collector.field_updates}
    return tables
