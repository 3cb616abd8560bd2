"""The comparisons of a WHERE that Python computes exactly as the database does.

A comparison is one of Django's own lookups, of a column of the queryset's own table, with values.
Its column has one of Django's own field classes. All others are left to the database.
"""

import datetime
import uuid
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from math import isnan
from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import lookups
from django.db.models.expressions import Col
from django.db.models.fields import related_lookups

__all__ = ["Comparison", "read_comparison"]

LOOKUPS: dict[type[Any], str] = {
    lookups.Exact: "exact",
    lookups.IntegerFieldExact: "exact",
    related_lookups.RelatedExact: "exact",
    lookups.In: "in",
    related_lookups.RelatedIn: "in",
    lookups.IsNull: "isnull",
    related_lookups.RelatedIsNull: "isnull",
    lookups.GreaterThan: "gt",
    lookups.IntegerGreaterThan: "gt",
    related_lookups.RelatedGreaterThan: "gt",
    lookups.GreaterThanOrEqual: "gte",
    lookups.IntegerGreaterThanOrEqual: "gte",
    related_lookups.RelatedGreaterThanOrEqual: "gte",
    lookups.LessThan: "lt",
    lookups.IntegerLessThan: "lt",
    related_lookups.RelatedLessThan: "lt",
    lookups.LessThanOrEqual: "lte",
    lookups.IntegerLessThanOrEqual: "lte",
    related_lookups.RelatedLessThanOrEqual: "lte",
    lookups.Range: "range",
}
"""Each lookup with its name. Subclasses are not included: they may write other SQL."""

FIELDS: dict[type[Any], type[Any]] = {
    models.AutoField: int,
    models.BigAutoField: int,
    models.BigIntegerField: int,
    models.BooleanField: bool,
    models.CharField: str,
    models.DateField: datetime.date,
    models.DateTimeField: datetime.datetime,
    models.DecimalField: Decimal,
    models.EmailField: str,
    models.FloatField: float,
    models.IntegerField: int,
    models.PositiveBigIntegerField: int,
    models.PositiveIntegerField: int,
    models.PositiveSmallIntegerField: int,
    models.SlugField: str,
    models.SmallAutoField: int,
    models.SmallIntegerField: int,
    models.TextField: str,
    models.URLField: str,
    models.UUIDField: uuid.UUID,
}
"""Each field class with the type of its values. Subclasses may convert values."""

EVERYWHERE = {int, bool}
"""Types that all databases compare in one way. MySQL's dates are not: it has a date zero."""

