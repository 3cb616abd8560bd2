"""The JSON Schema of live lists: of the answer to a subscription, and of what differs."""

from .types import Schema

__all__ = ["diff_schema", "rows_schema"]

KEY: Schema = {"type": ["integer", "string", "array"], "description": "A primary key."}
AFTER: Schema = {"type": [*KEY["type"], "null"], "description": "The row before it, if any."}
TAG: Schema = {"type": "string", "description": "It stands for what a row shows."}


def rows_schema(row: Schema) -> Schema:
    """Return the answer to a subscription: the whole list, or what differs from `have`."""
    whole = _object({"rows": _array(row), "tags": _array(TAG)})
    return {"anyOf": [whole, diff_schema(row)]}


def diff_schema(row: Schema) -> Schema:
    """Return what differs between two states of a list."""
    return _object(
        {
            "leave": _array(KEY),
            "enter": _array(_tuple(AFTER, row, TAG)),
            "move": _array(_tuple(AFTER, KEY)),
            "change": _array(_tuple(row, TAG)),
        }
    )


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": [*properties]}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _tuple(*items: Schema) -> Schema:
    size = len(items)
    return {"type": "array", "items": [*items], "minItems": size, "maxItems": size}
