"""The JSON Schema of the frames of each dialect."""

import re
from collections.abc import Iterable
from types import NoneType
from typing import Any

from ..introspection.descriptions import (
    NAMING_DIALECTS,
    NO_DEFAULT,
    Argument,
    Operation,
    SentMessage,
)
from .components import Components, Direction
from .types import Schema

__all__ = ["ERRORS", "Frames", "error_name"]

ANY: Schema = {}
TEXT: Schema = {"type": "string"}
SUCCESS: Schema = {"type": "integer", "minimum": 100, "maximum": 399}
FAILURE: Schema = {"type": "integer", "minimum": 400, "maximum": 599}
NAME: Schema = {"type": ["string", "null"], "description": "The name in the frame, if it had one."}


def frame(properties: dict[str, Schema], optional: Iterable[str] = (), **rest: Any) -> Schema:
    """Return the schema of an object; `rest` are further keys of it."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, **rest}


ERRORS: dict[str, Schema] = {
    "action": frame(
        {
            "action": NAME,
            "data": ANY,
            "errors": {"description": "DRF's errors: a list, or an object of lists by field."},
            "response_status": FAILURE,
            "request_id": ANY,
        }
    ),
    "method": frame(
        {"method": NAME, "data": {"type": "object"}, "status": FAILURE, "request_id": ANY},
        ["request_id"],
    ),
    "type": frame(
        {
            "type": {"const": "ERROR"},
            "success": {"const": False},
            "errors": {"type": "array"},
            "details": ANY,
            "TIMESTAMP": TEXT,
            "request_id": ANY,
        },
        ["request_id"],
    ),
    "plain": frame({"status": FAILURE, "request_id": ANY}, ["request_id"]),
}
"""The error frame of each dialect."""


def error_name(dialect: str) -> str:
    """Return the name of the component that has the error frame of a dialect."""
    return f"{dialect.title()}DialectError"


class Frames:
    """Builds the frames of one dialect."""

    def __init__(self, dialect: str, components: Components) -> None:
        self.dialect = dialect
        self.components = components

    def request(self, operation: Operation) -> Schema:
        """Return what clients send."""
        content = self.components.schema_of(operation.content, "request", partial=operation.partial)
        if operation.name is None or self.dialect not in NAMING_DIALECTS:
            return content
        properties = {self.dialect: _name(operation), "request_id": ANY}
        properties |= {each.name: self._argument(each) for each in operation.arguments}
        optional = {each.name for each in operation.arguments if not each.is_required}
        if operation.has_data:
            properties["data"] = content
            optional |= set() if operation.requires_data else {"data"}
        is_beside = bool(content) and not operation.has_data and operation.content is not NoneType
        is_open = operation.takes_any or is_beside or self.dialect != "action"
        rest = {} if is_open else {"additionalProperties": False}
        schema = frame(properties, optional | {"request_id"}, **rest)
        return {"allOf": [schema, content]} if is_beside else schema

    def reply(self, operation: Operation) -> Schema | None:
        """Return what answers a frame that succeeds; `None` if nothing does."""
        if operation.name is None or not operation.is_answered:
            return None
        data = self._answer(operation)
        if self.dialect == "action":
            return self._action(operation.name, data, SUCCESS)
        if self.dialect == "method":
            return self._method(operation.name, data, SUCCESS)
        return None

    def sent(self, message: SentMessage) -> Schema:
        """Return a message that the server sends without being asked."""
        contents = [self._content(hint, "response") for hint in message.contents]
        data = contents[0] if len(contents) == 1 else {"anyOf": contents} if contents else ANY
        if self.dialect == "type":
            named = frame({"type": {"const": message.name}, "TIMESTAMP": TEXT})
            has_content = bool(data) and message.contents != (NoneType,)
            return {"allOf": [named, data]} if has_content else named
        status = SUCCESS if message.status is None else {"const": message.status}
        if self.dialect == "action":
            return self._action(message.name, data, status)
        return self._method(message.name, data, status) if self.dialect == "method" else data

    def _answer(self, operation: Operation) -> Schema:
        data = self._content(operation.response, "response")
        if not operation.is_list:
            return data
        rows = {"type": "array", "items": data}
        if operation.pagination is None:
            return rows
        page: Schema = operation.pagination().get_paginated_response_schema(rows)
        return page

    def _content(self, hint: Any, direction: Direction) -> Schema:
        return self.components.schema_of(hint, direction)

    def _argument(self, argument: Argument) -> Schema:
        schema = self._content(argument.annotation, "request")
        details: Schema = {"description": argument.help_text} if argument.help_text else {}
        if isinstance(argument.default, bool | int | float | str):
            details["default"] = argument.default
        if not details or (argument.default is NO_DEFAULT and not argument.help_text):
            return schema
        return {"allOf": [schema], **details} if "$ref" in schema else {**schema, **details}

    def _action(self, name: str, data: Schema, status: Schema) -> Schema:
        return frame(
            {
                "action": {"const": name},
                "data": data,
                "errors": {"type": "array", "maxItems": 0},
                "response_status": status,
                "request_id": ANY,
            }
        )

    def _method(self, name: str, data: Schema, status: Schema) -> Schema:
        properties = {"method": {"const": name}, "data": data, "status": status}
        return frame({**properties, "request_id": ANY}, ["request_id"])


def _name(operation: Operation) -> Schema:
    """Return the schema of the name in a frame. Python matches patterns at their beginning."""
    if operation.is_pattern:
        unnamed = re.sub(r"\(\?P<\w+>", "(", str(operation.name))  # other languages write them (?<
        return {"type": "string", "pattern": f"^(?:{unnamed})"}
    return {"const": operation.name}
