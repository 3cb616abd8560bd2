"""Objects that middleware puts into a scope, and that query when they are first used."""

from typing import Any

from django.utils.functional import LazyObject, empty

__all__ = ["evaluate", "is_evaluated", "unwrap"]


def is_evaluated(value: Any) -> bool:
    """Return whether `value` can be used without a query: it is not lazy, or was used before."""
    return not issubclass(type(value), LazyObject) or _wrapped(value) is not empty


def evaluate(value: Any) -> Any:
    """Evaluate `value` if it is lazy, and return what it wraps. To be called in a thread."""
    while issubclass(type(value), LazyObject):
        if not is_evaluated(value):
            value._setup()
        value = object.__getattribute__(value, "_wrapped")
    return value


def unwrap(value: Any) -> Any:
    """Return what `value` wraps if it is lazy, and `None` if it is not evaluated yet."""
    if issubclass(type(value), LazyObject):
        value = _wrapped(value)
    return None if value is empty else value


def _wrapped(value: Any) -> Any:
    while issubclass(type(value), LazyObject):  # `isinstance` would evaluate it
        value = object.__getattribute__(value, "_wrapped")
    return value
