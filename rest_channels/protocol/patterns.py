"""Inspect regular expressions: which take very long for some texts, and what each match has.

Python's `re` tries every way to split a text among the parts of a pattern. The number of ways is
exponential where a repeated part can match the same text in several ways.
"""

import re
from collections.abc import Iterable, Iterator
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

__all__ = ["certain_groups", "slow_part"]

ALPHABET = [chr(code) for code in range(256)]
FEW_TIMES = 3  # quantifiers in a row: n characters take up to n ** 3 / 6 steps
MANY_OPTIONAL = 10  # optional parts in a row: up to 2 ** 10 steps

REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT)
CATEGORIES = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}

Item = tuple[Any, Any]  # an operator of a parsed pattern, and its arguments


def slow_part(pattern: re.Pattern[str] | str) -> str | None:
    """Return what makes `pattern` slow for some texts, or `None`.

    It is careful: a pattern that it names may be fast in fact.
    """
    text, flags = (pattern, 0) if isinstance(pattern, str) else (pattern.pattern, pattern.flags)
    return _slow([*parser.parse(text, flags)])


def certain_groups(pattern: re.Pattern[str]) -> frozenset[str]:
    """Return the names of those groups of `pattern` that are part of each match."""
    numbers = _certain([*parser.parse(pattern.pattern, pattern.flags)])
    return frozenset(name for name, number in pattern.groupindex.items() if number in numbers)


def _certain(items: Iterable[Item]) -> set[int]:
    """Return the numbers of the groups that are part of each match of `items`."""
    found: set[int] = set()
    for operator, argument in items:
        if operator in REPEATS and argument[0] == 0:
            continue
        if operator is sre.SUBPATTERN and argument[0] is not None:
            found.add(argument[0])
        parts = [_certain(part) for part in _parts(operator, argument)]
        found |= set.intersection(*parts) if parts else set()
    return found


def _slow(items: list[Item]) -> str | None:
    if (found := _slow_sequence(items)) is not None:
        return found
    for operator, argument in items:
        if operator in REPEATS and argument[1] > 1 and (found := _slow_repeat(*argument)):
            return found
        for part in _parts(operator, argument):
            if (found := _slow(part)) is not None:
                return found
    return None


def _slow_repeat(_least: int, most: Any, body: Any) -> str | None:
    """Return why a repeated `body` may match one text in several ways."""
    items = _flat([*body])
    if most > FEW_TIMES:
        if any(_varies(*item) for item in _all(items)) or all(map(_may_be_empty, items)):
            return "nested quantifiers"
        for position, item in enumerate(items):
            rest = _characters(items[:position] + items[position + 1 :])
            if _is_optional(item) and not rest.isdisjoint(_characters([item])):
                return "nested quantifiers"
        if any(
            _overlap(argument[1]) for operator, argument in _all(items) if operator is sre.BRANCH
        ):
            return "repeated alternatives that begin alike"
    return None


def _slow_sequence(items: list[Item]) -> str | None:
    """Return why parts that follow each other may share a text in many ways."""
    flat = _flat(items)
    repeats = [_characters([item]) for item in flat if _varies(*item)]
    optional = [_characters([item]) for item in flat if _is_optional(item)]
    if _sharing(repeats) > FEW_TIMES or _sharing(optional) > MANY_OPTIONAL:
        return "many quantifiers for the same characters"
    return None


def _sharing(sets: list[set[str]]) -> int:
    """Return how many of the sets share a character at most."""
    return max((sum(char in each for each in sets) for char in set().union(*sets)), default=0)


def _flat(items: Iterable[Item]) -> list[Item]:
    """Return the items with the content of groups in the place of the groups."""
    flat: list[Item] = []
    for operator, argument in items:
        if operator is sre.SUBPATTERN:
            flat += _flat(argument[3])
        else:
            flat.append((operator, argument))
    return flat


