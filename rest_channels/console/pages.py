"""What a page of the console shows of a socket, as data for its script."""

from collections.abc import Mapping
from typing import Any

from django.utils.encoding import force_str

from ..exceptions import CloseCode
from ..introspection.descriptions import (
    Argument,
    Operation,
    SentMessage,
    SocketDescription,
    hint_name,
)
from ..introspection.examples import example_frame, fields_of

__all__ = ["close_codes", "socket_data"]

KEYS = {"action": "action", "method": "method", "type": "type"}
"""The keys of a frame that name its handler, by dialect."""


def socket_data(socket: SocketDescription) -> dict[str, Any]:
    """Return what the page shows of `socket`; everything in it can be JSON."""
    return {
        "path": socket.path,
        "pathArguments": [_argument(each) for each in socket.path_arguments],
        "stream": socket.stream,
        "name": socket.name,
        "dialect": socket.dialect,
        "key": KEYS.get(socket.dialect),
        "description": socket.description,
        "permissions": list(socket.permissions),
        "operations": [_operation(each, socket.dialect) for each in socket.operations],
        "sends": [_message(each) for each in socket.sends],
        "sendsOthers": socket.sends_others,
    }


def close_codes() -> dict[int, str]:
    """Return what each close code of the library means."""
    return {int(code): code.name.replace("_", " ").lower() for code in CloseCode}


def _operation(operation: Operation, dialect: str) -> dict[str, Any]:
    fields = fields_of(operation.content) or {}
    return {
        "name": operation.name,
        "isPattern": operation.is_pattern,
        "description": operation.description,
        "permissions": list(operation.permissions),
        "arguments": [_argument(each) for each in operation.arguments],
        "fields": [_field(name, field) for name, field in fields.items()],
        "takesAny": operation.takes_any,
        "hasData": operation.has_data,
        "partial": operation.partial,
        "example": example_frame(operation, dialect),
        "label": operation.label,
        "content": hint_name(operation.content),
        "response": hint_name(operation.response),
        "isList": operation.is_list,
        "isAnswered": operation.is_answered,
    }


def _message(message: SentMessage) -> dict[str, Any]:
    contents = [hint_name(hint) for hint in message.contents if hint is not None]
    return {
        "name": message.name,
        "contents": contents,
        "status": message.status,
        "description": message.description,
    }


def _argument(argument: Argument) -> dict[str, Any]:
    kind = argument.annotation
    default = argument.default if isinstance(argument.default, str | int | float) else None
    return {
        "name": argument.name,
        "type": hint_name(kind),
        "required": argument.is_required,
        "default": default,
        "helpText": argument.help_text,
    }


def _field(name: str, field: Mapping[str, Any]) -> dict[str, Any]:
    options = field.get("choices", ())
    choices = [(each["value"], force_str(each["display_name"])) for each in options]
    limits = ("min_length", "max_length", "min_value", "max_value")
    return {
        "name": name,
        "type": field["type"],
        "required": field["required"],
        "label": field.get("label", ""),
        "helpText": field.get("help_text", ""),
        "choices": choices,
        **{limit: field[limit] for limit in limits if limit in field},
    }
