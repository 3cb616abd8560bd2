"""The TypeScript of a typed client: types of all sockets, and a function that opens one."""

import json
import re
from collections.abc import Iterable
from typing import Any

from ..introspection.descriptions import NAMING_DIALECTS
from .typed_sockets import TYPED_SOCKETS
from .types import Schema
from .typescript import comment, declaration, key, type_of

__all__ = ["typescript_of"]

INDENT = 8 * " "
"""That of the members of a handler."""


def typescript_of(document: Schema, module: str) -> str:
    """Return a TypeScript module with a typed client for the sockets of an AsyncAPI document.

    Args:
        document: The document.
        module: What the TypeScript module imports `client.js` by.
    """
    sockets: dict[str, list[Schema]] = {}
    for channel in document["channels"].values():
        sockets.setdefault(channel["address"], []).append(channel)
    types = [_Socket(address, channels, document) for address, channels in sockets.items()]
    dialects = [f"  {key(each.address)}: {each.client_dialects},\n" for each in types]
    schemas = document["components"]["schemas"]
    streams = [stream for each in types for stream in each.streams]
    return "\n".join(
        [
            "// Written by `manage.py socket_schema --format ts`. Do not change it by hand.",
            f"import {{ SocketClient }} from {_text(module)};",
            f"import type {{ ConnectionEvents, RequestOptions, State }} from {_text(module)};\n",
            *(f"{declaration(name, schema)}\n" for name, schema in schemas.items()),
            "/** All sockets, by their path. */",
            "export interface Sockets {",
            *(each.declaration() for each in types),
            "}\n",
            "/** The streams of sockets, by path and name. */",
            "export interface Streams {",
            *(each.declaration() for each in streams),
            "}\n",
            f"const DIALECTS = {{\n{''.join(dialects)}}} as const;\n",
            TYPED_SOCKETS,
        ]
    )


