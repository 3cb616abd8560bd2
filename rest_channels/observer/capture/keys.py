"""Primary keys of rows, as the database stores them."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import DecimalField, Model

__all__ = ["key_in", "normalize_key"]


def key_in(model: type[Model], instance: Model) -> Any:
    """Return the key that `instance` has in the table of `model`, its own model or a parent."""
    pk: Any = model._meta.pk
    key = getattr(instance, pk.attname)
    link: Any = None if key is not None else type(instance)._meta.get_ancestor_link(model)
    return getattr(instance, link.attname) if link else key


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
        value = field.to_python(value)
        if isinstance(field, DecimalField) and isinstance(value, Decimal):
            return value.quantize(Decimal(1).scaleb(-field.decimal_places))
    except (ArithmeticError, TypeError, ValueError, ValidationError):
        pass  # an expression, or a value that the database rejects
    return value