VENDORS = {
    # A decimal on SQLite may have more digits than Django reads, e.g. after `F("price") * 1.07`.
    "postgresql": EVERYWHERE | {str, float, Decimal, uuid.UUID, datetime.date, datetime.datetime},
    "sqlite": EVERYWHERE | {str, float, uuid.UUID, datetime.date, datetime.datetime},
    "mysql": EVERYWHERE,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and how Python compares its values."""

    attname: str
    type: type[Any]
    field: Any
    """The field that a foreign key finally refers to, or the field itself."""
    smallest: int
    largest: int
    """The range in which Django compares integers as it is written."""
    equals_exactly: bool
    """Whether values that are equal in Python are equal in the database."""

    @property
    def is_plain(self) -> bool:
        """Whether all values of the type are compared as they are."""
        return self.type not in (float, datetime.datetime)

    def normalize(self, value: Any) -> Any:
        """Return a value in the form in which it is compared, `None` if it cannot be."""
        if type(value) is not self.type:
            return None
        if isinstance(value, float):
            return None if isnan(value) else value
        if isinstance(value, datetime.datetime):
            return _as_utc(value)
        return value

    def normalize_operand(self, value: Any) -> Any:
        """Return a value of the query in that form, `None` if Django might compare another."""
        value = self.normalize(value.value if isinstance(value, Enum) else value)
        if value is None:
            return None
        if self.type is int:
            return value if self.smallest <= value <= self.largest else None
        return value if not isinstance(value, Decimal) or self._fits(value) else None

    def _fits(self, value: Decimal) -> bool:
        """Return whether a column of this field can store a number without rounding."""
        digits, places = self.field.max_digits, self.field.decimal_places
        if digits is None or places is None or not value.is_finite():
            return False
        exponent = value.as_tuple().exponent
        return (
            isinstance(exponent, int) and exponent >= -places and value.adjusted() < digits - places
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """One lookup of a column."""

    column: Column
    name: str
    """`exact`, `in`, `isnull`, `gt`, `gte`, `lt`, `lte` or `range`."""
    operands: tuple[Any, ...]
    """The values that the column is compared with."""


def read_comparison(
    lookup: Any, table: str | None, model: type[models.Model], connection: BaseDatabaseWrapper
) -> Comparison | None:
    """Return what a lookup compares, or `None` if only the database can compute it.

    Args:
        lookup: A leaf of Django's where tree.
        table: The alias of the queryset's own table.
        model: The model of the queryset.
        connection: The database of the queryset.
    """
    name = LOOKUPS.get(type(lookup))
    lhs = getattr(lookup, "lhs", None)
    if name is None or type(lhs) is not Col or lhs.alias != table or lookup.bilateral_transforms:
        return None
    column = _read_column(lhs, model, connection)
    operands = _read_operands(name, lookup.rhs)
    if column is None or operands is None:
        return None
    if name != "isnull":
        if name not in ("exact", "in") and column.type is str:
            return None  # the order of text is the collation's
        operands = [column.normalize_operand(value) for value in operands]
        if any(value is None for value in operands):
            return None
    return Comparison(column, name, tuple(operands))


def _read_operands(name: str, value: Any) -> list[Any] | None:
    if name == "isnull":
        return [value] if isinstance(value, bool) else None
    if name not in ("in", "range"):
        return [value]
    if not isinstance(value, list | tuple) or (name == "range" and len(value) != 2):
        return None
    return [each for each in value if each is not None] if name == "in" else list(value)


def _read_column(
    column: Col, model: type[models.Model], connection: BaseDatabaseWrapper
) -> Column | None:
    """Return a column of the model's own table, if Python can compare its values."""
    target: Any = column.target
    field, output = _referenced(target), _referenced(column.output_field)
    if field is None or field is not output or target not in model._meta.concrete_fields:
        return None
    kind = FIELDS[type(field)]
    if kind not in VENDORS.get(connection.vendor, ()) or not field.model._meta.managed:
        return None
    if getattr(field, "db_collation", None):
        return None
    if kind is datetime.datetime and not _compares_instants(connection):
        return None
    smallest, largest = -(2**63), 2**63 - 1
    if kind is int:
        low, high = connection.ops.integer_field_range(field.get_internal_type())
        smallest = smallest if low is None else low
        largest = largest if high is None else high
    # On SQLite times are text, and equal times have several texts: `Now()` writes three digits.
    exactly = kind is not datetime.datetime or connection.vendor != "sqlite"
    return Column(target.attname, kind, field, smallest, largest, exactly)


def _referenced(field: Any) -> Any:
    """Return the field that a foreign key finally refers to, `None` if it is no field of Django."""
    while type(field) in (models.ForeignKey, models.OneToOneField):
        field = field.target_field
    return field if type(field) in FIELDS else None


def _compares_instants(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database compares times as Python does.

    It does not where it compares local times, of which one hour of the year exists twice.
    """
    if connection.vendor == "sqlite":
        return not settings.USE_TZ or connection.timezone_name == "UTC"
    return settings.USE_TZ


def _as_utc(value: datetime.datetime) -> datetime.datetime | None:
    """Return an aware time in UTC, and a naive time where the database has such, else `None`."""
    aware = value.utcoffset() is not None
    if aware != settings.USE_TZ:
        return None
    try:
        return value.astimezone(datetime.UTC) if aware else value
    except OverflowError:  # in the year 1 or 9999
        return None
