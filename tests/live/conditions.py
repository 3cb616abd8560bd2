"""Random rows and random conditions, to compare the judge with a database."""

import datetime
import uuid
from decimal import Decimal
from random import Random
from typing import Any

from django.db.models import DateTimeField, F, Q, QuerySet
from django.db.models.functions import Cast

from .models import Item, Shelf

DAY = datetime.date(2026, 11, 30)
TIME = datetime.datetime(2026, 11, 30, 23, 59, 59, 999999, datetime.UTC)
MIDNIGHT = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
VALUES: dict[str, list[Any]] = {
    "number": [None, -1, 0, 1, 2, 2147483647],
    "size": [0, 1, 2, 32767],
    "done": [None, False, True],
    "name": [None, "", "a", "A", "a ", "ä", "b", "B"],
    "text": ["", "a", "b", "ab"],
    "price": [None, *map(Decimal, ("-1.50", "0", "0.10", "0.11", "0.12", "99999.99"))],
    "weight": [None, -0.5, 0.0, 0.1, 0.1 + 0.2, 1e300],
    "day": [None, *(DAY + datetime.timedelta(days) for days in range(3))],
    "at": [
        None,
        MIDNIGHT,
        *(TIME + datetime.timedelta(microseconds=number) for number in range(3)),
    ],
    "code": [None, *(uuid.UUID(int=number << 96) for number in (1, 2, 0xFF))],
    "data": [None, 1, {"a": 1}],
    "blob": [None, b"", b"a"],
    "wait": [None, datetime.timedelta(0), datetime.timedelta(days=1)],
    "loud": [None, "A", "B"],
}
ORDERED = ("number", "size", "done", "price", "weight", "day", "at", "code", "name", "wait")
ORDER = ("gt", "gte", "lt", "lte")
LEFT_TO_THE_DATABASE = [
    ("name__icontains", "a"),
    ("text__startswith", "a"),
    ("name__iexact", "b"),
    ("day__year", 2026),
    ("shelf__name", "a"),
    ("shelf__rank__gt", 0),
    ("twin__number", 1),
    ("tags__name", "a"),
    ("twins__isnull", True),
    ("number", F("size")),
    ("size__gt", F("number")),
    ("data__a", 1),
    ("loud", "a"),
]
MANY = (10**30, -(10**30), 5000000000)
"""Numbers that no column can hold, for which Django writes constants."""


def create_rows(random: Random, using: str, count: int) -> list[Item]:
    """Create random rows, and return them as the database has them."""
    shelves = [
        Shelf.objects.using(using).create(name=name, rank=rank)
        for name, rank in (("a", 1), ("b", None), ("a", 0))
    ]
    rows: list[Item] = []
    for _ in range(count):
        values = {name: random.choice(pool) for name, pool in VALUES.items()}
        twin = random.choice([None, *rows[-5:]])
        row = Item(shelf=random.choice([None, *shelves]), twin=twin, **values)
        row.save(using=using)
        row.tags.set(random.sample(shelves, random.randrange(3)))
        rows.append(row)
    some = Item.objects.using(using).filter(
        pk__in=[row.pk for row in random.sample(rows, count // 2)]
    )
    some.update(at=Cast("day", DateTimeField()), price=F("price") * Decimal("1.07"))
    return list(Item.objects.using(using).order_by("pk"))


def random_queryset(random: Random, using: str, rows: list[Item]) -> QuerySet[Item]:
    """Return a queryset with one to three random conditions, positive or negated."""
    queryset = Item.objects.using(using).alias(same=F("number"))
    for _ in range(random.choice((1, 1, 2, 3))):
        add = queryset.filter if random.random() < 0.6 else queryset.exclude
        queryset = add(random_condition(random, rows, random.randrange(4)))
    return queryset


def random_condition(random: Random, rows: list[Item], depth: int) -> Q:
    """Return a `Q` of at most this depth."""
    if depth == 0:
        return random_leaf(random, rows)
    condition = random_condition(random, rows, depth - 1)
    for _ in range(random.randrange(3)):
        other = random_condition(random, rows, random.randrange(depth))
        connect = random.choice((Q.__and__, Q.__or__, Q.__xor__))
        condition = connect(condition, other)
    return ~condition if random.random() < 0.4 else condition


def random_leaf(random: Random, rows: list[Item]) -> Q:
    """Return one lookup, mostly one that Python may compute."""
    kind = random.random()
    if kind < 0.1:
        return Q(random.choice(LEFT_TO_THE_DATABASE))
    if kind < 0.2:
        return Q(same=random.choice(VALUES["number"][1:]))
    if kind < 0.3:
        return random_relation(random, rows)
    name = random.choice([*VALUES, "number", "price", "at", "at"])
    pool = VALUES[name]
    lookup = random.choice(("exact", "in", "isnull", "range", *ORDER))
    if lookup == "isnull" or name in ("data", "blob", "loud"):
        return Q(**{f"{name}__isnull": random.random() < 0.5})
    if lookup == "exact" or (lookup != "in" and name not in ORDERED):
        return Q(**{name: random.choice(pool)})
    if lookup == "in":
        return Q(**{f"{name}__in": random.choices(pool, k=random.randrange(4))})
    known = [value for value in pool if value is not None]
    if lookup == "range":
        return Q(**{f"{name}__range": (random.choice(known), random.choice(known))})
    extra = MANY if name in ("number", "size") else ()
    return Q(**{f"{name}__{lookup}": random.choice((*known, *extra))})


def random_relation(random: Random, rows: list[Item]) -> Q:
    """Return a lookup of a foreign key, by a column of the item's own table."""
    twin = random.choice(rows)
    shelf = random.choice([row.shelf_id for row in rows])
    return random.choice(
        [
            Q(shelf=shelf),
            Q(shelf__in=[shelf, None]),
            Q(shelf__isnull=random.random() < 0.5),
            Q(twin=twin),
            Q(twin__pk=twin.pk),
            Q(twin__in=rows[:3]),
            Q(twin__gt=twin.pk),
            Q(pk__lte=twin.pk),
            Q(pk__in=[]),
        ]
    )
