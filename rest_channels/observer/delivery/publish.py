"""Publish committed changes to the hubs of all processes."""

import logging
from hashlib import blake2b
from itertools import groupby
from typing import Any

from django.db.models import Model

from ...engine.publish import may_have_members, publish
from ...engine.receiving import hold_messages_to
from ...partitions import activated, group_name
from ...protocol.messages import Event
from ...renderers import encode_text
from ..capture.changes import Action, Change, listeners

__all__ = ["hub_group", "json_key", "publish_changes"]

logger = logging.getLogger("rest_channels")

CHANGES_PER_MESSAGE = 100


def hub_group(model: type[Model]) -> str:
    """Return the group in which hubs receive the changes of `model`."""
    return f"observed.{blake2b(model._meta.label_lower.encode(), digest_size=16).hexdigest()}"


def json_key(pk: Any) -> Any:
    """Return a primary key as JSON: a number, a string, or a list for a composite key."""
    if isinstance(pk, tuple):
        return [json_key(part) for part in pk]
    return pk if isinstance(pk, int | str) else str(pk)


def publish_changes(changes: list[Change]) -> None:
    """Publish committed changes in order. A change without subscribers is not published."""
    for model, model_changes in groupby(changes, key=lambda change: change.model):
        entries = [entry for change in model_changes if (entry := _entry(change))]
        for _pk, _using, notifications, *rest in entries:
            partition = rest[0] if rest else ""
            hold_messages_to(group_name(group, partition) for _id, group, *_ in notifications)
        for start in range(0, len(entries), CHANGES_PER_MESSAGE):
            data = {"changed": entries[start : start + CHANGES_PER_MESSAGE]}
            publish(Event(hub_group(model), data))


listeners.append(publish_changes)


def _entry(change: Change) -> list[Any]:
    """Return `[pk, database, [[observer, group, action, body], …]]`; empty without subscribers.

    A change in a partition has its name as a fourth item.
    """
    notifications, partition = [], change.partition
    observer: Any
    for observer, group, action in change.notifications():
        if may_have_members(group_name(group, partition)):
            try:
                with activated(partition):
                    body = observer.render_change(change, action)
            except Exception:
                label = change.model._meta.label
                logger.exception("%s cannot serialize %s %r.", observer.id, label, change.pk)
                if action is not Action.DELETE:
                    continue
                body = encode_text({"pk": json_key(change.pk)})  # related rows may be gone too
            notifications.append([observer.id, group, str(action), body])
    if not notifications:
        return []
    entry = [json_key(change.pk), change.using, notifications]
    return [*entry, partition] if partition else entry
