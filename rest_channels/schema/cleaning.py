"""Make what drf-spectacular returns plain JSON, and JSON Schema without OpenAPI's additions."""

from typing import Any

import orjson

from ..renderers import encode
from .types import Schema, or_null

__all__ = ["clean"]

ONLY_OPENAPI = ("discriminator", "externalDocs", "nullable", "x-spec-enum-id", "xml")
VALUES = ("const", "default", "description", "enum", "example", "examples", "title")
"""The keys whose values are no schemas."""


def clean(schema: Any) -> Any:
    """Return a schema, or a part of it, as JSON values."""
    if isinstance(schema, list | tuple):
        return [clean(each) for each in schema]
    if not isinstance(schema, dict):
        return orjson.loads(encode(schema))
    cleaned: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            cleaned[key] = {str(name): clean(each) for name, each in value.items()}
        elif key not in ONLY_OPENAPI:
            cleaned[key] = orjson.loads(encode(value)) if key in VALUES else clean(value)
    for several in ("oneOf", "anyOf"):
        if {} in cleaned.get(several, ()):
            del cleaned[several]  # any value
    return or_null(cleaned) if schema.get("nullable") is True else cleaned
