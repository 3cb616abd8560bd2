"""The queries of the database store. They block, so the store runs them in threads."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import router, transaction
from django.db.models import (
    BooleanField,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
)
from django.db.models.functions import Now

from ..models import HistoryGroup, HistoryMessage
from ..records import KeptMessage, Page, Position
from .base import (
    EPOCH_AGE,
    WRITER_AGE,
    Append,
    new_epoch_name,
    text_size,
)

__all__ = [
    "append",
    "append_to_groups",
    "last",
    "new_epoch",
    "position",
    "positions",
    "since",
    "sweep",
    "write_alias",
]

ROWS = 50
"""Messages that are read at once."""

SWEEP_ROWS = 1_000
"""Rows of each table that are deleted at once."""


def append_to_groups(items: Sequence[Append]) -> list[Position]:
    """Append in a transaction for each group: one that locks several could cause a deadlock."""
    by_group: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        by_group.setdefault(item.group, []).append(index)
    positions: dict[int, Position] = {}
    for group, indexes in by_group.items():
        found = append(group, [items[index] for index in indexes], write_alias())
        positions.update(zip(indexes, found, strict=True))
    return [positions[index] for index in range(len(items))]


def append(group: str, items: Sequence[Append], using: str) -> list[Position]:
    """Append to one group in one transaction."""
    with transaction.atomic(using, savepoint=False):
        row = _locked(group, using)
        appending = _Appending(row)
        offsets = [appending.offset_of(item) for item in items]
        HistoryMessage.objects.using(using).bulk_create(appending.messages)
        row.writers = json.dumps(appending.writers)
        row.save(using=using, update_fields=["last_offset", "writers"])
        is_beyond = Q(offset__lte=row.last_offset - items[-1].history.size)
        _messages(row).filter(is_beyond | Q(expires_at__lte=Now())).delete()
    return [Position(row.epoch, offset) for offset in offsets]


class _Appending:
    """What one transaction appends to a group, whose row it has locked."""

    def __init__(self, row: HistoryGroup) -> None:
        self.row = row
        self.messages: list[HistoryMessage] = []
        self._now = row.used_at.timestamp()  # by the clock of the database
        writers: dict[str, tuple[int, int, float]] = json.loads(row.writers)
        since = self._now - WRITER_AGE
        self.writers = {name: each for name, each in writers.items() if each[2] > since}

    def offset_of(self, item: Append) -> int:
        """Return the offset that `item` has already, or else gets."""
        before = self.writers.get(item.writer)
        if before is not None and item.number <= before[0]:
            return before[1] if item.number == before[0] else self._offset_of_earlier(item)
        self.row.last_offset += 1
        if item.writer:
            self.writers[item.writer] = item.number, self.row.last_offset, self._now
        self.messages.append(self._message(item))
        return self.row.last_offset

    def _offset_of_earlier(self, item: Append) -> int:
        for message in self.messages:
            if (message.writer, message.number) == (item.writer, item.number):
                return message.offset
        found = _messages(self.row).filter(writer=item.writer, number=item.number)
        offset: int | None = found.values_list("offset", flat=True).first()
        return offset or 0

    def _message(self, item: Append) -> HistoryMessage:
        age = timedelta(seconds=item.history.age)
        return HistoryMessage(
            group=self.row,
            offset=self.row.last_offset,
            text=item.text,
            writer=item.writer,
            number=item.number,
            expires_at=ExpressionWrapper(Now() + age, output_field=DateTimeField()),
        )


def write_alias() -> str:
    """Return the database that is written to. Another one may be a replica that lags behind."""
    return router.db_for_write(HistoryGroup)


def _groups(name: str, using: str) -> QuerySet[HistoryGroup]:
    return HistoryGroup.objects.using(using).filter(name=name)


def _messages(row: HistoryGroup) -> QuerySet[HistoryMessage]:
    return HistoryMessage.objects.using(row._state.db).filter(group=row)


def _locked(group: str, using: str) -> HistoryGroup:
    """Return the row of `group`, locked until the end of the transaction. Create it if necessary.

    An UPDATE locks the row. On SQLite it locks the database, and before that nothing was read that
    another connection could change.
    """
    found = _groups(group, using)
    while not found.update(used_at=Now()):
        _create(group, using)
    return found.get()


def _create(group: str, using: str) -> None:
    """Begin the first epoch of `group`, unless another connection does."""
    row = HistoryGroup(name=group, epoch=new_epoch_name(), used_at=Now())
    HistoryGroup.objects.using(using).bulk_create([row], ignore_conflicts=True)


def position(group: str) -> Position:
    """Return the position of `group`. Begin an epoch if there is none."""
    row = _used(group)
    return Position(row.epoch, row.last_offset)


def _used(group: str) -> HistoryGroup:
    """Return the row of `group`, which is kept from now on. Create it if necessary."""
    while not (rows := _used_rows([group])):
        _create(group, write_alias())
    return rows[0]


def _used_rows(groups: Sequence[str]) -> list[HistoryGroup]:
    """Return the rows that exist, which are kept from now on.

    Only some uses are written down: a write waits for transactions that append.
    """
    using = write_alias()
    is_due = ExpressionWrapper(Q(used_at__lt=_ago(EPOCH_AGE / 24)), output_field=BooleanField())
    rows = HistoryGroup.objects.using(using).filter(name__in=groups).annotate(is_due=is_due)
    found: list[HistoryGroup] = list(rows)
    if due := [row.pk for row in rows if row.is_due]:
        HistoryGroup.objects.using(using).filter(pk__in=due).update(used_at=Now())
    return found


def positions(groups: Sequence[str]) -> list[Position | None]:
    """Return the position of each group, `None` for one without a row, and keep the rows."""
    found = {row.name: Position(row.epoch, row.last_offset) for row in _used_rows(groups)}
    return [found.get(group) for group in groups]


def new_epoch(group: str, writer: str, number: int) -> Position:
    """Delete the messages of `group`, and begin another epoch.

    What writers have appended before is not appended once more.
    """
    using = write_alias()
    with transaction.atomic(using):
        row = _locked(group, using)
        before = json.loads(row.writers).get(writer)
        if before is not None and number <= before[0]:  # the same call has begun it
            return Position(row.epoch, row.last_offset)
        _messages(row).delete()
        writers = {name: (n, 0, at) for name, (n, _, at) in json.loads(row.writers).items()}
        if writer:
            writers[writer] = number, 0, row.used_at.timestamp()
        row.epoch, row.last_offset, row.writers = new_epoch_name(), 0, json.dumps(writers)
        row.save(using=using, update_fields=["epoch", "last_offset", "writers"])
    return Position(row.epoch, 0)


def since(group: str, position: Position, limit: int) -> Page:
    """Return the messages of `group` after `position`, at most `limit` bytes, but at least one."""
    row = _used(group)
    end = Position(row.epoch, row.last_offset)
    gap = Page(end, (), has_more=False, is_gap=True)
    if position.epoch != row.epoch or not 0 <= position.offset <= row.last_offset:
        return gap
    page: list[KeptMessage] = []
    size, at = 0, position.offset
    while at < row.last_offset:
        rows = _messages_after(row, at)
        if not rows or (rows[0][2] and not page):
            return gap
        for offset, text, _ in rows:
            size += text_size(text)
            if offset != at + 1:
                return gap
            if page and size > limit:
                return Page(end, tuple(page), has_more=True, is_gap=False)
            page.append(KeptMessage(offset, text))
            at = offset
    return Page(end, tuple(page), has_more=False, is_gap=False)


def _messages_after(row: HistoryGroup, offset: int) -> list[tuple[int, str, bool]]:
    """Return the offset and the text of messages, and whether each has expired.

    They are of the epoch of `row`, up to its last offset: both may be others by now.
    """
    is_expired = ExpressionWrapper(Q(expires_at__lte=Now()), output_field=BooleanField())
    found = HistoryMessage.objects.using(write_alias()).filter(
        group=row, group__epoch=row.epoch, offset__gt=offset, offset__lte=row.last_offset
    )
    rows = found.order_by("offset").annotate(is_expired=is_expired)
    return list(rows.values_list("offset", "text", "is_expired")[:ROWS])


def last(group: str, limit: int) -> list[KeptMessage]:
    """Return the newest messages of `group`, at most `limit`, oldest first."""
    found = HistoryMessage.objects.using(write_alias()).filter(
        group__name=group, expires_at__gt=Now()
    )
    rows = found.order_by("-offset").values_list("offset", "text")[:limit]
    return [KeptMessage(offset, text) for offset, text in rows][::-1]


def _ago(seconds: float) -> Any:
    age = timedelta(seconds=seconds)
    return ExpressionWrapper(Now() - age, output_field=DateTimeField())


def sweep() -> None:
    """Delete expired messages, and groups that were not used for `EPOCH_AGE`.

    Rows that are locked are in use, and are left out.
    """
    using = write_alias()
    messages = HistoryMessage.objects.using(using).filter(expires_at__lte=Now())
    is_empty = ~Exists(HistoryMessage.objects.filter(group=OuterRef("pk")))
    groups = HistoryGroup.objects.using(using).filter(is_empty, used_at__lt=_ago(EPOCH_AGE))
    for rows in (messages, groups):
        with transaction.atomic(using):
            locked = rows.select_for_update(skip_locked=True).values_list("pk", flat=True)
            keys = list(locked[:SWEEP_ROWS])
            rows.model._default_manager.using(using).filter(pk__in=keys).delete()