def _all(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items and those inside, except inside of what is never matched again."""
    for operator, argument in items:
        yield operator, argument
        if operator is not sre.ATOMIC_GROUP and operator is not sre.POSSESSIVE_REPEAT:
            for part in _parts(operator, argument):
                yield from _all(part)


def _parts(operator: Any, argument: Any) -> list[list[Item]]:
    """Return the patterns inside of an item."""
    if operator is sre.BRANCH:
        return [[*each] for each in argument[1]]
    if operator is sre.SUBPATTERN:
        return [[*argument[3]]]
    if operator in (*REPEATS, sre.POSSESSIVE_REPEAT):
        return [[*argument[2]]]
    if operator in (sre.ASSERT, sre.ASSERT_NOT):
        return [[*argument[1]]]
    if operator is sre.ATOMIC_GROUP:
        return [[*argument]]
    if operator is sre.GROUPREF_EXISTS:
        return [[*each] for each in argument[1:] if each]
    return []


def _varies(operator: Any, argument: Any) -> bool:
    """Return whether an item may match several numbers of repetitions, beyond being optional."""
    return operator in REPEATS and argument[0] != argument[1] and argument[1] > 1


def _is_optional(item: Item) -> bool:
    operator, argument = item
    if operator is sre.BRANCH:
        return any(all(map(_may_be_empty, each)) for each in argument[1])
    return operator in REPEATS and argument[0] == 0 and argument[1] == 1


def _overlap(alternatives: list[Any]) -> bool:
    """Return whether two alternatives may begin with the same character, or both are empty."""
    seen: set[str] = set()
    for alternative in alternatives:
        first = _first(_flat(alternative)) or {""}
        if not seen.isdisjoint(first):
            return True
        seen |= first
    return False


def _may_be_empty(item: Item) -> bool:
    operator, argument = item
    if operator in (*REPEATS, sre.POSSESSIVE_REPEAT):
        return argument[0] == 0 or all(map(_may_be_empty, argument[2]))
    if operator is sre.BRANCH:
        return any(all(map(_may_be_empty, each)) for each in argument[1])
    if operator is sre.SUBPATTERN:
        return all(map(_may_be_empty, argument[3]))
    return operator in (sre.AT, sre.ASSERT, sre.ASSERT_NOT, sre.GROUPREF, sre.GROUPREF_EXISTS)


def _first(items: list[Item]) -> set[str]:
    """Return the characters with which a text that matches may begin."""
    first: set[str] = set()
    for item in items:
        first |= _characters([item]) if _parts(*item) == [] else _first_inside(*item)
        if not _may_be_empty(item):
            break
    return first


def _first_inside(operator: Any, argument: Any) -> set[str]:
    return set().union(*(_first(_flat(part)) for part in _parts(operator, argument)))


def _characters(items: Iterable[Item]) -> set[str]:
    """Return the characters, of the first 256, that may occur in a text that matches."""
    found: set[str] = set()
    for operator, argument in items:
        if operator in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            found |= _class(operator, argument)
        for part in _parts(operator, argument):
            found |= _characters(part)
        if operator is sre.GROUPREF:
            found.update(ALPHABET)
    return found


def _class(operator: Any, argument: Any) -> set[str]:
    """Return the characters that one item for one character matches, in any case."""
    if operator is sre.LITERAL:
        return {chr(argument).lower(), chr(argument).upper()}
    if operator is sre.NOT_LITERAL:
        return set(ALPHABET) - {chr(argument)}
    if operator is sre.ANY:
        return set(ALPHABET)
    negated = argument[0][0] is sre.NEGATE
    found: set[str] = set()
    for kind, value in argument[negated:]:
        if kind is sre.LITERAL:
            found.add(chr(value))
        elif kind is sre.RANGE:
            found.update(char for char in ALPHABET if value[0] <= ord(char) <= value[1])
        else:
            found.update(char for char in ALPHABET if re.match(CATEGORIES[value], char))
    return set(ALPHABET) - found if negated else found
