"""What differs between a list that a client has, and the list as it is now.

A client that applies a difference whole has exactly the new list:

1. Rows that leave, and rows that move, are taken out.
2. Each row that enters or moves is put directly after the row that it names, which precedes it in
   the new list: `None` is the beginning. That row may enter or move itself, so the order of the
   entries does not matter.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["Diff", "Key", "apply", "compare"]

Key = Any
"""The primary key of a row as JSON: a number, a text, or a tuple for a composite key."""


class Diff(NamedTuple):
    """What differs between two lists."""

    leave: list[Key]
    """The rows that are no longer in the list."""
    enter: list[tuple[Key | None, Key]]
    """Each new row, after the key of the row that precedes it."""
    move: list[tuple[Key | None, Key]]
    """Each row that has another place among those that stay, in the same form."""
    change: list[Key]
    """The rows that stay, and are rendered in another way."""

    @property
    def is_empty(self) -> bool:
        """Whether the lists are the same."""
        return not any(self)


def compare(told: Mapping[Key, Any], new: Mapping[Key, Any]) -> Diff:
    """Return what leads from the list `told` to the list `new`, with as few moves as possible.

    Args:
        told: The tag of each row, in the order of the list.
        new: The same of the new list.
    """
    places = {key: place for place, key in enumerate(told)}
    staying = [key for key in new if key in places]
    still = _longest_increasing([places[key] for key in staying])
    moving = {key for place, key in enumerate(staying) if place not in still}
    diff = Diff([key for key in told if key not in new], [], [], [])
    before: Key | None = None
    for key, tag in new.items():
        if key not in places:
            diff.enter.append((before, key))
        else:
            if key in moving:
                diff.move.append((before, key))
            if told[key] != tag:
                diff.change.append(key)
        before = key
    return diff


def apply(
    told: Iterable[Key],
    leave: Iterable[Key],
    enter: Sequence[tuple[Key | None, Key]],
    move: Sequence[tuple[Key | None, Key]],
) -> list[Key]:
    """Return the keys of the new list, as a client finds them."""
    following = dict((*enter, *move))
    taken_out = {*leave, *(key for _after, key in move)}
    found: list[Key] = []
    for key in (None, *(key for key in told if key not in taken_out)):
        if key is not None:
            found.append(key)
        placed = key
        while placed in following:
            placed = following[placed]
            found.append(placed)
    return found


def _longest_increasing(numbers: Sequence[int]) -> set[int]:
    """Return the indexes of a longest increasing run of `numbers`, which are all different."""
    last: list[int] = []  # of a run of each length: the smallest number that it may end with
    indexes: list[int] = []
    previous: list[int] = []  # the index before each index in its run
    for index, number in enumerate(numbers):
        length = bisect_left(last, number)
        previous.append(indexes[length - 1] if length else -1)
        last[length : length + 1] = [number]
        indexes[length : length + 1] = [index]
    found: set[int] = set()
    index = indexes[-1] if indexes else -1
    while index >= 0:
        found.add(index)
        index = previous[index]
    return found
