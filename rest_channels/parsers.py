"""Frames → Python. A parser takes the text or the bytes of one frame and returns plain values.

Whatever a client sends, the outcome is a value or a `ParseError` (400): no other exception, no
recursion deeper than `MAX_DEPTH`, no NaN and no Infinity.
"""

import math
from typing import Any, Protocol

import orjson
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError

from .settings import api_settings

__all__ = ["JSONParser", "MessagePackParser", "Parser"]


class Parser(Protocol):
    """What a parser class must offer; its instances are made once per class that uses them."""

    def parse(self, frame: Any) -> Any:
        """Text or bytes of one frame → plain values. Raises `ParseError`."""


class JSONParser:
    """RFC 8259, strictly: one value, no NaN, no lone surrogates, at most `MAX_DEPTH` levels."""

    def parse(self, frame: str | bytes) -> Any:
        try:
            value = orjson.loads(frame)
        except orjson.JSONDecodeError as error:
            raise ParseError(_("JSON parse error: %s") % error) from None
        # An upper bound of the depth at the speed of a search: most frames need no other look.
        array, entry = ("[", "{") if isinstance(frame, str) else (b"[", b"{")
        if frame.count(array) + frame.count(entry) > api_settings.MAX_DEPTH:  # type: ignore[arg-type]
            check_depth(value, api_settings.MAX_DEPTH)
        return value


class MessagePackParser:
    """MessagePack (needs the package `msgpack`), held to the values JSON has, and bytes.

    Extension types are refused: what they decode to is the sender's choice.
    """

    def __init__(self) -> None:
        import msgpack  # noqa: PLC0415 - an optional dependency

        self.unpack = msgpack.unpackb

    def parse(self, frame: bytes) -> Any:
        try:
            value = self.unpack(frame, raw=False, ext_hook=_refuse_extension)
        except Exception as error:  # noqa: BLE001 - msgpack raises a dozen unrelated types
            detail = str(error) or type(error).__name__
            raise ParseError(_("MessagePack parse error: %s") % detail) from None
        check_plain(value, api_settings.MAX_DEPTH)
        return value


def check_depth(value: Any, levels: int) -> None:
    """Raise `ParseError` if `value`, which JSON gave, nests deeper than `levels`."""
    row = [value] if type(value) is dict or type(value) is list else []
    for _level in range(levels):
        row = [
            inner
            for outer in row
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not row:
            return
    raise ParseError(_("The frame is nested deeper than %d levels.") % levels)


def check_plain(value: Any, levels: int) -> None:
    """Raise `ParseError` for what JSON does not have (but for bytes), or nests too deeply.

    That is: keys that are no text, NaN, the infinities, other types.
    """
    if isinstance(value, dict | list):
        if not levels:
            raise ParseError(_("The frame is nested too deeply."))
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                raise ParseError(_("Keys must be text."))
            value = value.values()
        for inner in value:
            check_plain(inner, levels - 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ParseError(_("NaN and Infinity are not numbers that JSON has."))
    elif not (value is None or isinstance(value, str | bytes | int)):
        raise ParseError(_("A frame may hold what JSON has, and bytes."))


def _refuse_extension(code: int, data: bytes) -> Any:
    raise ValueError(f"extension type {code} is not accepted")
