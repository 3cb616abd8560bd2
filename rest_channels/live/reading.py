"""One reading of a live query: for whom it began, and what it has found for them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model

from .audiences import Audience, Failure, Rendering, SharedBodies, Waiting, renderings
from .diff import Key
from .subscriptions import LiveSubscription
from .writes import MAX_KEYS

__all__ = ["Reading"]


@dataclass(eq=False, slots=True)
class Reading:
    """One reading of a query: its audiences when it began, and what it has found for each."""

    query: Any
    """The `SharedQuery`."""
    audiences: list[Audience]
    written: set[Key] | None
    """The rows that are rendered, though they may have the same values as before. `None`: all."""
    noted: bool
    """Whether rows were written, as far as is known. Otherwise nothing should have changed."""
    in_part: bool
    """Whether only the written rows may be new, have left, or be in other places."""
    written_rows: dict[Key, Model] = field(default_factory=dict)
    """Those of the written rows that it has returned, if these have all columns of their table."""
    prints: dict[Key, bytes] = field(default_factory=dict)
    renderings: list[Rendering] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    """The audiences for which rows cannot be rendered."""
    error: Exception | None = None
    seconds: float = 0.0
    """How long it took."""
    left: set[LiveSubscription] = field(default_factory=set)
    """The subscriptions that were removed since it began. Some may be back, for the next one."""
    passed_over: set[Key] | None = field(default_factory=set)
    """Rows written since it began that are in no list, as far as earlier readings tell. `None`: too
    many."""

    @property
    def waiting(self) -> list[Waiting]:
        """The clients that wait for this reading."""
        waiting = (each for audience in self.audiences for each in audience.waiting)
        return [each for each in waiting if each.subscription not in self.left]

    def has(self, subscription: LiveSubscription) -> bool:
        """Return whether a client that was here when it began is still here, and was always."""
        is_here = subscription.query is self.query and not subscription.ended
        return is_here and subscription not in self.left

    def awaits(self, waiting: Waiting) -> bool:
        """Return whether a client still waits for it."""
        return self.has(waiting.subscription)

    def fail(self, audiences: list[Audience], error: Exception) -> list[LiveSubscription]:
        """Answer those clients of `audiences` that wait with an error.

        Return the others, which have been told an earlier reading, also of another query.
        """
        told = [each for audience in audiences for each in audience.subscriptions]
        for waiting in [each for audience in audiences for each in audience.waiting]:
            if self.awaits(waiting):
                waiting.fail(error)
                if waiting.answer is None:
                    told.append(waiting.subscription)
        return [*filter(self.has, told)]

    def leave(self, subscription: LiveSubscription) -> list[Waiting]:
        """Tell a client nothing of this reading. Return what it waits for."""
        removed = [each for each in self.waiting if each.subscription is subscription]
        self.left.add(subscription)
        return removed

    def pass_over(self, keys: set[Key]) -> None:
        """Note rows that are in the list only if this reading, which may be older, returns them."""
        if self.passed_over is not None:
            self.passed_over |= keys
            if len(self.passed_over) > MAX_KEYS:
                self.passed_over = None

    @property
    def outdated(self) -> set[Key] | None:
        """Those of these rows that it has returned. They are to be read again; `None`: all."""
        return None if self.passed_over is None else self.passed_over.intersection(self.prints)

    def keep_written(self, rows: Mapping[Key, Model]) -> None:
        """Keep copies of the written rows. Serializers may change the rows themselves."""
        for key in self.written or ():
            row = rows.get(key)
            if row is not None and not row.get_deferred_fields():
                copy = self.written_rows[key] = type(row).__new__(type(row))
                vars(copy).update(vars(row))

    def render(
        self, rows: Mapping[Key, Model], changed: Collection[Key], bodies: SharedBodies
    ) -> None:
        """Render the rows that were read, for each audience. Call this in a thread.

        Args:
            rows: The rows of the list.
            changed: Those that an audience may not have as they are now.
            bodies: What was rendered of these rows for other queries.
        """
        self.renderings, self.failed = [], []
        for audience in self.audiences:
            for found in renderings(audience, rows, changed, bodies):
                if isinstance(found, Failure):
                    self.failed.append(found)
                else:
                    self.renderings.append(found)
