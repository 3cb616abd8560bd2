"""Copies of instances, as a class whose rows are in the same table."""

from copy import copy
from typing import Any

from django.db.models import Model

__all__ = ["as_instance_of", "copy_instance", "with_values_of"]


def copy_instance(row: Any, model: type[Model] | None = None) -> Any:
    """Return a copy of `row`, as an instance of its own class or of `model`.

    `__copy__` and `__reduce__` of its class are not called, because they may fail.
    """
    copied = object.__new__(model or type(row))
    vars(copied).update(vars(row))
    vars(copied)["_state"] = state = copy(row._state)
    state.fields_cache = row._state.fields_cache.copy()
    return copied


def as_instance_of(model: type[Model], row: Any) -> Any:
    """Return `row` as an instance of `model`, if that is a proxy of its class."""
    if not model._meta.proxy or row is None or isinstance(row, model):
        return row
    return copy_instance(row, model)


def with_values_of(row: Any, parent: Any, model: type[Model]) -> Any:
    """Return a copy of `row` with the values that `parent`, its row in the table `model`, has."""
    copied, values = copy_instance(row), vars(parent)
    names = [field.attname for field in model._meta.concrete_fields]
    vars(copied).update({name: values[name] for name in names if name in values})
    return copied