class _Socket:
    """The type of the socket at one address, which may have several streams, or of one stream."""

    def __init__(
        self, address: str, channels: list[Schema], document: Schema, stream: str | None = None
    ) -> None:
        self.address = address
        self.channels = channels
        self.document = document
        self.stream = stream
        named = [each for each in channels if "x-stream" in each and stream is None]
        self.streams = [_Socket(address, [each], document, each["x-stream"]) for each in named]
        has_streams = len(channels) > 1 or bool(self.streams)
        self.dialect = "plain" if has_streams else channels[0]["x-dialect"]

    @property
    def key(self) -> str:
        """The key of this socket in the list of all, or of its stream in that of streams."""
        return _text(self.address if self.stream is None else f"{self.address}#{self.stream}")

    @property
    def client_dialects(self) -> str:
        """The option `dialect` of the client, or the option `streams`."""
        if not self.streams:
            return _text(self.dialect if self.dialect in NAMING_DIALECTS else "none")
        found = {key(each.stream or ""): each.client_dialects for each in self.streams}
        return f"{{ {', '.join(f'{name}: {each}' for name, each in found.items())} }}"

    def declaration(self) -> str:
        """Return the line of this socket in the list of all."""
        members = {} if self.stream is not None else {"parameters": self._parameters()}
        if self.dialect in NAMING_DIALECTS:
            members["requests"] = self._handlers()
            members["events"] = _members(self._events(), "    ")
            members["others"] = "true" if self.channels[0]["x-sends-others"] else "false"
        else:
            members["frame"] = _union(self._payloads("receive"))
            others = any(each["x-sends-others"] for each in self.channels)
            members["message"] = _union([] if others else self._payloads("send"))
        if self.streams:
            members |= self._multiplexed()
        text = comment(self.channels[0].get("description"), "  ")
        return f"  {text}{self.key}: {_members(members, '  ')};"

    def _multiplexed(self) -> dict[str, str]:
        """Return the members of a socket with streams. Its messages are those of all of them."""
        found = {
            each.stream or "": f"{{ socket: Streams[{each.key}]; dialect: {each.client_dialects} }}"
            for each in self.streams
        }
        names = " | ".join(map(_text, found))
        message = f"{{ stream: {names} | null; payload: unknown }}"
        return {"message": message, "streams": _members(found, "    ")}

    def _parameters(self) -> str:
        found = {
            name: "number" if each.get("x-type") == "integer" else "string | number"
            for name, each in self.channels[0].get("parameters", {}).items()
        }
        return _members(found, "    ") if found else "Record<never, never>"

    def _handlers(self) -> str:
        found = {}
        for operation in self._operations("receive"):
            request = self._message(operation["messages"][0])
            answers = [self._message(each) for each in operation["reply"]["messages"]]
            data = type_of(_data_of(request["payload"], self.dialect), INDENT)
            response = [each["payload"] for each in answers if each["name"] == request["name"]]
            answer = type_of(response[0]["properties"]["data"], INDENT) if response else "never"
            name = _handler_key(request)
            found[name] = _members({"data": data, "response": answer}, "      ")
        lines = "".join(f"      {name}: {each};\n" for name, each in found.items())
        return f"{{\n{lines}    }}" if found else "{}"

    def _events(self) -> dict[str, str]:
        events = {}
        for operation in self._operations("send"):
            message = self._message(operation["messages"][0])
            payload = message["payload"]
            data = payload if self.dialect == "type" else payload["properties"]["data"]
            events[message["name"]] = type_of(data, "      ")
        return events

    def _payloads(self, direction: str) -> list[str]:
        found = [self._message(each["messages"][0]) for each in self._operations(direction)]
        return [type_of(each["payload"], "    ") for each in found]

    def _operations(self, direction: str) -> Iterable[Schema]:
        keys = {name for name, each in self.document["channels"].items() if each in self.channels}
        for operation in self.document["operations"].values():
            name = operation["channel"]["$ref"].rpartition("/")[2]
            if operation["action"] == direction and name in keys:
                yield operation

    def _message(self, reference: Schema) -> Schema:
        *_, channel, _messages, name = reference["$ref"].split("/")
        message: Schema = self.document["channels"][channel]["messages"][name]
        if self.stream is None:
            return message
        return {**message, "payload": message["payload"]["properties"]["payload"]}


def _data_of(payload: Schema, dialect: str) -> Schema:
    """Return the part of a frame that a caller of the client gives."""
    if "allOf" in payload:
        first, *rest = payload["allOf"]
        own = _data_of(first, dialect)
        return {"allOf": [own, *rest]} if own["properties"] else {"allOf": rest}
    properties = payload["properties"]
    if dialect == "method":
        data: Schema = properties["data"]
        return data if "data" in payload["required"] else {"anyOf": [data, {"const": None}]}
    own_keys = {dialect, "request_id"}
    return {
        "type": "object",
        "properties": {name: each for name, each in properties.items() if name not in own_keys},
        "required": [name for name in payload["required"] if name not in own_keys],
        "additionalProperties": payload.get("additionalProperties", {}),
        "x-indexed": payload.get("additionalProperties") is not False,
    }


def _handler_key(request: Schema) -> str:
    """Return the key of a handler; one for all names that a simple pattern matches."""
    payload = request["payload"]
    named = payload["allOf"][0] if "allOf" in payload else payload
    pattern = next(
        (each["pattern"] for each in named["properties"].values() if "pattern" in each), None
    )
    if pattern is None:
        return key(request["name"])
    simple = re.fullmatch(r"\^\(\?:\^?([\w-]*)(?:\.|\\w|\\S)[+*]\$?\)", pattern)
    return f"[name: `{simple[1]}${{string}}`]" if simple else "[name: string]"


def _members(members: dict[str, Any], indent: str) -> str:
    if not members:
        return "Record<never, never>"
    lines = "".join(f"{indent}  {key(name)}: {each};\n" for name, each in members.items())
    return f"{{\n{lines}{indent}}}"


def _union(types: list[str]) -> str:
    return "unknown" if not types or "unknown" in types else " | ".join(dict.fromkeys(types))


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
