"""From a commit to the hubs: one message for each model's changes, whoever hears them."""

import logging
from hashlib import blake2b
from itertools import groupby
from typing import Any

from django.db.models import Model

from ...engine.publish import may_have_members, publish
from ...protocol.messages import Event
from ...renderers import encode
from ..capture.changes import Action, Change, listeners

__all__ = ["hub_group", "plain_key", "publish_changes"]

logger = logging.getLogger("rest_channels")

AT_ONCE = 100
"""How many changes travel in one message."""


def hub_group(model: type[Model]) -> str:
    """The group in which hubs hear of that model."""
    return f"observed.{blake2b(model._meta.label_lower.encode(), digest_size=16).hexdigest()}"


def plain_key(pk: Any) -> Any:
    """A primary key as JSON has it: a number, or text."""
    if isinstance(pk, tuple):
        return [plain_key(part) for part in pk]
    return pk if isinstance(pk, int | str) else str(pk)


def publish_changes(changes: list[Change]) -> None:
    """Let all hubs know what was committed, in order. Nothing is done where nobody listens."""
    for model, some in groupby(changes, key=lambda change: change.model):
        told = [entry for change in some if (entry := _entry(change))]
        for start in range(0, len(told), AT_ONCE):
            publish(Event(hub_group(model), {"changed": told[start : start + AT_ONCE]}))


listeners.append(publish_changes)


def _entry(change: Change) -> list[Any]:
    """What travels of a change: `[pk, database, [[observer, group, action, body], …]]`."""
    told = []
    for observer, group, action in change.told():
        if may_have_members(group):
            try:
                body = _body(observer, change, action)
            except Exception:
                logger.exception("%s cannot tell of %s %r.", observer.id, change.model, change.pk)
                if action is not Action.DELETE:
                    continue
                body = encode({"pk": plain_key(change.pk)}).decode()  # what it was may be gone too
            told.append([observer.id, group, str(action), body])
    return [plain_key(change.pk), change.using, told] if told else []


def _body(observer: Any, change: Change, action: Action) -> str | None:
    body: str | None = observer.published(change, action)
    return body
