"""TypeScript of JSON Schema."""

import json
import re
from collections.abc import Iterable
from typing import Any

from .types import Schema

__all__ = ["comment", "declaration", "key", "type_of"]

SIMPLE = {
    "boolean": "boolean",
    "integer": "number",
    "null": "null",
    "number": "number",
    "string": "string",
}
IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


def declaration(name: str, schema: Schema) -> str:
    """Return the declaration of a component."""
    text = f"export type {identifier(name)} = {type_of(schema)};"
    return f"{comment(schema.get('description'))}{text}"


def identifier(name: str) -> str:
    """Return the name of a component as that of a type."""
    return re.sub(r"[^\w$]", "_", name, flags=re.ASCII)


def key(name: str) -> str:
    """Return a name as the key of an object."""
    return name if IDENTIFIER.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def comment(text: Any, indent: str = "") -> str:
    """Return a comment with its line break; "" without a text."""
    if not text:
        return ""
    lines = str(text).replace("*/", "*\u200b/").splitlines()
    if len(lines) == 1:
        return f"/** {lines[0]} */\n{indent}"
    body = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"/**\n{body}{indent} */\n{indent}"


def type_of(schema: Any, indent: str = "") -> str:
    """Return the type of the values that `schema` allows."""
    if not isinstance(schema, dict):  # true allows any value
        return "unknown"
    if "$ref" in schema:
        return identifier(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return _joined(" | ", map(_literal, schema["enum"]))
    for several, sign in (("allOf", " & "), ("anyOf", " | "), ("oneOf", " | ")):
        if several in schema:
            return _joined(sign, [_grouped(type_of(each, indent)) for each in schema[several]])
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return _joined(" | ", [_simple(kind, schema, indent) for kind in kinds]) or "unknown"


def _simple(kind: str, schema: Schema, indent: str) -> str:
    if kind == "array":
        return _array(schema.get("items", {}), indent)
    if kind == "object":
        return _object(schema, indent)
    return SIMPLE[kind]


def _array(items: Any, indent: str) -> str:
    if isinstance(items, list):
        return f"[{', '.join(type_of(each, indent) for each in items)}]"
    return f"{_grouped(type_of(items, indent))}[]"


def _object(schema: Schema, indent: str) -> str:
    """Return the type of an object. `indexed` in it allows further keys, beside its own."""
    properties, inner = schema.get("properties", {}), indent + "  "
    if not properties and not schema.get("x-indexed"):
        if schema.get("additionalProperties") is False:
            return "Record<string, never>"
        return f"Record<string, {type_of(schema.get('additionalProperties', {}), indent)}>"
    required = schema.get("required", ())
    lines = [
        f"{comment(_description(each), inner)}{key(name)}{'' if name in required else '?'}: "
        f"{type_of(each, inner)};"
        for name, each in properties.items()
    ]
    if schema.get("x-indexed"):
        lines.append("[name: string]: unknown;")
    return "".join(["{\n", *(f"{inner}{line}\n" for line in lines), indent, "}"])


def _description(schema: Any) -> Any:
    return schema.get("description") if isinstance(schema, dict) else None


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _grouped(text: str) -> str:
    """Return a type in parentheses where an operator follows or precedes it."""
    outside = re.sub(r"\{.*\}|\(.*\)", "", text, flags=re.DOTALL)
    return f"({text})" if re.search(r" [|&] ", outside) else text


def _joined(sign: str, types: Iterable[str]) -> str:
    unique = list(dict.fromkeys(types))
    if sign == " | " and "unknown" in unique:
        return "unknown"
    return sign.join(unique)
