"""The clients of a live query who see the same renderings, and what they are told."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from django.db.models import Model

from ..renderers import Rendered
from .diff import Diff, Key, compare
from .state import Told, tag_of
from .subscriptions import LiveSubscription

__all__ = ["Audience", "AudienceKey", "Failure", "Rendering", "SharedBodies", "Tags", "Waiting"]
__all__ += ["answer_to", "audience_key", "difference", "renderings"]

Tags = dict[Key, bytes]
"""The tag of each row, in the order of a list."""

Render = Callable[[Sequence[Model]], list[bytes | None] | None]


class Waiting(NamedTuple):
    """A client that waits for the next reading of a query."""

    subscription: LiveSubscription
    have: Tags | None
    """What it has already, so that it gets only what differs. `None`: it gets the whole list."""
    answer: Any
    """The future of its reply. `None`: it gets a frame."""

    def fail(self, error: Exception) -> None:
        """Answer the client with an error. One that gets a frame waits for the next reading."""
        if self.answer is None:
            if (query := self.subscription.query) is not None:
                query.waiting.append(self)
        elif not self.answer.done():
            self.answer.set_exception(error)


class AudienceKey(NamedTuple):
    """What the clients of an audience have in common."""

    is_shared: bool
    """Whether no user, request or consumer is used to render rows for them."""
    key: Hashable


@dataclass(eq=False, slots=True)
class Audience:
    """The clients of a query who see the same renderings, and what they have been told."""

    key: AudienceKey
    told: Told = field(default_factory=lambda: Told({}))
    subscriptions: dict[LiveSubscription, None] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)

    @property
    def is_shared(self) -> bool:
        """Whether the rows are the same for any user."""
        return self.key.is_shared

    @property
    def members(self) -> list[LiveSubscription]:
        """Those who have been told something, and those who wait."""
        return [*self.subscriptions, *(each.subscription for each in self.waiting)]


@dataclass(eq=False, slots=True)
class Rendering:
    """The new list, as one audience sees it."""

    audience: Audience
    before: Tags
    """The list that its subscriptions have been told."""
    tags: Tags
    rendered: dict[Key, bytes]
    """The JSON of the rows that were rendered, at least of all that are new or have changed."""


class Failure(NamedTuple):
    """An audience for which the rows cannot be rendered."""

    audience: Audience
    error: Exception


def audience_key(subscription: LiveSubscription) -> AudienceKey:
    """Return the key of the audience that a client belongs to."""
    shared = subscription.viewer.shared_key
    if shared is not None:
        return AudienceKey(True, shared)
    return AudienceKey(False, subscription.viewer.own_key)


class SharedBodies:
    """The JSON of rows, rendered once for the audiences of all queries that see the same."""

    def __init__(self) -> None:
        self._known: dict[AudienceKey, dict[Model, bytes | None]] = {}

    def render(self, audience: Audience, rows: Sequence[Model]) -> list[bytes | None] | None:
        """Return the JSON of each row; `None` if each client has a rendering of its own."""
        known = self._known.setdefault(audience.key, {})
        if new := [row for row in rows if row not in known]:
            bodies = audience.members[0].viewer.render_shared(new)
            if bodies is None:
                return None
            known.update(zip(new, bodies, strict=True))
        return [known[row] for row in rows]


def renderings(
    audience: Audience, rows: Mapping[Key, Model], changed: Collection[Key], bodies: SharedBodies
) -> Iterator[Rendering | Failure]:
    """Render the rows for an audience; for each client, if their serializer tells them apart.

    Args:
        audience: The audience.
        rows: The rows of the list.
        changed: Those that the audience may not have as they are now.
        bodies: What was rendered of these rows for other audiences.
    """
    if audience.is_shared:
        rendering = _try(audience, rows, changed, partial(bodies.render, audience))
        if rendering is not None:
            yield rendering
            return
    for own in _split(audience):
        rendering = _try(own, rows, changed, own.members[0].viewer.render_own)
        if rendering is not None:
            yield rendering


def _try(
    audience: Audience, rows: Mapping[Key, Model], changed: Collection[Key], render: Render
) -> Rendering | Failure | None:
    try:
        return _rendering(audience, rows, changed, render)
    except Exception as error:  # noqa: BLE001 - others get what they see
        return Failure(audience, error)


def _split(audience: Audience) -> Iterable[Audience]:
    """Return an audience for each client, or for those who share renderings in any case."""
    if not audience.is_shared:
        return [audience]
    split: dict[Hashable, Audience] = {}

    def own(subscription: LiveSubscription) -> Audience:
        key = AudienceKey(False, subscription.viewer.own_key)
        return split.setdefault(key, Audience(key, audience.told))

    for subscription in audience.subscriptions:
        own(subscription).subscriptions[subscription] = None
    for waiting in audience.waiting:
        own(waiting.subscription).waiting.append(waiting)
    return split.values()


def _rendering(
    audience: Audience, rows: Mapping[Key, Model], changed: Collection[Key], render: Render
) -> Rendering | None:
    """Render the rows that have changed, or all for a client that waits."""
    before = audience.told.tags()
    everything = bool(audience.waiting)
    needed = [key for key in rows if everything or key in changed or key not in before]
    bodies = render([rows[key] for key in needed])
    if bodies is None:
        return None
    found = dict(zip(needed, bodies, strict=True))
    rendered = {key: body for key, body in found.items() if body is not None}
    tags: Tags = {}
    for key in rows:
        if key in rendered:
            tags[key] = tag_of(rendered[key])
        elif key not in found:
            tags[key] = before[key]
    return Rendering(audience, before, tags, rendered)


def difference(rendering: Rendering, before: Tags) -> Rendered | None:
    """Return the `data` of a frame with what differs from before, or `None` if nothing does."""
    diff = compare(before, rendering.tags)
    return None if diff.is_empty else _diff_data(diff, rendering)


def _diff_data(diff: Diff, rendering: Rendering) -> Rendered:
    rendered, tags = rendering.rendered, rendering.tags

    def row(key: Key) -> list[Any]:
        return [Rendered(rendered[key]), tags[key].hex()]

    return Rendered.json(
        {
            "leave": diff.leave,
            "enter": [[after, *row(key)] for after, key in diff.enter],
            "move": diff.move,
            "change": [row(key) for key in diff.change],
        }
    )


def answer_to(waiting: Waiting, rendering: Rendering) -> Rendered:
    """Return the `data` of the reply to a client that waits: all rows, or what differs."""
    if waiting.have is not None:
        return _diff_data(compare(waiting.have, rendering.tags), rendering)
    rows = [Rendered(rendering.rendered[key]) for key in rendering.tags]
    tags = [tag.hex() for tag in rendering.tags.values()]
    return Rendered.json({"rows": rows, "tags": tags})
