"""Primary keys of rows: as the database stores them, and as JSON."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import DecimalField, Model

__all__ = ["normalize_key", "row_key"]


LARGEST = 2**53 - 1
"""The largest number of which JavaScript knows the next one: larger keys are sent as text."""


def row_key(pk: Any) -> Any:
    """Return a primary key as JSON: a number, a text, or a tuple for a composite key."""
    if isinstance(pk, tuple | list):
        return tuple(map(row_key, pk))
    if isinstance(pk, int):
        return pk if -LARGEST <= pk <= LARGEST else str(pk)
    return pk if isinstance(pk, str) else str(pk)


def normalize_key(model: type[Model], pk: Any) -> Any:
    """Return a primary key as the database stores it, e.g. `7` for `"07"`."""
    fields = model._meta.pk_fields
    if isinstance(pk, tuple | list):
        return tuple(_normalize(field, part) for field, part in zip(fields, pk, strict=False))
    return _normalize(fields[0], pk)


def _normalize(field: Any, value: Any) -> Any:
    while field.is_relation:
        field = field.target_field
    try:
        value = field.to_python(field.get_prep_value(value))  # a project's field may convert it
        if isinstance(field, DecimalField) and isinstance(value, Decimal):
            return value.quantize(Decimal(1).scaleb(-field.decimal_places))
    except (ArithmeticError, TypeError, ValueError, ValidationError):
        pass  # an expression, or a value that the database rejects
    return value
