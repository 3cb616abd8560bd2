"""An example of each frame, filled in from serializers and signatures."""

import datetime
import decimal
import inspect
import uuid
from typing import Any

from rest_framework.metadata import SimpleMetadata
from rest_framework.serializers import BaseSerializer

from .descriptions import NAMING_DIALECTS, NO_DEFAULT, Argument, Operation

__all__ = ["example_frame", "fields_of"]

TEXTS = {
    "boolean": True,
    "date": "2026-01-31",
    "datetime": "2026-01-31T12:00:00Z",
    "decimal": "1.00",
    "duration": "00:01:00",
    "email": "ada@example.com",
    "float": 1.5,
    "list": [],
    "multiple choice": [],
    "nested object": {},
    "time": "12:00:00",
    "url": "https://example.com/",
}
"""An example for each type of `SimpleMetadata`. All others are text."""

VALUES: dict[Any, Any] = {
    bool: True,
    int: 1,
    float: 1.5,
    dict: {},
    list: [],
    datetime.date: TEXTS["date"],
    datetime.datetime: TEXTS["datetime"],
    datetime.time: TEXTS["time"],
    decimal.Decimal: TEXTS["decimal"],
    uuid.UUID: "00000000-0000-4000-8000-000000000000",
}
"""An example for each Python type. All others are text."""


def fields_of(content: Any) -> dict[str, dict[str, Any]] | None:
    """Return DRF's metadata of the fields of a serializer class that clients may write.

    `None` if `content` is no serializer class, or if its fields cannot be found without a request.
    """
    if not inspect.isclass(content) or not issubclass(content, BaseSerializer):
        return None
    try:
        found = SimpleMetadata().get_serializer_info(content())
    except Exception:  # noqa: BLE001 - the project's code may need a request
        return None
    return {name: field for name, field in found.items() if not field.get("read_only")}


def example_frame(operation: Operation, dialect: str) -> dict[str, Any]:
    """Return a frame that calls `operation` in a dialect, with a value for each required key."""
    content = _example_content(operation)
    if operation.name is None or dialect not in NAMING_DIALECTS:
        return content
    frame: dict[str, Any] = {dialect: operation.name}
    if dialect == "action":
        frame["request_id"] = 1
    frame |= {each.name: _value_of(each) for each in operation.arguments if each.is_required}
    if operation.has_data:
        return {**frame, "data": content}
    return {**frame, **content}


def _example_content(operation: Operation) -> dict[str, Any]:
    return _filled(fields_of(operation.content) or {}, everything=operation.partial)


def _filled(fields: dict[str, dict[str, Any]], *, everything: bool = False) -> dict[str, Any]:
    """Return an example of the required fields; of all fields, if none is required."""
    writable = {name: field for name, field in fields.items() if not field.get("read_only")}
    required = {name: field for name, field in writable.items() if field["required"]}
    shown = writable if everything or not required else required
    return {name: _example(field) for name, field in shown.items()}


def _example(field: dict[str, Any]) -> Any:
    kind = field["type"]
    if field.get("choices"):
        first = field["choices"][0]["value"]
        return [first] if kind == "multiple choice" else first
    if "children" in field:
        return _filled(field["children"])
    if "child" in field:
        return [_example(field["child"])] if kind == "list" else {}
    return field.get("min_value", 1) if kind == "integer" else TEXTS.get(kind, "text")


def _value_of(argument: Argument) -> Any:
    if argument.default is not NO_DEFAULT:
        return argument.default
    return VALUES.get(argument.annotation, 1 if argument.name in ("pk", "id") else "text")
