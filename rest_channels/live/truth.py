"""SQL's logic of TRUE, FALSE and NULL, where some values are not known.

A set of possible values is a number: the sum of `TRUE`, `FALSE` and `NULL` for those in the set.
"""

from collections.abc import Callable, Iterable
from functools import reduce

__all__ = ["AND", "ANY", "FALSE", "NOT", "NOT_NULL", "NULL", "OR", "TRUE", "exclusive_or"]

FALSE, NULL, TRUE = 1, 2, 4
VALUES = (FALSE, NULL, TRUE)  # in SQL's order: AND is the smallest value, OR the greatest

NOT_NULL = FALSE | TRUE
"""The set for a comparison of a value that is not NULL, and that Python cannot compare."""

ANY = FALSE | NULL | TRUE
"""The set for a condition of which nothing is known."""


def _combined(a: int, b: int, combine: Callable[..., int]) -> int:
    """Return the set of all values that `combine` returns for a value of each set."""
    return reduce(int.__or__, {combine(x, y) for x in VALUES if x & a for y in VALUES if y & b}, 0)


AND = tuple(tuple(_combined(a, b, min) for b in range(ANY + 1)) for a in range(ANY + 1))
"""`AND[a][b]` is the set of possible values of `x AND y`, for an `x` of `a` and a `y` of `b`."""

OR = tuple(tuple(_combined(a, b, max) for b in range(ANY + 1)) for a in range(ANY + 1))
"""`OR[a][b]` is the set of possible values of `x OR y`."""

NOT = tuple((a & NULL) | (TRUE if a & FALSE else 0) | (FALSE if a & TRUE else 0) for a in range(8))
"""`NOT[a]` is the set of possible values of `NOT x`."""


def exclusive_or(operands: Iterable[int]) -> int:
    """Return the possible values of an XOR, as Django writes it for databases without XOR.

    That is `(x OR y OR …) AND the number of true operands is odd`. The number counts NULL as
    FALSE, so the second part is never NULL.
    """
    any_true, odd = FALSE, FALSE
    for operand in operands:
        any_true = OR[any_true][operand]
        counted = (TRUE if operand & TRUE else 0) | (FALSE if operand & (FALSE | NULL) else 0)
        odd = _combined(odd, counted, lambda x, y: FALSE if x == y else TRUE)
    return AND[any_true][odd]
