"""`compile_judge`: which rows a queryset may contain, computed in Python."""

import datetime
import uuid
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from django.db import connections
from django.db.models import CharField, Count, Exists, F, Lookup, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.test.utils import isolate_apps, register_lookup

from rest_channels.live.judge import compile_judge

from .models import Item, ItemProxy, ItemView, Shelf, SpecialItem

UNKNOWN = None
TIME = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)
BERLIN = datetime.timezone(datetime.timedelta(hours=1))


@pytest.fixture(autouse=True)
def sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge as on SQLite, whichever database the tests use."""
    monkeypatch.setattr(connections["default"], "vendor", "sqlite")


def verdict(queryset: QuerySet[Any], **values: Any) -> bool | None:
    return compile_judge(queryset).verdict(queryset.model(**values))


def verdict_on(*conditions: Q, **values: Any) -> bool | None:
    return verdict(Item.objects.filter(*conditions), **values)


def test_a_row_is_rejected_only_if_it_certainly_does_not_match() -> None:
    judge = compile_judge(Item.objects.filter(number=1, name__contains="a"))
    assert judge.rejects(Item(number=2, name="a"))
    assert not judge.rejects(Item(number=1, name="b"))
    assert judge.verdict(Item(number=1, name="b")) is UNKNOWN


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        (Q(number=1), {"number": 1}, True),
        (Q(number=1), {"number": 2}, False),
        (Q(number__in=[1, 3]), {"number": 3}, True),
        (Q(number__gt=1), {"number": 1}, False),
        (Q(number__gte=1.5), {"number": 2}, True),
        (Q(size__lt=2), {"size": 1}, True),
        (Q(size__lte=2), {"size": 3}, False),
        (Q(number__range=(1, 3)), {"number": 3}, True),
        (Q(done=True), {"done": False}, False),
        (Q(done__gt=False), {"done": True}, True),
        (Q(name="a"), {"name": "A"}, False),
        (Q(text__in=["a", "b"]), {"text": "b"}, True),
        (Q(weight__lt=0.3), {"weight": 0.1 + 0.2}, False),
        (Q(day__gte=datetime.date(2026, 1, 2)), {"day": datetime.date(2026, 1, 1)}, False),
        (Q(at__gt=TIME), {"at": TIME.astimezone(BERLIN)}, UNKNOWN),
        (Q(at__lt=TIME), {"at": TIME.replace(tzinfo=BERLIN)}, True),
        (Q(code=uuid.UUID(int=1)), {"code": uuid.UUID(int=2)}, False),
        (Q(code__lt=uuid.UUID(int=2)), {"code": uuid.UUID(int=1)}, True),
        (Q(shelf=5), {"shelf_id": 5}, True),
        (Q(shelf__id=5), {"shelf_id": 6}, False),
        (Q(shelf__in=[Shelf(pk=5)]), {"shelf_id": 5}, True),
        (Q(shelf=None), {"shelf_id": 5}, False),
        (Q(twin__gt=5), {"twin_id": 5}, False),
        (Q(pk__in=[1, 2]), {"pk": 2}, True),
        (Q(number=IntEnum("Number", "ONE").ONE), {"number": 1}, True),
        (Q(name=StrEnum("Name", "A").A), {"name": "a"}, True),
    ],
)
def test_lookups_of_own_columns_are_computed(condition, values, expected) -> None:
    assert verdict_on(condition, **values) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Q(number=1), False),
        (~Q(number=1), True),
        (~Q(number__gt=1), True),
        (Q(number__in=[]), False),
        (~Q(number__in=[]), True),
        (Q(number=1) | Q(number=None), True),
        (Q(number__isnull=False), False),
        (~(~Q(number=1)), False),
        (Q(number=1) ^ Q(size=0), True),
        (~Q(number=1) ^ Q(size=0), False),
        (~(~Q(number=1) ^ Q(size=1)), True),
        (~Q(same=1), False),
        (~(~Q(same=1)), False),
    ],
)
def test_null_is_compared_as_the_sql_of_django_does(condition, expected) -> None:
    queryset = Item.objects.alias(same=F("number")).filter(condition)
    assert verdict(queryset, number=None, size=0) is expected


def test_an_unknown_part_stays_unknown_under_not_and_decides_nothing_else() -> None:
    unknown = Q(name__icontains="a")
    assert verdict_on(unknown, name="b") is UNKNOWN
    assert verdict_on(~unknown, name="b") is UNKNOWN
    assert verdict_on(unknown | Q(size=1), size=1) is True
    assert verdict_on(unknown | Q(size=1), size=2) is UNKNOWN
    assert verdict_on(~(unknown | Q(size=1)), size=1) is False
    assert verdict_on(unknown ^ Q(size=1), size=1) is UNKNOWN


@pytest.mark.parametrize(
    "condition",
    [
        Q(name__iexact="a"),
        Q(name__startswith="a"),
        Q(name__gt="a"),
        Q(text__range=("a", "b")),
        Q(day__year=2026),
        Q(shelf__name="a"),
        Q(twin__number=1),
        Q(tags=1),
        Q(number=F("size")),
        Q(number__in=[1, F("size")]),
        Q(number=Value(1)),
        Q(number__in=Item.objects.values("size")),
        Q(Exists(Shelf.objects.filter(pk=OuterRef("shelf")))),
        Q(data=1),
        Q(data__isnull=True),
        Q(blob=b"a"),
        Q(wait=datetime.timedelta(1)),
        Q(loud="a"),
        Q(number__lt=10**30),
        Q(size__gt=-1),
        Q(number__in=[10**30]),
        Q(weight=float("nan")),
    ],
)
def test_all_else_is_left_to_the_database(condition) -> None:
    row = Item(pk=1, name="x", number=9, size=8, weight=1.0, loud="x", day=TIME.date())
    assert compile_judge(Item.objects.filter(condition)).verdict(row) is UNKNOWN
    assert compile_judge(Item.objects.exclude(condition)).verdict(row) is UNKNOWN


def test_annotations_are_left_to_the_database() -> None:
    named = Item.objects.annotate(lower=Lower("name"), count=Count("tags"))
    assert verdict(named.filter(lower="a"), name="b") is UNKNOWN
    assert verdict(named.filter(Q(count=1) | Q(number=1)), number=2) is UNKNOWN
    assert verdict(named.filter(count=1, number=1), number=2) is False


def test_a_queryset_of_several_queries_is_left_to_the_database() -> None:
    rows = Item.objects.filter(number=1)
    assert verdict(rows.union(Item.objects.filter(number=2)), number=2) is UNKNOWN


def test_a_queryset_without_rows_rejects_all() -> None:
    assert verdict(Item.objects.none()) is False
    assert verdict(Item.objects.all()) is True
    assert verdict(Item.objects.filter(~Q())) is True


def test_a_limit_does_not_change_the_verdict() -> None:
    assert verdict(Item.objects.filter(number=1)[:5], number=1) is True


def test_a_joined_table_may_leave_out_a_row_that_matches() -> None:
    queryset = Item.objects.filter(tags__in=[1], number=1)
    assert verdict(queryset, number=2) is False
    queryset = Item.objects.annotate(tag=F("tags__name")).filter(number=1)
    assert verdict(queryset, number=1) is True  # a LEFT OUTER JOIN keeps it


def test_a_column_that_was_not_read_is_unknown_and_is_not_read() -> None:
    row = Item.from_db("default", ["id"], [1])
    assert compile_judge(Item.objects.filter(number=1)).verdict(row) is UNKNOWN
    assert compile_judge(Item.objects.exclude(number=None)).verdict(row) is UNKNOWN


def test_a_value_of_another_type_is_unknown_but_not_null() -> None:
    assert verdict_on(Q(number=1), number="1") is UNKNOWN
    assert verdict_on(Q(number=None), number="1") is False
    assert verdict_on(Q(weight__lt=1), weight=float("nan")) is UNKNOWN


def test_a_proxy_is_judged_as_its_model_and_a_child_by_its_own_table() -> None:
    assert verdict(ItemProxy.objects.filter(number=1), number=2) is False
    assert verdict(SpecialItem.objects.filter(extra=1), extra=2) is False
    assert verdict(SpecialItem.objects.filter(pk=1), item_ptr_id=2) is False
    assert verdict(SpecialItem.objects.filter(number=1), number=2) is UNKNOWN


def test_a_table_that_django_does_not_create_is_left_to_the_database() -> None:
    assert verdict(ItemView.objects.filter(number=1), number=2) is UNKNOWN


@isolate_apps("tests.live")
def test_text_with_a_collation_of_its_own_is_left_to_the_database() -> None:
    from django.db import models

    class Word(models.Model):
        text = models.CharField(max_length=9, primary_key=True, db_collation="nocase")

        class Meta:
            app_label = "live"

    class Use(models.Model):
        word = models.ForeignKey(Word, models.CASCADE)

        class Meta:
            app_label = "live"

    assert verdict(Word.objects.filter(text="a"), text="b") is UNKNOWN
    assert verdict(Use.objects.filter(word="a"), word_id="b") is UNKNOWN


def test_a_lookup_that_a_project_registers_is_left_to_the_database() -> None:
    class SameLetters(Exact):
        def as_sql(self, compiler: Any, connection: Any) -> Any:
            raise NotImplementedError

    assert issubclass(SameLetters, Lookup)
    with register_lookup(CharField, SameLetters, lookup_name="exact"):
        assert verdict_on(Q(name="a"), name="b") is UNKNOWN
    assert verdict_on(Q(name="a"), name="b") is False


def test_text_is_left_to_a_database_whose_collations_ignore_case(monkeypatch) -> None:
    monkeypatch.setattr(connections["default"], "vendor", "mysql")
    assert verdict_on(Q(name="a"), name="b") is UNKNOWN
    assert verdict_on(Q(name=None), name="b") is UNKNOWN
    assert verdict_on(Q(number=1), number=2) is False


def test_decimals_are_computed_where_columns_round_them(monkeypatch) -> None:
    price = {"price": Decimal("1.00")}
    assert verdict_on(Q(price__gt=1), **price) is UNKNOWN  # it may be 1.004, and is read as 1.00
    monkeypatch.setattr(connections["default"], "vendor", "postgresql")
    assert verdict_on(Q(price__gt=1), **price) is False
    for operand in ("1.001", "12345678", "1E+9"):
        assert verdict_on(Q(price__gt=Decimal(operand)), **price) is UNKNOWN


def test_equal_times_are_exact_where_the_database_has_times(monkeypatch) -> None:
    assert verdict_on(Q(at=TIME), at=TIME) is UNKNOWN  # text: ".5" and ".500000" are one time
    assert verdict_on(Q(at=TIME), at=TIME.replace(hour=1)) is False
    monkeypatch.setattr(connections["default"], "vendor", "postgresql")
    assert verdict_on(Q(at=TIME), at=TIME.astimezone(BERLIN)) is True
    assert verdict_on(Q(at=TIME), at=TIME.replace(tzinfo=None)) is UNKNOWN


def test_local_times_of_which_one_hour_exists_twice_are_left_to_the_database(
    settings, monkeypatch
) -> None:
    settings.USE_TZ = False
    local = TIME.replace(tzinfo=None)
    assert verdict_on(Q(at__gt=local), at=local.replace(hour=1)) is False
    monkeypatch.setattr(connections["default"], "vendor", "postgresql")
    assert verdict_on(Q(at__gt=local), at=local.replace(hour=1)) is UNKNOWN


def test_xor_is_left_to_a_database_that_has_it(monkeypatch) -> None:
    condition = Q(number=1) ^ Q(size=1)
    assert verdict_on(condition, number=1, size=1) is False
    monkeypatch.setattr(connections["default"].features, "supports_logical_xor", True)
    assert verdict_on(condition, number=1, size=1) is UNKNOWN
