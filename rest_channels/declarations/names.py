"""Find names that are probably a misspelt other name, and the package that a value is from."""

from collections.abc import Iterable
from inspect import isfunction
from typing import Any

__all__ = ["misspelling", "nearest_name", "package_of"]

SHORT = 8  # characters; below that, own names resemble known ones by chance
LONG = 12


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the name in `known` of which `name` is probably a misspelling, or `None`."""
    if name.isupper() or name.startswith("_"):
        return None
    written = _normalized(name)
    for other in known:
        allowed = 0 if len(other) < SHORT else 1 if len(other) < LONG else 2
        if _distance(written, _normalized(other)) <= allowed:
            return other
    return None


def misspelling(where: str, meant: str) -> TypeError:
    """Return the error for the name at the end of `where`, which probably means another one."""
    hint = "If the name is your own, choose another."
    return TypeError(f"{where} has no effect. Did you mean {meant}? {hint}")


def package_of(value: Any) -> str:
    """Return the package that has made `value`, also a function that wraps that of a project."""
    if isfunction(value):
        module = value.__globals__.get("__name__", "")
    else:
        module = (value if isinstance(value, type) else type(value)).__module__
    return str(module).partition(".")[0]


def _normalized(name: str) -> str:
    return name.replace("_", "").lower()


def _distance(left: str, right: str) -> int:
    """Return how many letters to insert, delete, replace or swap with their neighbour."""
    if abs(len(left) - len(right)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        two_before, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                best = min(best, two_before[j - 2] + 1)
            row.append(best)
    return row[-1]
