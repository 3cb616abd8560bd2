"""Python → frames. Only strict JSON leaves: NaN and Infinity leave as null.

`Rendered` is JSON that exists already: it is stitched into a frame, never encoded again.
"""

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

    def text(self) -> str:
        """The body as the text of a frame."""
        return self.body.decode()


class JSONRenderer:
    """JSON with the values DRF's encoder gives (Decimal and UUID as text, ISO 8601 dates, …)."""

    def render(self, data: Any) -> str:
        return encode(data).decode()


class MessagePackRenderer:
    """MessagePack (needs the package `msgpack`): JSON's values, and bytes as they are."""

    def __init__(self) -> None:
        import msgpack  # noqa: PLC0415 - an optional dependency

        self.pack = msgpack.packb

    def render(self, data: Any) -> bytes:
        packed: bytes = self.pack(data, default=_msgpack_default)
        return packed


def encode(data: Any) -> bytes:
    """JSON bytes of `data`. Raises `TypeError` for what neither JSON nor DRF's encoder knows."""
    try:
        return orjson.dumps(data, _default, _OPTIONS)
    except orjson.JSONEncodeError:
        # Keys that are no text (ids, None, enums) cost extra; those who have them pay.
        return orjson.dumps(data, _default, _OPTIONS | orjson.OPT_NON_STR_KEYS)


_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_drf = JSONEncoder()


def _default(value: Any) -> Any:
    if isinstance(value, Rendered):
        return orjson.Fragment(value.body)
    return _drf.default(value)


def _msgpack_default(value: Any) -> Any:
    return orjson.loads(value.body) if isinstance(value, Rendered) else _drf.default(value)
