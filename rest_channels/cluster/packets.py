"""The packets that server processes send to each other over the channel layer.

A packet travels as one flat dict, `{"type", "v", "from", "kind", …}`. Two releases may share a
broker during an upgrade. Therefore `v` is the oldest version of this protocol whose readers
understand the packet. A reader ignores packets with a newer `v`, and unknown kinds and keys.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..protocol.messages import Event, Position, utf8_size

__all__ = [
    "Acknowledgement",
    "CommandPacket",
    "EventsPacket",
    "LastNumbers",
    "Packet",
    "SelfTest",
    "UnreadablePacket",
    "pack",
    "packable",
    "unpack",
]

PACKET_TYPE = "rest_channels.packet"
VERSION = 1


class UnreadablePacket(Exception):
    """The message is a packet of a newer release, or it is not a packet."""


class EventsPacket(NamedTuple):
    """Events of one group, in order and numbered."""

    group: str
    began: float
    """When the publisher began the stream, on its own clock (s). It identifies the stream."""
    age: float
    """Seconds since `began`."""
    number: int
    """The number of the first event. A stream begins with 1."""
    events: tuple[Event, ...]


class LastNumbers(NamedTuple):
    """The last numbers of a publisher's streams: group → (began, age, number)."""

    streams: dict[str, tuple[float, float, int]]


class CommandPacket(NamedTuple):
    """A command for hubs, numbered like an event. It is acknowledged if it has an `id`."""

    command: str
    args: tuple[Any, ...]
    id: int | None = None
    group: str = ""
    began: float = 0.0
    age: float = 0.0
    number: int = 0


class Acknowledgement(NamedTuple):
    """Says that the command `id` is done."""

    id: int


class SelfTest(NamedTuple):
    """A message that a node sends to itself, to check that the layer still delivers."""

    number: int


Packet = EventsPacket | LastNumbers | CommandPacket | Acknowledgement | SelfTest

KINDS: dict[str, type[Any]] = {
    "say": EventsPacket,
    "heads": LastNumbers,
    "do": CommandPacket,
    "ack": Acknowledgement,
    "canary": SelfTest,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


def pack(source: str, packet: Packet) -> dict[str, Any]:
    """Return `packet` of the node `source` as a message for the layer."""
    fields = packet._asdict()
    if isinstance(packet, EventsPacket):
        fields["events"] = [_pack_event(event) for event in packet.events]
    elif isinstance(packet, CommandPacket):
        fields["args"] = [_pack_argument(argument) for argument in packet.args]
    return {
        "type": PACKET_TYPE,
        "v": VERSION,
        "from": source,
        "kind": _NAMES[type(packet)],
        **fields,
    }


def unpack(message: Any) -> tuple[str, Packet]:
    """Return the node that `message` came from, and its packet. Raise `UnreadablePacket`."""
    try:
        version, source, kind = message["v"], message["from"], message["kind"]
        known = version <= VERSION and kind in KINDS
    except (TypeError, KeyError) as error:
        raise UnreadablePacket(f"no packet: {str(message)[:80]}") from error
    if not known:
        raise UnreadablePacket(f"version {version}, kind {kind!r}; this is version {VERSION}")
    try:
        return source, _unpack_fields(KINDS[kind], message)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UnreadablePacket(f"a broken {kind!r} packet: {error}") from error


def _unpack_fields(kind: type[Any], message: Mapping[str, Any]) -> Packet:
    fields = {name: message[name] for name in kind._fields if name in message}
    if kind is EventsPacket:
        events = fields["events"]
        fields["events"] = tuple(_unpack_event(fields["group"], event) for event in events)
    elif kind is LastNumbers:
        fields["streams"] = {group: (b, a, n) for group, (b, a, n) in fields["streams"].items()}
    elif kind is CommandPacket:
        fields["args"] = tuple(_unpack_argument(argument) for argument in fields["args"])
    packet: Packet = kind(**fields)
    return packet


def packable(value: Any) -> Any:
    """Return a copy of `value` as another process receives it. Raise `TypeError` if it cannot."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"A message's keys must be strings, not {key!r}.")
        return {key: packable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [packable(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise TypeError(f"A message's integers have at most 64 bits: {value} is too large.")
    if value is not None and not isinstance(value, str | bytes | bool | int | float):
        raise TypeError(
            f"A message may contain strings, bytes, numbers, lists and dicts, not {value!r}. "
            "Send str(…) of it, or the data of a serializer."
        )
    return value


# A rendered event travels as its text. A receiver that needs its data parses the text.

_EVENT = "rest_channels.event"


def _pack_event(event: Event) -> dict[str, Any]:
    data = None if event.text is not None else event.data
    fields = {
        "text": event.text,
        "binary": event.binary,
        "data": data,
        "close": event.close,
        "accept": event.accept or None,
        "rendered": (event.text is not None and event.data is not None) or None,
        "listeners_know": event.also_on_layer or None,
        "at": None if event.position is None else list(event.position),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _unpack_event(group: str, fields: Mapping[str, Any]) -> Event:
    text, binary = fields.get("text"), fields.get("binary")
    return Event(
        group,
        fields.get("data"),
        text,
        binary,
        utf8_size(text) if text is not None else len(binary or b""),
        fields.get("close"),
        accept=bool(fields.get("accept")),
        rendered_elsewhere=bool(fields.get("rendered")),
        also_on_layer=bool(fields.get("listeners_know")),
        position=Position(*fields["at"]) if "at" in fields else None,
    )


def _pack_argument(argument: Any) -> Any:
    return {_EVENT: _pack_event(argument)} if isinstance(argument, Event) else argument


def _unpack_argument(argument: Any) -> Any:
    if isinstance(argument, dict) and _EVENT in argument:
        return _unpack_event("", argument[_EVENT])
    return argument
