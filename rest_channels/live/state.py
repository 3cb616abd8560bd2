"""What the clients of a live query have been told: the order of the rows, and a tag of each."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from uuid import UUID

from .diff import Key

__all__ = ["TAG_SIZE", "UNKNOWN", "Told", "fingerprint", "is_plain", "tag_of"]

TAG_SIZE = 6
"""Bytes of a tag."""

PRINT_SIZE = 8
"""Bytes of a fingerprint."""

UNKNOWN = bytes(PRINT_SIZE)
"""The fingerprint of a row that has to be rendered whenever it is read."""


def tag_of(rendered: bytes) -> bytes:
    """Return the tag of a rendered row: two renderings with one tag are the same."""
    return blake2b(rendered, digest_size=TAG_SIZE).digest()


class Told:
    """The tag of each row, in the order of the list, in little memory."""

    __slots__ = ("_keys", "_tags")

    def __init__(self, tags: Mapping[Key, bytes]) -> None:
        self._keys = tuple(tags)
        self._tags = b"".join(tags.values())

    def tags(self) -> dict[Key, bytes]:
        """Return the tag of each row, in the order of the list."""
        size = TAG_SIZE
        places = range(0, len(self._tags), size)
        return {
            key: self._tags[place : place + size]
            for key, place in zip(self._keys, places, strict=True)
        }


PREFETCHED = "_prefetched_objects_cache"
"""The attribute in which Django keeps the rows that were prefetched for a row."""

PLAIN = {type(None), bool, int, float, str, bytes}
PLAIN |= {Decimal, date, datetime, time, timedelta, UUID}
"""Types of which two values with the same `repr` are the same."""


def fingerprint(row: Any) -> bytes:
    """Return a hash of all values that a row was read with, also of joined and prefetched rows.

    If it is the same as before, the row need not be rendered again. `UNKNOWN` for a row with values
    of other types, or with rows that were prefetched into a list of another name.
    """
    values: list[Any] = []
    if not _collect(row, values, {id(row)}):
        return UNKNOWN
    return blake2b(repr(values).encode(errors="surrogatepass"), digest_size=PRINT_SIZE).digest()


def _collect(row: Any, values: list[Any], seen: set[int]) -> bool:
    """Add the values of a row. Return whether all of them are plain."""
    if not hasattr(row, "_state"):
        return False
    for name, value in vars(row).items():
        if name not in ("_state", PREFETCHED):
            if not is_plain(value):
                return False
            values.append(value)
    related = [each for each in row._state.fields_cache.values() if each is not None]
    for name, rows in vars(row).get(PREFETCHED, {}).items():
        values += [name, len(rows)]
        related += rows
    new = [each for each in related if id(each) not in seen]
    seen.update(map(id, new))
    return all(_collect(each, values, seen) for each in new)


def is_plain(value: Any) -> bool:
    """Return whether two values are the same if their `repr` is."""
    if type(value) in (list, tuple):
        return all(map(is_plain, value))
    if type(value) is dict:
        return all(map(is_plain, value.values()))
    return type(value) in PLAIN
