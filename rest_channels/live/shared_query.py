"""One live query of a hub, for all clients that ask the same.

It is read with one statement, which gives the rows and their order together. Two statements could
see different commits, and an order that is older than its rows would stay wrong.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Hashable, Iterable
from functools import cached_property
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from ..client_logs import log_for_client
from ..concurrency.timers import call_later
from ..partitions import activated
from ..settings import api_settings
from .audiences import Audience, AudienceKey, SharedBodies, Waiting, audience_key
from .dependencies import Dependencies, UnwatchableQuery, find_dependencies
from .diff import Key
from .equalities import equalities_of
from .judge import compile_judge
from .keys import row_key
from .match_counts import MatchCount, match_count_of
from .querysets import check_told, has_whole_rows, prefetched_models, query_key
from .reading import Reading
from .state import UNKNOWN, Told, fingerprint
from .subscriptions import LiveSubscription

__all__ = ["SharedQuery"]

logger = logging.getLogger("rest_channels")


class SharedQuery:
    """A query, its clients in audiences, and what is known of the rows that it returned last."""

    def __init__(
        self,
        queryset: QuerySet[Any, Any],
        dependencies: Dependencies,
        rendered: Collection[type[Model]],
        partition: str,
    ) -> None:
        """Use `of` instead.

        Args:
            queryset: The rows.
            dependencies: What the queryset reads.
            rendered: The models that are read when rows are rendered.
            partition: The partition in which it is read.
        """
        self.key = query_key(queryset, partition)
        self.queryset = queryset
        self.partition = partition
        self.model: Any = dependencies.model
        self.label: str = self.model._meta.label_lower
        has_offset = queryset.query.low_mark > 0
        self.rows_are_independent = dependencies.rows_are_independent and not has_offset
        """Whether the change of a row that it does not return, and has not returned, has no effect
        unless the row matches now."""
        self.whole_labels = {model._meta.label_lower for model in dependencies.related}
        """The models of which any change concerns it."""
        self._add_rendered(rendered)
        self.judge = compile_judge(queryset)
        self.equalities = equalities_of(queryset)
        self.viewers_key: Hashable | None = None
        """What queries have in common whose clients are found from a row: see `Viewer`."""
        self.reader: Key = None
        self.audiences: dict[AudienceKey, Audience] = {}
        self.waiting: list[Waiting] = []
        self.written: set[Key] | None = set()
        """The rows that the next reading renders in any case; `None`: all."""
        self.noted = False
        """Whether any row was written since the last reading, as far as is known."""
        self.seconds = 0.0
        """How long the last reading took."""
        self.reading: Reading | None = None
        """The one that has begun, and has not ended."""
        self._interval = api_settings.LIVE_AUDIT
        self._timer: asyncio.TimerHandle | None = None
        self._prints: tuple[tuple[Key, ...], bytes] = ((), b"")
        self._repeats_rows = False
        """Whether it has returned a row more than once."""

    @classmethod
    def of(cls, subscription: LiveSubscription) -> "SharedQuery":
        """Return the query of a client as it is now. Call this in a thread.

        Raises:
            ValidationError: (400) It may change without a write that is told.
        """
        viewer, reread = subscription.viewer, subscription.reread is not None
        queryset = viewer.find_queryset()
        try:
            dependencies = find_dependencies(queryset, reread=reread)
            rendered = prefetched_models(queryset, reread=reread)
            check_told(dependencies.models | rendered, reread=reread)
        except UnwatchableQuery as error:
            log_for_client(logger, logging.ERROR, "A live query is refused: %s", error)
            reason = str(error) if api_settings.DEBUG_ERRORS else _("This list cannot be followed.")
            raise ValidationError([reason]) from error
        rendered |= viewer.rendered_models(queryset.model)
        query = cls(queryset, dependencies, rendered, subscription.connection.partition)
        query.viewers_key, query.reader = viewer.viewers_key, viewer.reader
        return query

    def _add_rendered(self, models: Iterable[type[Model]]) -> None:
        self.whole_labels |= {model._meta.label_lower for model in models}
        if self.label in self.whole_labels:  # a row may be shown with another one
            self.rows_are_independent = False
        if not self.rows_are_independent:
            self.whole_labels.add(self.label)

    def depend_on(self, other: "SharedQuery") -> bool:
        """Depend on what an equal query of another serializer depends on. Return if that is new."""
        if (other.viewers_key, other.reader) != (self.viewers_key, self.reader):
            self.viewers_key = None  # it has clients of several users
        if other.whole_labels <= self.whole_labels:
            return False
        self.whole_labels |= other.whole_labels
        self.rows_are_independent = self.rows_are_independent and other.rows_are_independent
        return True

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys of the rows that it has returned last."""
        return self._prints[0]

    @property
    def known_prints(self) -> Iterable[tuple[Key, bytes]]:
        """The same keys, each with the fingerprint of the row."""
        keys, prints = self._prints
        size = len(UNKNOWN)
        return ((key, prints[at * size : at * size + size]) for at, key in enumerate(keys))

    @property
    def limit(self) -> int | None:
        """How many rows it returns at most."""
        limit: int | None = self.queryset.query.high_mark
        return limit

    @cached_property
    def match_count(self) -> MatchCount | None:
        """How it is counted how often it returns a row; `None` if it can only be read whole."""
        return match_count_of(self.queryset, self.partition)

    @property
    def is_changed_in_part(self) -> bool:
        """Whether only the written rows may be new, have left, or be in other places."""
        is_certain = self.rows_are_independent and not self._repeats_rows
        return is_certain and self.written is not None and not self.waiting

    @property
    def is_used(self) -> bool:
        """Whether it has clients, or is being read for some."""
        return bool(self.waiting or self.audiences or self.reading)

    @property
    def subscriptions(self) -> list[LiveSubscription]:
        """The subscriptions of its clients, also of those that wait."""
        told = [each for audience in self.audiences.values() for each in audience.subscriptions]
        waiting = [*self.waiting, *(self.reading.waiting if self.reading else ())]
        return [*told, *(each.subscription for each in waiting)]

    def audience_of(self, subscription: LiveSubscription) -> Audience | None:
        """Return the audience of a client; `None` for one that waits for its first reading."""
        found = (each for each in self.audiences.values() if subscription in each.subscriptions)
        return next(found, None)

    def remove(self, subscription: LiveSubscription) -> list[Waiting]:
        """Remove a subscription, also from the running reading. Return what it waits for."""
        for key, audience in [*self.audiences.items()]:
            audience.subscriptions.pop(subscription, None)
            if not audience.subscriptions:
                del self.audiences[key]
        removed = [each for each in self.waiting if each.subscription is subscription]
        self.waiting = [each for each in self.waiting if each.subscription is not subscription]
        return removed if self.reading is None else removed + self.reading.leave(subscription)

    def note(self, label: str, keys: Iterable[Key] | None) -> None:
        """Note that rows of a model were written; `None`: it is not known which."""
        self.noted = True
        if label != self.label or keys is None:
            self.written = None
        elif self.written is not None:
            self.written |= keys if isinstance(keys, set) else {*map(row_key, keys)}

    def note_loss(self) -> None:
        """Note that anything may have been written."""
        self.noted, self.written = True, None

    # The time after which it is read again in any case.

    def limit_interval(self, seconds: float | None) -> None:
        """Read it again at least every so many seconds; `None`: there is no such limit."""
        if seconds is not None:
            self._interval = min(seconds, self._interval or seconds)

    def start_timer(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        """Call `call` after this time."""
        self.stop_timer()
        if self._interval is not None:
            self._timer = call_later(loop, self._interval, call)

    def stop_timer(self) -> None:
        """Do not call it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Reading. `begin`, `install` and `end` run on the event loop, `read` in a thread.

    def begin(self) -> Reading:
        """Begin a reading, for those who are here now. Later changes belong to the next one."""
        in_part = self.is_changed_in_part
        written, self.written = self.written, set()
        noted, self.noted = self.noted, False
        waiting, self.waiting = self.waiting, []
        audiences = {
            key: Audience(key, each.told, dict(each.subscriptions))
            for key, each in self.audiences.items()
        }
        for each in waiting:
            key = audience_key(each.subscription)
            audiences.setdefault(key, Audience(key)).waiting.append(each)
        self.reading = Reading(self, [*audiences.values()], written, noted, in_part)
        return self.reading

    def read(self, reading: Reading) -> None:
        """Read and render the rows. Call this in a thread, after the commit of what has changed."""
        with activated(self.partition):
            rows = self._rows()
            known = dict(self.known_prints)
            reading.prints = {key: fingerprint(row) for key, row in rows.items()}
            if self.queryset.model is self.model and has_whole_rows(self.queryset):
                reading.keep_written(rows)
            written = rows if reading.written is None else reading.written
            changed = {
                key
                for key, found in reading.prints.items()
                if key in written or found == UNKNOWN or known.get(key) != found
            }
            reading.render(rows, changed, SharedBodies())

    def _rows(self) -> dict[Key, Model]:
        found = [*self.queryset.all()]
        rows: dict[Key, Model] = {}
        for row in found:
            rows.setdefault(row_key(row.pk), row)  # a join may return a row more than once
        self._repeats_rows = len(rows) < len(found)
        if len(rows) > (limit := api_settings.MAX_LIVE_ROWS):
            message = _("A live list has at most %(limit)d rows.")
            raise ValidationError([message % {"limit": limit}])
        return rows

    def install(self, reading: Reading) -> None:
        """Make what was read the state of the query."""
        self._prints = tuple(reading.prints), b"".join(reading.prints.values())
        self.audiences = {}
        for audience, _error in reading.failed:
            self.written = None  # the next reading renders for them again
            here = {each: None for each in audience.subscriptions if reading.has(each)}
            if here:
                self.audiences[audience.key] = Audience(audience.key, audience.told, here)
        for rendering in reading.renderings:
            audience = rendering.audience
            here = {each: None for each in audience.members if reading.has(each)}
            if here:
                audience = self.audiences.setdefault(audience.key, Audience(audience.key))
                audience.told = Told(rendering.tags)
                audience.subscriptions |= here

    def end(self, reading: Reading) -> None:
        """Note that the reading that has begun has ended."""
        self.reading = None
        self.seconds = reading.seconds

    def give_back(self, reading: Reading) -> None:
        """Let the next reading do what this one, which was not made, would have done."""
        self.note_loss()
        self.waiting = reading.waiting + self.waiting
