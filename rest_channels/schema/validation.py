"""Check the frames of a test against the schema of its socket."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from ..introspection.descriptions import NAMING_DIALECTS, SocketDescription
from ..introspection.sockets import sockets_of
from .document import build_document
from .types import Schema

__all__ = ["FrameValidator"]


class Message(NamedTuple):
    """A message of a channel, with its key there."""

    key: str
    name: str
    payload: Schema


CONTROL = frozenset({"$pong", "$joined", "$resumed"})
"""The keys of frames for client libraries."""


class FrameValidator:
    """Checks the frames of one client.

    What the server sends has to be in the schema. What a client sends may be wrong on purpose, so
    that is checked once the server has taken it: with an answer that is no error.
    """

    def __init__(self, application: Any, scope: dict[str, Any]) -> None:
        self.sockets = [_Socket(each) for each in sockets_of(application, scope)]
        self._wrong_requests: dict[bytes, str] = {}

    def check_received(self, frame: Any) -> None:
        """Raise `AssertionError` if the server may not send `frame`."""
        if not self.sockets or (isinstance(frame, dict) and not CONTROL.isdisjoint(frame)):
            return
        if isinstance(frame, dict) and "$at" in frame:  # a message of a group with a history
            frame = frame.get("$data", {key: each for key, each in frame.items() if key != "$at"})
        errors = [socket.error_in(frame, "send") for socket in self._named(frame)]
        if errors and None not in errors:
            raise AssertionError(f"The server sent what the schema does not have. {errors[0]}")
        request_id = orjson.dumps(_request_id(frame))
        if (wrong := self._wrong_requests.pop(request_id, None)) and not _is_error(frame):
            raise AssertionError(f"The server took a frame that the schema does not have. {wrong}")

    def note_sent(self, frame: Any) -> None:
        """Remember why a client may not send `frame`, in case the server takes it."""
        if not self.sockets or _request_id(frame) is None:
            return
        errors = [socket.error_in(frame, "receive") for socket in self._named(frame)]
        if errors and None not in errors:
            self._wrong_requests[orjson.dumps(_request_id(frame))] = errors[0] or ""

    def _named(self, frame: Any) -> list["_Socket"]:
        """Return the stream that a frame names, or the only socket."""
        if self.sockets[0].stream is None:
            return self.sockets
        name = frame.get("stream") if isinstance(frame, dict) else None
        return [each for each in self.sockets if each.stream == name]


class _Socket:
    """What is known of one socket, or of one stream."""

    def __init__(self, description: SocketDescription) -> None:
        self.description = description
        self.stream = description.stream
        self._document = build_document([description]).as_dict()

    def error_in(self, frame: Any, direction: str) -> str | None:
        """Return why no message of a direction is `frame`; `None` if one is."""
        dialect = self.description.dialect
        content = frame if self.stream is None else frame.get("payload")
        name = _name_in(content)
        messages = list(self._messages(direction))
        if dialect in NAMING_DIALECTS:
            messages = [each for each in messages if each.key == "error" or each.name == name]
        messages.sort(key=lambda each: each.key == "error")  # the first message is explained
        found = [_errors(each.payload, self._schemas, frame) for each in messages]
        is_known = any(each.key != "error" for each in messages)
        if None in found or (not is_known and self._is_open(direction)):
            return None
        where = f"{self.description.path} ({self.description.name})"
        if not is_known:
            return f"{where} has no message {name!r}, such as {_short(frame)}"
        return f"{where}: {found[0]}, in {_short(frame)}"

    @property
    def _schemas(self) -> Schema:
        schemas: Schema = self._document["components"]
        return schemas

    def _is_open(self, direction: str) -> bool:
        """Return whether there may be messages that the schema does not list."""
        is_sent = direction == "send"
        return self.description.sends_others if is_sent else not self.description.operations

    def _messages(self, direction: str) -> Iterator[Message]:
        (channel,) = self._document["channels"].values()
        for operation in self._document["operations"].values():
            references = list(operation["messages"])
            if direction != operation["action"]:
                references = operation.get("reply", {}).get("messages", [])
            for reference in references:
                key = reference["$ref"].rpartition("/")[2]
                message = channel["messages"][key]
                yield Message(key, message["name"], message["payload"])


def _errors(payload: Schema, components: Schema, frame: Any) -> str | None:
    validator = Draft7Validator({"allOf": [payload], "components": components})
    if (error := best_match(validator.iter_errors(frame))) is None:
        return None
    where = ".".join(map(str, error.absolute_path))
    return f"{where or 'the frame'}: {error.message}"


def _name_in(content: Any) -> Any:
    if not isinstance(content, dict):
        return None
    return next((content[key] for key in NAMING_DIALECTS if key in content), None)


def _request_id(frame: Any) -> Any:
    if isinstance(frame, dict) and isinstance(payload := frame.get("payload"), dict):
        return payload.get("request_id")
    return frame.get("request_id") if isinstance(frame, dict) else None


def _is_error(frame: Any) -> bool:
    content = frame.get("payload", frame) if "stream" in frame else frame
    status = content.get("response_status", content.get("status", 200))
    return bool(status >= 400) or content.get("type") == "ERROR"


def _short(frame: Any) -> str:
    text = orjson.dumps(frame).decode()
    return text if len(text) <= 300 else f"{text[:300]}…"
