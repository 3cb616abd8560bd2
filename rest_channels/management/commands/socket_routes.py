"""`socket_routes`: print the sockets of the project, and the frames that each takes."""

import json
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ...introspection.descriptions import (
    NAMING_DIALECTS,
    Argument,
    Operation,
    SentMessage,
    SocketDescription,
    hint_name,
)
from ...introspection.sockets import describe_sockets

__all__ = ["Command"]


class Command(BaseCommand):
    """Print each path with its class, its permissions, and the frames that it takes."""

    help = "List the sockets of the project: paths, classes, permissions and frames."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> str:
        found = describe_sockets()
        if options["json"]:
            return json.dumps([_record(each) for each in found], indent=2, ensure_ascii=False)
        if not found:
            return "There are no sockets: ASGI_APPLICATION names no SocketApplication with routes."
        return "\n\n".join(map(_text, found))


def _text(socket: SocketDescription) -> str:
    stream = "" if socket.stream is None else f" (stream {socket.stream})"
    lines = [f"{socket.path}{stream}", f"    {socket.name}"]
    if socket.permissions:
        lines[1] += f" [{', '.join(socket.permissions)}]"
    lines += [f"        {_frame(each, socket)}" for each in socket.operations]
    return "\n".join([*lines, *(f"        sends {_sent(each)}" for each in socket.sends)])


def _frame(operation: Operation, socket: SocketDescription) -> str:
    name = "any frame" if operation.name is None else operation.name
    keys = [_shown(each) for each in operation.arguments]
    if operation.has_data:
        keys.append("data")
    if operation.takes_any and operation.content is None:
        keys.append("…")
    kind = socket.dialect if socket.dialect in NAMING_DIALECTS else "frame"
    text = f"{kind} {name}({', '.join(keys)})"
    content, response = hint_name(operation.content), hint_name(operation.response)
    text = f"{text}: {content}" if content else text
    return f"{text} -> {response}{'[]' * operation.is_list}" if response else text


def _sent(message: SentMessage) -> str:
    contents = " or ".join(hint_name(hint) or "anything" for hint in message.contents)
    return f"{message.name}: {contents}"


def _shown(argument: Argument) -> str:
    return argument.name if argument.is_required else f"{argument.name}?"


def _record(socket: SocketDescription) -> dict[str, Any]:
    return {
        "path": socket.path,
        "path_arguments": _arguments(socket.path_arguments),
        "stream": socket.stream,
        "class": socket.name,
        "dialect": socket.dialect,
        "description": socket.description,
        "permissions": list(socket.permissions),
        "operations": [_operation(each) for each in socket.operations],
        "sends": [_message(each) for each in socket.sends],
        "sends_others": socket.sends_others,
    }


def _message(message: SentMessage) -> dict[str, Any]:
    return {
        "name": message.name,
        "contents": [hint_name(hint) for hint in message.contents],
        "status": message.status,
        "description": message.description,
    }


def _operation(operation: Operation) -> dict[str, Any]:
    return {
        "name": operation.name,
        "is_pattern": operation.is_pattern,
        "description": operation.description,
        "arguments": _arguments(operation.arguments),
        "takes_any": operation.takes_any,
        "has_data": operation.has_data,
        "label": operation.label,
        "content": hint_name(operation.content),
        "response": hint_name(operation.response),
        "is_list": operation.is_list,
        "is_answered": operation.is_answered,
        "permissions": list(operation.permissions),
    }


def _arguments(arguments: Iterable[Argument]) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "type": hint_name(each.annotation),
            "required": each.is_required,
            "help_text": each.help_text,
        }
        for each in arguments
    ]
