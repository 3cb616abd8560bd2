"""Renderers turn Python values into the text or the bytes of one frame.

They write strict values only: NaN and Infinity become null.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from django.core.exceptions import SynchronousOnlyOperation
from rest_framework.utils.encoders import JSONEncoder

__all__ = ["JSONRenderer", "MessagePackRenderer", "NumberText", "Rendered", "Renderer"]

_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_drf_encoder = JSONEncoder()


class Renderer(Protocol):
    """The method that a renderer class must have. The renderers of DRF have it."""

    def render(self, data: Any) -> str | bytes:
        """Return the frame for `data`, which may be anything that a serializer returns."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """JSON that is encoded once for all clients. The renderers insert it into frames as it is."""

    body: bytes

    @classmethod
    def json(cls, data: Any) -> "Rendered":
        """Return `data`, encoded. A `Rendered` stays as it is."""
        return data if isinstance(data, Rendered) else cls(encode(data))


class NumberText(str):
    """A number of a frame's `query`, as text. It is rendered as the number that was sent."""

    __slots__ = ()


def encode(data: Any) -> bytes:
    """Return `data` as JSON. Raise `TypeError` for types that DRF's encoder does not know."""
    try:
        return orjson.dumps(data, _default, _OPTIONS)
    except orjson.JSONEncodeError:
        return _encode_slowly(data)


def encode_text(data: Any) -> str:
    """Return `data` as JSON, as the text of a frame. Raise `TypeError` as `encode` does."""
    try:
        return orjson.dumps(data, _default, _OPTIONS).decode()
    except orjson.JSONEncodeError:
        return _encode_slowly(data).decode()


class JSONRenderer:
    """Render JSON as DRF's encoder does, except that NaN and Infinity become null.

    Keys that are floats look as orjson writes them: `1e-7`, where `json` writes `1e-07`.
    """

    def render(self, data: Any) -> str:
        return encode_text(data)


class MessagePackRenderer:
    """Render MessagePack with the values of JSON and bytes. Needs the package `msgpack`."""

    def __init__(self) -> None:
        import msgpack  # noqa: PLC0415 - an optional dependency

        self.pack = msgpack.packb

    def render(self, data: Any) -> bytes:
        return self.pack(_messagepack_value(data))  # type: ignore[no-any-return]


def _encode_slowly(data: Any) -> bytes:
    """Return data with keys that are not text (ids, None, enums) as JSON, and with iterators.

    Other data should not pay for the keys. An iterator can be read once, so only this reads it.
    """
    try:
        return orjson.dumps(data, _read_iterator, _OPTIONS | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError as error:
        if isinstance(error.__cause__, SynchronousOnlyOperation):
            error.add_note(
                "Data that queries the database is encoded on the event loop. Write def, not async "
                "def, or query first, as in [row async for row in rows]."
            )
        raise


def _default(value: Any) -> Any:
    if isinstance(value, Rendered):
        return orjson.Fragment(value.body)
    if hasattr(value, "__next__"):
        raise TypeError
    return _simplify(value)


def _read_iterator(value: Any) -> Any:
    return list(value) if hasattr(value, "__next__") else _default(value)


def _simplify(value: Any) -> Any:
    """Convert a type that orjson does not know to a simpler one. Values inside are left as is."""
    if isinstance(value, dict):  # ReturnDict, QueryDict: their items(), as json does
        return dict(value.items())
    if isinstance(value, NumberText):
        return orjson.loads(str.__str__(value))
    if isinstance(value, str):  # SafeString, ErrorDetail, TextChoices
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, list | tuple):
        return list(value)
    return _drf_encoder.default(value)


def _messagepack_value(value: Any) -> Any:
    """Convert a value to what its JSON would be parsed to, except that bytes stay bytes."""
    if value is None or type(value) in (str, bytes, bool, int):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, Rendered):
        return orjson.loads(value.body)
    if type(value) is dict:
        return {_json_key(key): _messagepack_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_messagepack_value(item) for item in value]
    return _messagepack_value(_simplify(value))


def _json_key(key: Any) -> str:
    return key if type(key) is str else orjson.loads(encode({key: None}).partition(b":")[0][1:])
