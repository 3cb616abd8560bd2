"""What differs between two documents, and whether it breaks clients of the first."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from .schema_changes import Difference, SchemaChanges
from .types import Schema

__all__ = ["compare"]


class Message(NamedTuple):
    """A message of a document, which a comparison knows by `path`."""

    path: str
    payload: Schema
    is_request: bool


def compare(before: Schema, after: Schema) -> list[Difference]:
    """Return what differs between two AsyncAPI documents of this library, in order of its path.

    Texts for readers, and the names of components, make no difference.
    """
    old, new = _messages(before), _messages(after)
    found = list(_sockets(before, after))
    gone = {each.path for each in found}
    found += _permissions(before, after)
    for path, message in old.items():
        if path not in new:
            found.append(Difference(path, "was removed", breaking=True))
            continue
        changes = SchemaChanges(before, after, is_request=message.is_request)
        found += changes.between(message.payload, new[path].payload, path)
    found += [Difference(path, "is new", breaking=False) for path in new if path not in old]
    within = tuple(f"{path} " for path in gone)
    shown = [each for each in found if not each.path.startswith(within)] if within else found
    return sorted(set(shown))


def _sockets(before: Schema, after: Schema) -> Iterator[Difference]:
    old, new = _channels(before), _channels(after)
    for name, channel in old.items():
        if name not in new:
            yield Difference(name, "was removed", breaking=True)
        elif channel["x-dialect"] != new[name]["x-dialect"]:
            change = f"has the dialect {new[name]['x-dialect']}, not {channel['x-dialect']}"
            yield Difference(name, change, breaking=True)
        elif channel["x-sends-others"] != new[name]["x-sends-others"]:
            opened = new[name]["x-sends-others"]
            change = "sends others, too" if opened else "lists all messages that it sends"
            yield Difference(f"{name} messages", change, breaking=False)
    yield from (Difference(name, "is new", breaking=False) for name in new if name not in old)


def _permissions(before: Schema, after: Schema) -> Iterator[Difference]:
    """Yield the permission classes that differ. A new one may refuse clients, so it breaks them."""
    old, new = _restricted(before), _restricted(after)
    for path in [path for path in old if path in new]:
        gained = [each for each in new[path] if each not in old[path]]
        lost = [each for each in old[path] if each not in new[path]]
        yield from (Difference(path, f"needs {each}", breaking=True) for each in gained)
        yield from (Difference(path, f"needs no {each}", breaking=False) for each in lost)


def _restricted(document: Schema) -> dict[str, list[str]]:
    """Return the permission classes of each socket and of each frame that it takes."""
    found = {f"{path} handshake": each for path, each in _channels(document).items()}
    for operation in document["operations"].values():
        if operation["action"] == "receive":
            message = _resolve(document, operation["messages"][0])
            socket = _resolve(document, operation["channel"])
            found[f"{_name(socket)} {message['name']} request"] = operation
    return {path: each.get("x-permissions", []) for path, each in found.items()}


def _channels(document: Schema) -> dict[str, Schema]:
    """Return the channels by what clients know them by: their address and stream."""
    return {_name(channel): channel for channel in document["channels"].values()}


def _name(channel: Schema) -> str:
    stream = channel.get("x-stream")
    address: str = channel["address"]
    return address if stream is None else f"{address}#{stream}"


def _messages(document: Schema) -> dict[str, Message]:
    found = {}
    for operation in document["operations"].values():
        channel = _resolve(document, operation["channel"])
        for kind, references in _references(operation):
            for reference in references:
                message = _resolve(document, reference)
                path = f"{_name(channel)} {message['name']} {kind}"
                if message["name"] == "error" and kind == "answer":
                    path = f"{_name(channel)} error"
                found[path] = Message(path, message["payload"], kind == "request")
    return found


def _references(operation: Schema) -> Iterator[tuple[str, list[Schema]]]:
    if operation["action"] == "send":
        yield "event", operation["messages"]
    else:
        yield "request", operation["messages"]
        yield "answer", operation["reply"]["messages"]


def _resolve(document: Schema, reference: Schema) -> Any:
    found: Any = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found
