"""Publish committed changes to the hubs of all processes."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from itertools import groupby
from typing import Any, NamedTuple

import orjson
from django.db.models import Model

from ...client_logs import log_for_client
from ...engine.publish import may_have_members, publish
from ...engine.publish_kept import publish_all_kept
from ...engine.receiving import hold_messages_to
from ...history.policy import History
from ...partitions import activated, group_name
from ...protocol.messages import Event
from ...renderers import encode_text
from ..capture.changes import Action, Change, listeners

__all__ = ["KeptChange", "hub_group", "json_key", "publish_changes"]

logger = logging.getLogger("rest_channels")

CHANGES_PER_MESSAGE = 100


class KeptChange(NamedTuple):
    """A change as a group with a history keeps it."""

    pk: Any
    action: str
    using: str
    partition: str = ""
    body: str | None = None
    """The JSON text, if the publishing process has rendered it."""

    @classmethod
    def from_text(cls, text: str) -> "KeptChange":
        """Return the change that `to_text` has written."""
        return cls(*orjson.loads(text))

    def to_text(self) -> str:
        """Return the text that the store keeps."""
        return encode_text(list(self))


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
    publish_all_kept([message for change in changes for message in _kept_messages(change)])


listeners.append(publish_changes)


def _entry(change: Change) -> list[Any]:
    """Return `[pk, database, [[observer, group, action, body], …]]`; empty without subscribers.

    A change in a partition has its name as a fourth item.
    """
    notifications, partition = [], change.partition
    observer: Any
    for observer, group, action in change.notifications():
        if observer.history is None and may_have_members(group_name(group, partition)):
            with suppress(NotRendered):
                body = _render(change, observer, action)
                notifications.append([observer.id, group, str(action), body])
    if not notifications:
        return []
    entry = [json_key(change.pk), change.using, notifications]
    return [*entry, partition] if partition else entry


def _kept_messages(change: Change) -> Iterator[tuple[Event, History]]:
    """Yield the message to each group with a history. It is kept also if no client is there now."""
    observer: Any
    for observer, group, action in change.notifications():
        if observer.history is not None:
            with suppress(NotRendered):
                body = _render(change, observer, action)
                kept = KeptChange(
                    json_key(change.pk), str(action), change.using, change.partition, body
                )
                name = group_name(group, change.partition)
                yield Event.rendered(name, None, kept.to_text()), observer.history


class NotRendered(Exception):
    """A project's serializer has failed. This was logged."""


def _render(change: Change, observer: Any, action: Action) -> str | None:
    """Return the JSON text of a change that this process has to render. Raise `NotRendered`."""
    try:
        with activated(change.partition):
            body: str | None = observer.render_change(change, action)
            return body
    except Exception as error:
        label = change.model._meta.label
        text = "%s cannot serialize %s %.200r."
        log_for_client(logger, logging.ERROR, text, observer.id, label, change.pk, error=error)
        if action is not Action.DELETE:
            raise NotRendered from error
        return encode_text({"pk": json_key(change.pk)})  # related rows may be gone too
