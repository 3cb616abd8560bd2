"""`socket_routes`: print the sockets of the project, and the frames that each takes."""

import json
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ...introspection.descriptions import Argument, Operation, SocketDescription
from ...introspection.sockets import describe_sockets

__all__ = ["Command"]

KEYS = {"action": "action", "method": "method", "type": "type"}
"""What the names of a dialect's frames are."""


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
    return "\n".join([*lines, *(f"        {_frame(each, socket)}" for each in socket.operations)])


def _frame(operation: Operation, socket: SocketDescription) -> str:
    name = "any frame" if operation.name is None else operation.name
    keys = [_shown(each) for each in operation.arguments]
    if operation.has_data:
        keys.append("data")
    if operation.takes_any and operation.content is None:
        keys.append("…")
    text = f"{KEYS.get(socket.dialect, 'frame')} {name}({', '.join(keys)})"
    content = getattr(operation.content, "__name__", None)
    return f"{text}: {content}" if content else text


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
    }


def _operation(operation: Operation) -> dict[str, Any]:
    content, response = operation.content, operation.response
    return {
        "name": operation.name,
        "is_pattern": operation.is_pattern,
        "description": operation.description,
        "arguments": _arguments(operation.arguments),
        "takes_any": operation.takes_any,
        "has_data": operation.has_data,
        "content": None if content is None else getattr(content, "__name__", str(content)),
        "response": None if response is None else getattr(response, "__name__", str(response)),
        "permissions": list(operation.permissions),
    }


def _arguments(arguments: Iterable[Argument]) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "type": getattr(each.annotation, "__name__", each.annotation and str(each.annotation)),
            "required": each.is_required,
            "help_text": each.help_text,
        }
        for each in arguments
    ]
