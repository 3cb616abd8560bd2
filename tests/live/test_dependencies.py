"""`find_dependencies`: the tables that a queryset reads, and querysets that cannot be watched."""

import random
import re
from typing import Any

import pytest
from django.contrib.postgres.functions import RandomUUID, TransactionNow
from django.core.exceptions import EmptyResultSet
from django.db.models import (
    Case,
    CharField,
    Count,
    DateField,
    Exists,
    ExpressionWrapper,
    F,
    FilteredRelation,
    Func,
    IntegerField,
    Lookup,
    Max,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Transform,
    When,
    Window,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower, Now, Random, RowNumber
from django.db.models.lookups import Exact

from rest_channels.live.dependencies import UnwatchableQuery, find_dependencies
from tests.observer.models import Room

from .conditions import create_rows, random_queryset
from .models import Item, ItemProxy, ItemView, Shelf, SpecialItem

ITEMS, SHELVES = Item.objects, Shelf.objects
TAGS = Item.tags.through
ON_SHELF = SHELVES.filter(pk=OuterRef("shelf"))


@pytest.mark.parametrize(
    ("queryset", "related"),
    [
        (ITEMS.all(), set()),
        (ITEMS.none(), set()),
        (ItemProxy.objects.order_by("pk"), set()),
        (ITEMS.filter(shelf=1, number=F("size")), set()),
        (ITEMS.filter(shelf__name="a"), {Shelf}),
        (ITEMS.exclude(shelf__name="a"), {Shelf}),
        (ITEMS.filter(pk__in=[]).order_by("shelf__name"), {Shelf}),
        (ItemProxy.objects.all(), {Shelf}),
        (ITEMS.order_by(F("shelf__name").desc()), {Shelf}),
        (ITEMS.select_related("shelf"), {Shelf}),
        (ITEMS.values("shelf__name"), {Shelf}),
        (ITEMS.filter(tags=1), {TAGS}),
        (ITEMS.filter(tags__name="a"), {TAGS, Shelf}),
        (ITEMS.exclude(tags__name="a"), {TAGS, Shelf}),
        (ITEMS.annotate(count=Count("tags")), {TAGS}),
        (ITEMS.filter(shelf__in=SHELVES.filter(tagged=1)), {TAGS, Shelf}),
        (ITEMS.filter(shelf=SHELVES.order_by("name")[:1]), {Shelf}),
        (ITEMS.filter(Exists(ON_SHELF.filter(name="a"))), {Shelf}),
        (ITEMS.annotate(name_=Subquery(ON_SHELF.values("name"))), {Shelf}),
        (ITEMS.order_by(Subquery(ON_SHELF.values("name"))), {Shelf}),
        (ITEMS.order_by(Case(When(Exists(ON_SHELF), then=1), default=2)), {Shelf}),
        (ITEMS.filter(number__in=[1, Subquery(ON_SHELF.values("rank"))]), {Shelf}),
        (ITEMS.union(ITEMS.filter(shelf__name="a")), {Shelf}),
        (SpecialItem.objects.all(), {Item}),
        (SpecialItem.objects.filter(extra=1).select_related("shelf"), {Item, Shelf}),
        (ITEMS.filter(specialitem__extra=1), {SpecialItem}),
        (Room.objects.filter(current_users=1), {Room.current_users.through}),
    ],
)
def test_all_tables_of_the_query_are_found(queryset, related) -> None:
    found = find_dependencies(queryset)
    assert (found.model, found.related) == (queryset.model._meta.concrete_model, related)
    assert found.models == {found.model, *related}
    assert found.reads_other_tables == bool(related)


def test_a_subquery_in_the_condition_of_a_join_is_found() -> None:
    rooms = Room.objects.filter(pk=OuterRef("tags__pk"))
    condition = Q(tags__rank__in=Subquery(rooms.values("pk")))
    tag = FilteredRelation("tags", condition=condition)
    queryset = ITEMS.annotate(tag=tag).filter(tag__name="a")
    assert find_dependencies(queryset).related == {TAGS, Shelf, Room}


def test_a_subquery_in_a_subquery_is_found() -> None:
    rooms = Room.objects.filter(pk=OuterRef(OuterRef("number"))).order_by("host__username")
    queryset = ITEMS.filter(Exists(SHELVES.filter(rank=rooms.values("host")[:1])))
    user = Room.host.field.related_model
    assert find_dependencies(queryset).related == {Shelf, Room, user}


@pytest.mark.django_db
def test_the_tables_in_the_sql_are_found() -> None:
    chosen, orders = random.Random(0), ["pk", "shelf__name", "tags__rank", "twin__number"]
    rows, exact = create_rows(chosen, "default", 10), 0
    for _ in range(200):
        queryset = random_queryset(chosen, "default", rows).order_by(chosen.choice(orders))
        found = find_dependencies(queryset)
        try:
            read = re.findall(r'(?:FROM|JOIN) "(\w+)"', str(queryset.query))
        except EmptyResultSet:  # Django does not run it
            continue
        tables = {model._meta.db_table for model in found.models}
        assert tables >= set(read)  # Django leaves out what is always true or false
        assert not found.rows_are_independent or read.count(Item._meta.db_table) == 1
        exact += tables == set(read)
    assert exact > 150


def test_tables_that_only_rendering_reads_are_not_found() -> None:
    queryset = ITEMS.prefetch_related("tags", Prefetch("shelf", SHELVES.all()))
    assert find_dependencies(queryset).related == set()


def test_no_query_is_made(queries) -> None:
    find_dependencies(ITEMS.filter(shelf__in=SHELVES.all()).order_by("shelf__name"))
    assert queries == []


@pytest.mark.parametrize(
    "queryset",
    [
        ITEMS.filter(number=1),
        ITEMS.filter(tags__name="a").distinct(),
        ITEMS.annotate(count=Count("tags")),
        ITEMS.order_by("-number")[:10],
        ITEMS.filter(shelf__in=SHELVES.all()),
        ITEMS.filter(shelf__in=SHELVES.values("rank").annotate(last=Max("pk")).values("last")),
        ITEMS.filter(number__in=SHELVES.values("rank").distinct()),
    ],
)
def test_a_row_of_a_plain_query_has_no_effect_on_others(queryset) -> None:
    assert find_dependencies(queryset).rows_are_independent


@pytest.mark.parametrize(
    "queryset",
    [
        ITEMS.filter(twin__number=1),
        ITEMS.annotate(count=Count("twins")),
        ITEMS.filter(number__in=ITEMS.filter(done=True).values("size")),
        ITEMS.filter(shelf__items__number=1),
        ITEMS.annotate(place=Window(RowNumber(), order_by="number")),
        ITEMS.filter(Exact(Window(RowNumber(), order_by="number"), 1)),
        ITEMS.order_by(Window(RowNumber(), order_by="number")),
        ITEMS.values("name").annotate(count=Count("pk")),
        ITEMS.values("name").distinct(),
        ITEMS.filter(number=1).union(ITEMS.filter(number=2)),
        ITEMS.filter(number=1).difference(ITEMS.filter(size=2)),
    ],
)
def test_a_row_may_have_an_effect_on_others(queryset) -> None:
    assert not find_dependencies(queryset).rows_are_independent


class Today(Func):
    """The function of a project."""

    template = "CURRENT_DATE"
    output_field = DateField()


class Rank(Func):
    """A function with a query in its template."""

    template = "(SELECT rank FROM shelf WHERE id = %(expressions)s)"
    output_field = IntegerField()


class Age(Transform):
    """A transform that compares with the current time."""

    function = "AGE"


class Recent(Lookup):
    """A lookup that compares with the current time."""

    lookup_name, prepare_rhs = "recent", False

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} > now() - interval '1 day'", parameters


