"""The TypeScript of a typed client: types of all sockets, and a function that opens one."""

import json
import re
from collections.abc import Iterable
from typing import Any

from .types import Schema
from .typescript import comment, declaration, key, type_of

__all__ = ["CLIENT", "typescript_of"]

NAMED = ("action", "method", "type")
INDENT = 8 * " "
"""That of the members of a handler."""

CLIENT = """\
/** What a named handler of the server takes and answers. */
type Handlers = Record<string, { data: unknown; response: unknown }>;
interface Named { requests: Handlers; events: object; others: boolean }
interface Plain { frame: unknown; message: unknown }

type ClientOptions = NonNullable<ConstructorParameters<typeof SocketClient>[1]>;
export type Options = Omit<ClientOptions, "dialect"> & {
  /** The URL of the server, such as "wss://example.com". By default that of the page. */
  server?: string;
};

type Optional<D> = [D] extends [null | undefined] ? true : {} extends D ? true : false;
type Data<D, Rest extends unknown[] = []> =
  Optional<D> extends true ? [data?: D, ...rest: Rest] : [data: D, ...rest: Rest];

interface Connection {
  readonly state: State;
  connect(): void;
  close(): void;
}

/** A socket whose frames name a handler, and whose server answers. */
export interface RequestSocket<S extends Named> extends Connection {
  request<N extends keyof S["requests"] & string>(
    name: N, ...rest: Data<S["requests"][N]["data"], [options?: RequestOptions]>
  ): Promise<S["requests"][N]["response"]>;
  send<N extends keyof S["requests"] & string>(
    name: N, ...rest: Data<S["requests"][N]["data"]>
  ): Promise<void>;
  watch<N extends keyof S["requests"] & string>(
    name: N,
    data: S["requests"][N]["data"] | undefined,
    listener: (
      data: S["requests"][N]["response"] | S["events"][keyof S["events"]] | null, frame: unknown
    ) => unknown,
  ): (name?: keyof S["requests"] & string) => void;
  subscribe(run: (now: Pick<RequestSocket<S>, "request" | "send">) => unknown): () => void;
  on<N extends keyof S["events"] & string>(
    name: N, listener: (data: S["events"][N], frame: unknown) => unknown
  ): () => void;
  on<E extends keyof ConnectionEvents>(
    event: E, listener: (event: ConnectionEvents[E]) => unknown
  ): () => void;
  on<N extends string>(
    name: S["others"] extends true ? N : never, listener: (data: unknown, frame: unknown) => unknown
  ): () => void;
}

/** A socket whose frames have a type, and are not answered. */
export interface MessageSocket<S extends Named> extends Connection {
  send<N extends keyof S["requests"] & string>(
    type: N, ...rest: Data<S["requests"][N]["data"]>
  ): Promise<void>;
  subscribe(run: (now: Pick<MessageSocket<S>, "send">) => unknown): () => void;
  on: RequestSocket<S>["on"];
}

/** A socket whose frames have no name. */
export interface PlainSocket<S extends Plain> extends Connection {
  send(frame: S["frame"]): Promise<void>;
  request(frame: S["frame"], options?: RequestOptions): Promise<unknown>;
  subscribe(run: (now: Pick<PlainSocket<S>, "send" | "request">) => unknown): () => void;
  on(event: "message", listener: (frame: S["message"]) => unknown): () => void;
  on<E extends Exclude<keyof ConnectionEvents, "message">>(
    event: E, listener: (event: ConnectionEvents[E]) => unknown
  ): () => void;
}

export type Socket<P extends keyof Sockets> =
  Sockets[P] extends Named
    ? (typeof DIALECTS)[P] extends "type" ? MessageSocket<Sockets[P]> : RequestSocket<Sockets[P]>
    : Sockets[P] extends Plain ? PlainSocket<Sockets[P]> : never;

type Parameters_<P extends keyof Sockets> = Sockets[P]["parameters"];

/**
 * Open a socket. It connects again by itself.
 *
 * `parameters` are the arguments in the path; leave them out if it has none.
 */
export function openSocket<P extends keyof Sockets>(
  path: P,
  ...[parameters, options]: {} extends Parameters_<P>
    ? [parameters?: Parameters_<P>, options?: Options]
    : [parameters: Parameters_<P>, options?: Options]
): Socket<P> {
  const given: Record<string, unknown> = parameters ?? {};
  const { server = "", ...rest } = options ?? {};
  const filled = path.replace(/\\{(\\w+)\\}/g, (_, name: string) =>
    encodeURIComponent(String(given[name])));
  const dialect = DIALECTS[path];
  return new SocketClient(server + filled, { ...rest, dialect }) as unknown as Socket<P>;
}
"""


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
    dialects = [f"  {key(each.address)}: {_text(each.client_dialect)},\n" for each in types]
    schemas = document["components"]["schemas"]
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
            f"const DIALECTS = {{\n{''.join(dialects)}}} as const;\n",
            CLIENT,
        ]
    )


class _Socket:
    """The type of the socket at one address, which may have several streams."""

    def __init__(self, address: str, channels: list[Schema], document: Schema) -> None:
        self.address = address
        self.channels = channels
        self.document = document
        has_streams = len(channels) > 1 or "x-stream" in channels[0]
        self.dialect = "plain" if has_streams else channels[0]["x-dialect"]

    @property
    def client_dialect(self) -> str:
        """The option `dialect` of the client."""
        return self.dialect if self.dialect in NAMED else "none"

    def declaration(self) -> str:
        """Return the line of this socket in the list of all."""
        members = {"parameters": self._parameters()}
        if self.dialect in NAMED:
            members["requests"] = self._handlers()
            members["events"] = _members(self._events(), "    ")
            members["others"] = "true" if self.channels[0]["x-sends-others"] else "false"
        else:
            members["frame"] = _union(self._payloads("receive"))
            others = any(each["x-sends-others"] for each in self.channels)
            sent = [] if others else self._payloads("send")
            members["message"] = _union(sent)
        text = comment(self.channels[0].get("description"), "  ")
        return f"  {text}{key(self.address)}: {_members(members, '  ')};"

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
        return message


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
