"""JSON Schema of Python types, as the renderers of this library write their values."""

import dataclasses
import datetime
import decimal
import uuid
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict

from ..introspection.hints import types_of

__all__ = ["Fields", "Schema", "fields_of_type", "map_type", "or_null"]

Schema = dict[str, Any]

SIMPLE: dict[Any, Schema] = {
    Any: {},
    NoneType: {"type": "null"},
    bool: {"type": "boolean"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.time: {"type": "string", "format": "time"},
    datetime.timedelta: {"type": "string"},
    decimal.Decimal: {"type": "string", "format": "decimal"},
    dict: {"type": "object"},
    float: {"type": "number"},
    int: {"type": "integer"},
    list: {"type": "array"},
    object: {},
    str: {"type": "string"},
    uuid.UUID: {"type": "string", "format": "uuid"},
}

Fields = dict[str, tuple[Any, bool]]
"""The hint of each field, and whether it has to be there."""


def map_type(hint: Any, resolve: Callable[[Any], Schema]) -> Schema:
    """Return the schema of a type without fields; `resolve` maps those inside it.

    A type that JSON cannot carry may have any value.
    """
    if hint in SIMPLE:
        return dict(SIMPLE[hint])
    inner = getattr(hint, "__value__", getattr(hint, "__supertype__", None))
    if inner is not None:
        return resolve(inner)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum([each.value for each in hint])
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return resolve(arguments[0])
    if origin is Literal:
        return _enum(list(arguments))
    if origin in (Union, UnionType):
        return _any_of(arguments, resolve)
    if origin is tuple and arguments[-1] is not ...:
        count = len(arguments)
        items = [resolve(each) for each in arguments]
        return {"type": "array", "items": items, "minItems": count, "maxItems": count}
    if origin in (list, set, frozenset, tuple, Sequence):
        return {"type": "array", "items": resolve(arguments[0])}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": resolve(arguments[1])}
    return {}


def fields_of_type(hint: Any, *, is_request: bool) -> Fields | None:
    """Return the fields of a `TypedDict`, dataclass or `NamedTuple`; `None` for other types.

    A client may leave out those with a default. An answer has them all.
    """
    if not isinstance(hint, type):
        return None
    types = types_of(hint)
    if is_typeddict(hint):
        required = hint.__required_keys__  # type: ignore[attr-defined]
        return {name: (kind, name in required) for name, kind in types.items()}
    if dataclasses.is_dataclass(hint):
        missing = dataclasses.MISSING
        return {
            each.name: (
                types.get(each.name, Any),
                not is_request or (each.default is missing and each.default_factory is missing),
            )
            for each in dataclasses.fields(hint)
        }
    if issubclass(hint, tuple) and (names := getattr(hint, "_fields", None)):
        return {name: (types.get(name, Any), True) for name in names}
    return None


def or_null(schema: Schema) -> Schema:
    """Return the schema of the same values, and of null."""
    if not schema:
        return schema
    if isinstance(schema.get("type"), str) and schema.keys() <= {"type", "format"}:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _any_of(kinds: Sequence[Any], resolve: Callable[[Any], Schema]) -> Schema:
    schemas = [resolve(kind) for kind in kinds if kind is not NoneType]
    unique = [each for at, each in enumerate(schemas) if each not in schemas[:at]]
    if {} in unique:
        return {}
    schema = unique[0] if len(unique) == 1 else {"anyOf": unique}
    return or_null(schema) if NoneType in kinds else schema


def _enum(values: list[Any]) -> Schema:
    kinds = {type(value) for value in values}
    kind = SIMPLE.get(next(iter(kinds)), {}) if len(kinds) == 1 else {}
    return {"enum": values, **kind}