@pytest.mark.parametrize(
    ("queryset", "part"),
    [
        (ITEMS.filter(at__gt=Now()), r"Now\(\)"),
        (ITEMS.exclude(Q(at__range=(F("at"), Now())) | Q(number=1)), r"Now\(\)"),
        (ITEMS.annotate(at_=TransactionNow()), r"TransactionNow\(\)"),
        (ITEMS.order_by("?"), r"Random\(\)"),
        (ITEMS.order_by(F("number") + Random()), r"Random\(\)"),
        (ITEMS.annotate(id_=RandomUUID()), r"RandomUUID\(\)"),
        (ITEMS.filter(shelf__in=SHELVES.order_by("?")[:1]), r"Random\(\)"),
        (ITEMS.union(ITEMS.filter(at__gt=Now())), r"Now\(\)"),
        (ITEMS.filter(Exists(ON_SHELF.annotate(now=Now()).filter(now=None))), r"Now\(\)"),
        (ITEMS.extra(where=["1 = 1"]), r"extra\(\)"),
        (ITEMS.extra(select={"one": "1"}), r"extra\(\)"),
        (ITEMS.extra(tables=["shelf"]), r"extra\(\)"),
        (ITEMS.extra(order_by=["number"]), r"extra\(\)"),
        (ITEMS.filter(number__in=RawSQL("SELECT 1", ())), r"RawSQL\(\)"),
        (ItemView.objects.all(), "the table 'live_itemview', which no managed model has"),
        (
            ITEMS.filter(number__in=ItemView.objects.values("number")),
            "the table 'live_itemview', which no managed model has",
        ),
        (ITEMS.filter(day=Today()), r"Today\(\), an SQL function without an argument"),
        (ITEMS.filter(number=Rank("pk")), r"Rank\(\), whose SQL contains a SELECT of its own"),
        (
            ITEMS.annotate(age=Func(F("at"), function="age", output_field=CharField())),
            r"Func\(\), whose SQL contains age",
        ),
        (
            ITEMS.annotate(one=Lower("name", template="%(expressions)s || NOW()")),
            r"Lower\(\), whose SQL contains NOW",
        ),
        (ITEMS.filter(Recent(F("day"), True)), r"Recent\(\), whose SQL contains now"),
        (ITEMS.annotate(age=Age("day")), r"Age\(\), whose SQL contains AGE"),
    ],
)
def test_a_query_that_changes_without_a_write_is_refused(queryset, part) -> None:
    message = f"^The query of live.* cannot be watched: it uses {part}, which may .* reread=60: "
    with pytest.raises(UnwatchableQuery, match=message):
        find_dependencies(queryset)
    assert not find_dependencies(queryset, reread=True).rows_are_independent


def test_the_known_tables_of_a_query_that_is_run_again_are_found() -> None:
    queryset = ITEMS.filter(at__gt=Now(), shelf__name="a")
    assert find_dependencies(queryset, reread=True).related == {Shelf}


@pytest.mark.parametrize(
    "expression",
    [
        Func(F("name"), function="SOUNDEX"),
        Func(F("name"), template="%(expressions)s COLLATE nocase", output_field=CharField()),
        Func(Subquery(ON_SHELF.values("name")), function="SOUNDEX"),
        ExpressionWrapper(Lower("name"), CharField()),
        Func(F("name"), Lower("name"), function="CONCAT", arg_joiner=", 'now()', "),
    ],
)
def test_a_function_of_a_project_is_watched_if_only_its_arguments_decide(expression) -> None:
    find_dependencies(ITEMS.annotate(sound=expression))


@pytest.mark.parametrize("value", [ITEMS, Item, 5, ITEMS.raw("SELECT 1")])
def test_only_querysets_have_dependencies(value) -> None:
    with pytest.raises(TypeError, match=r"^find_dependencies\(\) takes a queryset, not "):
        find_dependencies(value)
