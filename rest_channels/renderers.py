"""Python → frames. Only strict JSON leaves: NaN and Infinity leave as null.

`Rendered` is JSON that exists already: it is stitched into a frame, never encoded again.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from rest_framework.utils.encoders import JSONEncoder

__all__ = ["JSONRenderer", "MessagePackRenderer", "Rendered", "Renderer"]


class Renderer(Protocol):
    """What a renderer class must offer; DRF's renderers do."""

    def render(self, data: Any) -> str | bytes:
        """Anything a serializer yields → the text or the bytes of one frame."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A value that was encoded once, for all who get it."""

    body: bytes

    @classmethod
    def json(cls, data: Any) -> "Rendered":
        """Encode `data` now. A `Rendered` passes through."""
        return data if isinstance(data, Rendered) else cls(encode(data))


class JSONRenderer:
    """JSON with the values DRF's encoder gives, but for NaN and the infinities, which are null.

    (A float as a *key* is written as orjson does: `1e-7`, where `json` has `1e-07`.)
    """

    def render(self, data: Any) -> str:
        return encode(data).decode()


class MessagePackRenderer:
    """MessagePack (needs the package `msgpack`): JSON's values, and bytes as they are."""

    def __init__(self) -> None:
        import msgpack  # noqa: PLC0415 - an optional dependency

        self.pack = msgpack.packb

    def render(self, data: Any) -> bytes:
        packed: bytes = self.pack(_plain(data))
        return packed


def encode(data: Any) -> bytes:
    """JSON bytes of `data`. Raises `TypeError` for what neither JSON nor DRF's encoder knows."""
    try:
        return orjson.dumps(data, _default, _OPTIONS)
    except orjson.JSONEncodeError:
        # Keys that are no text (ids, None, enums) cost extra; those who have them pay.
        return orjson.dumps(data, _default, _OPTIONS | orjson.OPT_NON_STR_KEYS)


_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_drf = JSONEncoder()


def _default(value: Any) -> Any:
    if isinstance(value, Rendered):
        return orjson.Fragment(value.body)
    return _native(value)


def _native(value: Any) -> Any:
    """What orjson does not know, one step nearer to what it does."""
    if isinstance(value, dict):  # ReturnDict, QueryDict: what their items() say, as json does
        return dict(value.items())
    if isinstance(value, str):  # SafeString, ErrorDetail, TextChoices
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, list | tuple):
        return list(value)
    return _drf.default(value)


def _plain(value: Any) -> Any:
    """`value` as MessagePack gets it: what JSON would have said, and bytes as they are."""
    if value is None or type(value) in (str, bytes, bool, int):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, Rendered):
        return orjson.loads(value.body)
    if type(value) is dict:
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _plain(_native(value))


def _key(key: Any) -> str:
    return key if type(key) is str else orjson.loads(encode({key: None}).partition(b":")[0][1:])
