"""The AsyncAPI 3.0 document of a list of sockets."""

import re
from collections.abc import Iterable
from typing import Any

from django.utils.encoding import force_str

from ..exceptions import CloseCode
from ..introspection.descriptions import Argument, Operation, SentMessage, SocketDescription
from .cleaning import clean
from .components import Components
from .frames import ERRORS, Frames, error_name
from .types import Schema

__all__ = ["Document", "build_document"]

MULTIPLEXER = "action"
"""The dialect in which a multiplexer says that a stream is closed or refused."""

ABOUT = (
    'Every socket answers {"$ping": n} with {"$pong": n}. Messages of groups with a history have '
    'one more key, "$at", and {"$joined": …} tells their position: see docs/recovery.md.'
)


def build_document(
    sockets: Iterable[SocketDescription],
    *,
    title: str = "Sockets",
    version: str = "1",
    server: str | None = None,
) -> "Document":
    """Return the document that describes `sockets`.

    Args:
        sockets: What `describe_sockets` returned.
        title: The name of the project.
        version: The version of its schema.
        server: The URL of a server, such as `wss://example.com`.
    """
    document = Document(title, version, server)
    for socket in sockets:
        document.add(socket)
    return document


class Document:
    """A document that grows with each socket."""

    def __init__(self, title: str, version: str, server: str | None) -> None:
        self.components = Components()
        self.channels: Schema = {}
        self.operations: Schema = {}
        self._dialects: set[str] = set()
        self._head: Schema = {
            "asyncapi": "3.0.0",
            "info": {"title": title, "version": version, "description": ABOUT},
            "defaultContentType": "application/json",
        }
        if server is not None:
            protocol, _, host = server.rpartition("://")
            host, slash, pathname = host.partition("/")
            self._head["servers"] = {"default": {"host": host, "protocol": protocol or "wss"}}
            if pathname:
                self._head["servers"]["default"]["pathname"] = slash + pathname

    def add(self, socket: SocketDescription) -> None:
        """Add the channel of a socket, with its operations and messages."""
        name = _unique(_key(socket.path, socket.stream), self.channels)
        self.channels[name] = channel = _channel(socket)
        writer = _Channel(self, name, channel["messages"], socket)
        for operation in socket.operations:
            writer.add_operation(operation)
        for message in socket.sends:
            writer.add_message(message)
        if socket.dialect and socket.operations:
            self._dialects |= (
                {socket.dialect} if socket.stream is None else {socket.dialect, MULTIPLEXER}
            )

    def as_dict(self) -> Schema:
        """Return the whole document."""
        schemas = {error_name(dialect): ERRORS[dialect] for dialect in self._dialects}
        schemas |= self.components.build()
        return {
            **self._head,
            "channels": clean_channels(self.channels),
            "operations": self.operations,
            "components": {"schemas": dict(sorted(schemas.items()))},
            "x-close-codes": _close_codes(),
        }


class _Channel:
    """Adds to one channel of a document."""

    def __init__(
        self, document: Document, name: str, messages: Schema, socket: SocketDescription
    ) -> None:
        self.document = document
        self.name = name
        self.messages = messages
        self.frames = Frames(socket.dialect, document.components)
        self.dialect, self.stream = socket.dialect, socket.stream

    def add_operation(self, operation: Operation) -> None:
        """Add what clients send for an operation, and the answers."""
        label = operation.name or operation.label or "frame"
        request = self._add_message(
            f"{label}.request", label, operation.description, self.frames.request(operation)
        )
        added: Schema = {
            "action": "receive",
            "channel": self._reference(),
            **_description(operation.description),
            "messages": [request],
        }
        answers = []
        if (reply := self.frames.reply(operation)) is not None:
            answers.append(self._add_message(f"{label}.reply", label, "", reply))
        answers.append(self._error())
        added["reply"] = {"channel": self._reference(), "messages": answers}
        if operation.permissions:
            added["x-permissions"] = list(operation.permissions)
        self._add(f"{label}", added)

    def add_message(self, message: SentMessage) -> None:
        """Add what the server sends without being asked."""
        payload = self.frames.sent(message)
        key, text = f"{message.name}.event", message.description
        sent = self._add_message(key, message.name, text, payload)
        self._add(
            key,
            {
                "action": "send",
                "channel": self._reference(),
                **_description(text),
                "messages": [sent],
            },
        )

    def _add(self, label: str, operation: Schema) -> None:
        key = _unique(f"{self.name}.{_key(label)}", self.document.operations)
        self.document.operations[key] = operation

    def _add_message(self, key: str, name: str, description: str, payload: Schema) -> Schema:
        key = _unique(_key(key), self.messages)
        if self.stream is not None:
            properties = {"stream": {"const": self.stream}, "payload": payload}
            required = ["stream", "payload"]
            payload = {"type": "object", "properties": properties, "required": required}
        self.messages[key] = {"name": name, **_description(description), "payload": payload}
        return self._reference(key)

    def _error(self) -> Schema:
        if "error" not in self.messages:
            self._add_message("error", "error", "A frame was refused.", self._error_schema())
        return self._reference("error")

    def _error_schema(self) -> Schema:
        """Return the error frames of the dialect, and those of the multiplexer for its stream."""
        if self.dialect not in ERRORS:
            return {}  # a project's own dialect
        names = [self.dialect] if self.stream is None else [self.dialect, MULTIPLEXER]
        errors = [
            {"$ref": f"#/components/schemas/{error_name(name)}"} for name in dict.fromkeys(names)
        ]
        return errors[0] if len(errors) == 1 else {"anyOf": errors}

    def _reference(self, message: str | None = None) -> Schema:
        within = "" if message is None else f"/messages/{message}"
        return {"$ref": f"#/channels/{self.name}{within}"}


def clean_channels(channels: Schema) -> Schema:
    """Return `channels` with payloads of plain JSON."""
    for channel in channels.values():
        for message in channel["messages"].values():
            message["payload"] = clean(message["payload"])
    return channels


def _channel(socket: SocketDescription) -> Schema:
    parameters = {each.name: _parameter(each) for each in socket.path_arguments}
    added: Schema = {
        "address": re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", socket.path),
        "title": socket.name,
        **_description(socket.description),
        **({"parameters": parameters} if parameters else {}),
        "messages": {},
        "x-dialect": socket.dialect or "plain",
        "x-sends-others": socket.sends_others,
    }
    if socket.stream is not None:
        added["x-stream"] = socket.stream
    if socket.permissions:
        added["x-permissions"] = list(socket.permissions)
    return added


def _parameter(argument: Argument) -> Schema:
    """Return a parameter of an address. AsyncAPI knows no types of them."""
    if argument.annotation is int:
        return {"description": "A whole number.", "x-type": "integer"}
    return {"description": "Text.", "x-type": "string"}


def _description(text: Any) -> Schema:
    return {"description": force_str(text)} if text else {}


def _close_codes() -> list[Schema]:
    return [
        {
            "code": int(code),
            "name": code.name,
            "reconnect": code.reconnect,
        }
        for code in CloseCode
    ]


def _key(text: str, stream: str | None = None) -> str:
    """Return `text` as a key of the document, which has few characters."""
    parts = [text, *([] if stream is None else [stream])]
    words = [re.sub(r"<(?:\w+:)?(\w+)>", r"\1", part) for part in parts]
    return ".".join(re.sub(r"[^A-Za-z0-9_-]+", ".", word).strip(".") or "root" for word in words)


def _unique(key: str, taken: Schema) -> str:
    number, unique = 1, key
    while unique in taken:
        number += 1
        unique = f"{key}.{number}"
    return unique
