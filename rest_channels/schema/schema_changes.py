"""What differs between two JSON Schemas, as a client sees it that was written for the first."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .types import Schema

__all__ = ["Difference", "SchemaChanges"]

TEXTS = ("$ref", "default", "description", "example", "examples", "format", "readOnly", "title")
"""Keys that allow the same values as before. The format of a text is part of its type."""

LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
"""Limits. A request with a narrower one breaks clients, and an answer with a wider one does not."""


@dataclass(frozen=True, order=True)
class Difference:
    """One difference. `path` names the thing."""

    path: str
    change: str
    breaking: bool

    def __str__(self) -> str:
        return f"{'breaking' if self.breaking else 'additive'}: {self.path}: {self.change}"


@dataclass
class SchemaChanges:
    """Compares the schemas of two documents.

    Attributes:
        before, after: The documents, in which references are looked up.
        is_request: Whether clients send the values. Else they read them.
    """

    before: Schema
    after: Schema
    is_request: bool

    def __post_init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()

    def between(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        """Yield the differences between two schemas, which are those of the thing at `path`."""
        references = (_reference(old), _reference(new))
        if all(references):
            if references in self._seen:
                return  # a type that contains itself
            self._seen.add(references)
        old, new = _merged(self.before, old), _merged(self.after, new)
        if _kind(old) != _kind(new):
            yield from self._other_kind(old, new, path)
            return
        yield from self._values(old, new, path)
        yield from self._limits(old, new, path)
        yield from self._properties(old, new, path)
        yield from self._inner(old, new, path)

    def _other_kind(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        widened = set(_kind(old)) < set(_kind(new)) or (_kind(new) == ("anything",))
        narrowed = set(_kind(new)) < set(_kind(old)) or (_kind(old) == ("anything",))
        is_safe = widened if self.is_request else narrowed
        change = f"is {_named(new)}, and was {_named(old)}"
        yield Difference(path, change, breaking=not is_safe)

    def _values(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        before, after = _choices(old), _choices(new)
        if before is None or after is None:
            if before is not after:
                is_safe = (after is None) == self.is_request
                change = "may have any value" if after is None else f"is one of {_joined(after)}"
                yield Difference(path, change, breaking=not is_safe)
            return
        for value in before:
            if value not in after:
                yield Difference(path, f"the value {value} was removed", breaking=True)
        for value in after:
            if value not in before:
                yield Difference(path, f"the value {value} is new", breaking=False)

    def _limits(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        for key in (*LOWER, *UPPER):
            before, after = old.get(key), new.get(key)
            if before == after:
                continue
            higher = before is None or (after is not None and after > before)
            narrower = after is not None and (before is None or higher == (key in LOWER))
            change = f"{key} is {_shown(after)}, and was {_shown(before)}"
            yield Difference(path, change, breaking=narrower == self.is_request)
        before, after = old.get("pattern"), new.get("pattern")
        if before != after:
            change = f"pattern is {_shown(after)}, and was {_shown(before)}"
            yield Difference(path, change, breaking=(after is None) != self.is_request)

    def _properties(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name, schema in before.items():
            own = f"{path}.{name}"
            if name not in after:
                yield Difference(own, "was removed", breaking=True)
                continue
            if (name in needed) != (name in needs):
                change = "is required" if name in needs else "may be missing"
                yield Difference(own, change, breaking=(name in needs) == self.is_request)
            yield from self.between(schema, after[name], own)
        for name in after:
            if name not in before:
                required = self.is_request and name in needs
                change = "is new and required" if required else "is new"
                yield Difference(f"{path}.{name}", change, breaking=required)
        if (old.get("additionalProperties") is False) != (new.get("additionalProperties") is False):
            closed = new.get("additionalProperties") is False
            change = "may have no other keys" if closed else "may have other keys"
            yield Difference(path, change, breaking=closed == self.is_request and closed)

    def _inner(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        """Compare what lists, dicts and unions contain."""
        for key, suffix in (("items", "[]"), ("additionalProperties", "[…]")):
            before, after = old.get(key), new.get(key)
            if isinstance(before, list) or isinstance(after, list):
                pairs = zip(_listed(before), _listed(after), strict=False)
                for number, (one, other) in enumerate(pairs):
                    yield from self.between(one, other, f"{path}[{number}]")
            elif isinstance(before, dict) or isinstance(after, dict):
                yield from self.between(before or {}, after or {}, f"{path}{suffix}")
        before, after = _union(old), _union(new)
        for number in range(min(len(before), len(after))):
            yield from self.between(before[number], after[number], path)
        if len(before) != len(after):
            more = len(after) > len(before)
            change = f"may be {'more' if more else 'fewer'} kinds of values"
            yield Difference(path, change, breaking=more != self.is_request)


def _merged(document: Schema, schema: Any) -> Schema:
    """Return a schema without references and `allOf`, and without keys that change no values."""
    if not isinstance(schema, dict):
        return {}
    found: Schema = {key: value for key, value in schema.items() if key not in ("allOf", "$ref")}
    parts = list(schema.get("allOf", ()))
    if (reference := _reference(schema)) is not None:
        parts.append(document["components"]["schemas"][reference])
    for part in parts:
        inner = _merged(document, part)
        properties = {**found.get("properties", {}), **inner.get("properties", {})}
        required = sorted({*found.get("required", ()), *inner.get("required", ())})
        found = {**found, **inner}
        if properties:
            found |= {"properties": properties, "required": required}
    return {
        key: value
        for key, value in found.items()
        if key not in TEXTS or (key == "format" and found.get("type") is not None)
    }


def _reference(schema: Any) -> Any:
    if not isinstance(schema, dict) or "$ref" not in schema:
        return None
    return schema["$ref"].rpartition("/")[2]


def _kind(schema: Schema) -> tuple[str, ...]:
    """Return the types of the values that a schema allows, with their format."""
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return tuple(sorted({_json_type(value) for value in values}))
    if _union(schema):
        return ("union",)
    kinds = schema.get("type", ["anything"])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    form = schema.get("format")
    return tuple(sorted(f"{each} ({form})" if form and each != "null" else each for each in kinds))


def _json_type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return names.get(type(value), "object")


def _choices(schema: Schema) -> list[str] | None:
    if "const" in schema:
        return [json.dumps(schema["const"])]
    return [json.dumps(each) for each in schema["enum"]] if "enum" in schema else None


def _union(schema: Schema) -> list[Any]:
    found: list[Any] | None = schema.get("anyOf", schema.get("oneOf"))
    return found or []


def _listed(items: Any) -> list[Any]:
    return items if isinstance(items, list) else []


def _named(schema: Schema) -> str:
    return " or ".join(_kind(schema))


def _joined(values: list[str]) -> str:
    return ", ".join(values)


def _shown(value: Any) -> str:
    return "absent" if value is None else str(value)
