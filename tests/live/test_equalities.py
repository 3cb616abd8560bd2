"""`equalities_of` and `EqualityIndex`: querysets, found by the values of a changed row."""

import datetime
from random import Random

import pytest
from django.db.models import F, Q

from rest_channels.live.equalities import EqualityIndex, equalities_of

from .conditions import create_rows, random_queryset
from .models import Item, ItemProxy, Shelf, SpecialItem

ITEMS = Item.objects
NOON = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("queryset", "expected"),
    [
        (ITEMS.all(), {}),
        (ITEMS.filter(shelf=7), {"shelf_id": {7}}),
        (ITEMS.filter(shelf=Shelf(pk=7)), {"shelf_id": {7}}),
        (ITEMS.filter(shelf__id="7"), {"shelf_id": {7}}),
        (ITEMS.filter(shelf=None), {"shelf_id": {None}}),
        (ITEMS.filter(number__in=[1, 2, None]), {"number": {1, 2}}),
        (ITEMS.filter(number__in=[1, 2]).filter(number__in=[2, 3]), {"number": {2}}),
        (ITEMS.filter(number=1, done=False), {"number": {1}, "done": {False}}),
        (ITEMS.filter(Q(Q(number=1), size__gt=1), name="a"), {"number": {1}, "name": {"a"}}),
        (ITEMS.filter(number__in=[]), {"number": set()}),
        (ITEMS.filter(number=1).order_by("size")[:5], {"number": {1}}),
        (ItemProxy.objects.filter(number=1), {"number": {1}}),
        (SpecialItem.objects.filter(extra=1, number=1), {"extra": {1}}),
    ],
)
def test_equalities_are_what_every_row_has(queryset, expected) -> None:
    assert equalities_of(queryset) == expected


@pytest.mark.parametrize(
    "queryset",
    [
        ITEMS.exclude(number=1),
        ITEMS.filter(Q(number=1) | Q(size=1)),
        ITEMS.filter(Q(number=1) ^ Q(size=1)),
        ITEMS.filter(number__gte=1),
        ITEMS.filter(number__isnull=False),
        ITEMS.filter(number=F("size")),
        ITEMS.filter(shelf__name="a"),
        ITEMS.filter(twin__number=1),
        ITEMS.filter(loud="a"),
        ITEMS.filter(weight=1.0),
        ITEMS.filter(at=NOON),
        ITEMS.filter(number=1).union(ITEMS.filter(number=2)),
    ],
)
def test_other_conditions_are_no_equalities(queryset) -> None:
    assert equalities_of(queryset) == {}


@pytest.mark.django_db
def test_every_row_that_the_database_returns_has_the_equalities() -> None:
    random, checked = Random(0), 0
    rows = create_rows(random, "default", 30)
    for _ in range(200):
        queryset = random_queryset(random, "default", rows)
        if equalities := equalities_of(queryset):
            index = EqualityIndex()
            index.add("query", equalities)
            for row in queryset:
                assert all(vars(row)[name] in values for name, values in equalities.items())
                assert index.candidates([row]) == {"query"}
                checked += 1
    assert checked > 20


def test_a_changed_row_concerns_only_querysets_with_its_value() -> None:
    index = EqualityIndex()
    for number in range(1000):
        index.add(f"shelf {number}", equalities_of(ITEMS.filter(shelf=number)))
    assert index.candidates([Item(shelf_id=7)]) == {"shelf 7"}
    assert index.candidates([Item(shelf_id=7), Item(shelf_id=8)]) == {"shelf 7", "shelf 8"}
    assert index.candidates([Item(shelf_id=None), None]) == set()


def test_a_queryset_without_an_equality_is_always_a_candidate() -> None:
    index = EqualityIndex()
    index.add("all", {})
    index.add("open", {"done": frozenset([False])})
    assert index.candidates([Item(done=True)]) == {"all"}
    assert index.candidates([]) == {"all"}
    assert index.candidates([Item(done=False)]) == {"all", "open"}


def test_a_queryset_with_several_values_is_found_by_each() -> None:
    index = EqualityIndex()
    index.add("some", {"number": frozenset([1, None])})
    assert index.candidates([Item(number=1)]) == index.candidates([Item(number=None)]) == {"some"}
    assert index.candidates([Item(number=2)]) == set()


def test_a_queryset_is_indexed_by_the_column_that_tells_most() -> None:
    index = EqualityIndex()
    for number in range(100):
        queryset = ITEMS.filter(done=False, name="open", shelf=number)
        index.add(number, equalities_of(queryset))
    found = index.candidates([Item(done=False, name="open", shelf_id=7)])
    assert found >= {7}
    assert len(found) <= 2


def test_a_row_without_the_indexed_column_may_be_in_all_querysets() -> None:
    index = EqualityIndex()
    index.add("a", {"number": frozenset([1])})
    index.add("b", {"number": frozenset([2])})
    index.add("c", {"size": frozenset([2])})
    row = Item.from_db("default", ["id", "size"], [1, 1])
    assert index.candidates([row]) == {"a", "b"}


def test_a_removed_queryset_leaves_nothing() -> None:
    index, empty = EqualityIndex(), EqualityIndex()
    index.add("a", {"number": frozenset([1, 2])})
    index.add("b", {})
    index.add("none", {"number": frozenset()})
    assert len(index) == 3
    for key in ("a", "b", "none"):
        index.remove(key)
    assert vars(index) == vars(empty)
    with pytest.raises(KeyError):
        index.remove("a")


def test_a_queryset_is_added_once() -> None:
    index = EqualityIndex()
    index.add("a", {})
    with pytest.raises(ValueError, match=r"'a' is in the index. Call remove\(\) first."):
        index.add("a", {})
