"""The groups that each instance's row was last known to be in.

This is kept outside of the instances. A copy or a pickle of an instance must not claim to know the
groups of its row.
"""

from itertools import count
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

from django.db.models import Model

from ...partitions import changed_partition
from .registry import Groups, ObserverGroups, RowObserver, concrete_model

__all__ = ["forget_groups", "mark_moved", "recall_groups", "remember_groups", "sequence"]

sequence = count()
"""Numbers events in the order they begin: of two nested saves, the outer has the lower number."""


class KnownGroups(NamedTuple):
    """The groups of an instance's row, as the database had them."""

    pk: Any
    groups: dict[ref[RowObserver], Groups]
    number: int
    """The number in `sequence` at which this was known."""
    partition: str
    """The partition of the row: in another one, the same key is another row."""


_known_groups: WeakKeyDictionary[Any, KnownGroups] = WeakKeyDictionary()
"""The `_state` of an instance → what is known of its row."""

_last_moves: dict[type[Model], int] = {}
"""A concrete model → the number at which one of its rows last changed its groups."""


def remember_groups(
    state: Any, pk: Any, groups: ObserverGroups, partition: str | None = None
) -> None:
    """Remember the groups of the row of the instance with this `_state`.

    By default the row is in the partition of the running code.
    """
    new = {ref(observer): found for observer, found in groups.items() if observer.groups_need_row}
    if new:
        known = _known_groups.get(state)
        partition = changed_partition() if partition is None else partition
        same = known is not None and known.pk == pk and known.partition == partition
        old = known.groups if known is not None and same else {}
        _known_groups[state] = KnownGroups(pk, old | new, next(sequence), partition)


def recall_groups(state: Any, pk: Any, observer: RowObserver) -> Groups | None:
    """Return the remembered groups; `None` if unknown, or if a row of the model moved since."""
    known = _known_groups.get(state)
    moved = _last_moves.get(concrete_model(observer.model), -1)
    if known is None or known.pk != pk or known.number < moved:
        return None
    if known.partition != changed_partition():
        return None
    return known.groups.get(ref(observer))


def forget_groups(state: Any) -> None:
    """Forget the groups of an instance's row until the next commit."""
    _known_groups.pop(state, None)


def mark_moved(model: type[Model]) -> None:
    """Note that a row of `model` changed its groups: instances loaded before may be outdated."""
    _last_moves[model] = next(sequence)
