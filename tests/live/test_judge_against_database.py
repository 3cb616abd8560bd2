"""The judge against the database: random rows, and random trees of conditions.

`LIVE_JUDGEMENTS=100000` judges so many rows on each database, and `LIVE_SEED=7` other ones.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from django.db.models import DecimalField
from django.db.models.lookups import IsNull
from django.db.models.sql.where import AND, WhereNode

from rest_channels.live import comparisons, judge, truth
from rest_channels.live.judge import Judge, compile_judge

from .conditions import create_rows, random_queryset
from .models import Item, Shelf

JUDGEMENTS = int(os.environ.get("LIVE_JUDGEMENTS", "6000"))
SEED = os.environ.get("LIVE_SEED", "0")
ROWS = 60


@pytest.fixture
def on_postgresql(postgresql):
    yield postgresql
    for model in (Item, Shelf):
        model.objects.using(postgresql).all().delete()


def compare(using: str, judgements: int) -> Iterator[Counter[str]]:
    """Judge rows in Python and in the database. Yield what was counted, after each queryset."""
    random = Random(SEED)
    rows = create_rows(random, using, ROWS)
    counts: Counter[str] = Counter()
    while counts["judged"] < judgements:
        queryset = random_queryset(random, using, rows)
        found = {*queryset.values_list("pk", flat=True)}
        judge_of_query = compile_judge(queryset)
        for row in rows:
            counts.update(judge_row(judge_of_query, row, row.pk in found))
        yield counts


def check_all(using: str) -> None:
    """Fail if a verdict differs from the database, or if most rows are left to it."""
    *_, counts = compare(using, JUDGEMENTS)
    definite = 1 - counts["unknown"] / counts["judged"]
    print(f"{using}: {definite:.1%} definite, {dict(counts)}")
    assert (counts["wrongly rejected"], counts["wrongly accepted"]) == (0, 0)
    assert definite > 0.4


def judge_row(judge: Judge, row: Item, matches: bool) -> list[str]:
    """Return what is counted of one verdict."""
    verdict = judge.verdict(row)
    assert judge.rejects(row) == (verdict is False)
    if verdict is None:
        return ["judged", "unknown"]
    wrong = [] if verdict == matches else ["wrongly rejected" if matches else "wrongly accepted"]
    return ["judged", "matches" if verdict else "rejected", *wrong]


@pytest.mark.django_db
def test_no_verdict_differs_from_the_database() -> None:
    check_all("default")


def test_no_verdict_differs_from_postgresql(on_postgresql) -> None:
    check_all(on_postgresql)


def count_null_as_false(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a comparison of NULL be FALSE: Django's XOR and its annotations differ."""
    original = judge._not_comparable

    def not_comparable(value: Any) -> int:
        return truth.FALSE if value is None else original(value)

    monkeypatch.setattr(judge, "_not_comparable", not_comparable)


def judge_the_conditions_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use SQL's logic without the `IS NOT NULL` that Django adds under a NOT."""
    original = judge._compile

    def compile_without(node: Any, *args: Any) -> Any:
        if type(node) is WhereNode and node.connector == AND:
            before = [None, *node.children]
            pairs = zip(before, node.children, strict=False)
            kept = [child for other, child in pairs if not is_added(child, other)]
            node = WhereNode(kept, node.connector, node.negated)
        return original(node, *args)

    def is_added(child: Any, other: Any) -> bool:
        same = getattr(getattr(child, "lhs", None), "target", None)
        target = getattr(getattr(other, "lhs", None), "target", None)
        return isinstance(child, IsNull) and child.rhs is False and same is target

    monkeypatch.setattr(judge, "_compile", compile_without)


def trust_equal_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let times that are equal in Python be equal on SQLite, which compares their texts."""
    original = judge._compare

    def compare_exactly(column: Any, _operands: Any, holds: Callable[[Any], bool]) -> Any:
        return original(column, (), holds)

    monkeypatch.setattr(judge, "_compare", compare_exactly)


def trust_decimals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare decimals as they are read, which SQLite rounds only then."""
    kinds = comparisons.VENDORS["sqlite"] | {comparisons.FIELDS[DecimalField]}
    monkeypatch.setitem(comparisons.VENDORS, "sqlite", kinds)


FAULTS = [
    count_null_as_false,
    judge_the_conditions_as_written,
    trust_equal_times,
    trust_decimals,
]


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_judge_with_a_fault_is_found(fault, monkeypatch) -> None:
    fault(monkeypatch)
    compared = compare("other", 100_000)  # this database is always SQLite
    assert any(counts["wrongly rejected"] for counts in compared)
