"""Parsers turn the text or the bytes of one frame into plain Python values.

Any frame gives a value or raises `ParseError` (400), never another exception. A value has neither
NaN nor Infinity, and at most `MAX_DEPTH` levels of nesting.
"""

import math
from typing import Any, Protocol

import orjson
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError

from .settings import api_settings

__all__ = ["JSONParser", "MessagePackParser", "Parser", "parse_json"]


class Parser(Protocol):
    """The method that a parser class must have."""

    def parse(self, frame: Any) -> Any:
        """Return the values in the text or the bytes of one frame, or raise `ParseError` (400)."""


def parse_json(frame: str | bytes) -> Any:
    """Return what `JSONParser` does, without an instance of it for each frame."""
    try:
        value = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise ParseError(_("JSON parse error: %s") % error) from None
    if len(frame) < 2 * api_settings.MAX_DEPTH:  # each level takes two brackets
        return value
    # The number of brackets is a fast upper bound of the depth. Most frames stay below it.
    array, entry = ("[", "{") if isinstance(frame, str) else (b"[", b"{")
    if frame.count(array) + frame.count(entry) > api_settings.MAX_DEPTH:  # type: ignore[arg-type]
        check_depth(value, api_settings.MAX_DEPTH)
    return value


class JSONParser:
    """Parse strict JSON (RFC 8259): one value, without NaN, Infinity and lone surrogates."""

    def parse(self, frame: str | bytes) -> Any:
        return parse_json(frame)


class MessagePackParser:
    """Parse MessagePack with the values of JSON and bytes. Needs the package `msgpack`.

    Extension types are rejected, because the sender would choose what they decode to.
    """

    def __init__(self) -> None:
        import msgpack  # noqa: PLC0415 - an optional dependency

        self.unpack = msgpack.unpackb

    def parse(self, frame: bytes) -> Any:
        try:
            value = self.unpack(frame, raw=False, ext_hook=_reject_extension)
        except Exception as error:  # noqa: BLE001 - msgpack raises a dozen unrelated types
            detail = str(error) or type(error).__name__
            raise ParseError(_("MessagePack parse error: %s") % detail) from None
        check_values(value, api_settings.MAX_DEPTH)
        return value


def check_depth(value: Any, max_depth: int) -> None:
    """Raise `ParseError` if a value parsed from JSON has more than `max_depth` levels."""
    containers = [value] if type(value) is dict or type(value) is list else []
    for _level in range(max_depth):
        containers = [
            inner
            for outer in containers
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not containers:
            return
    raise ParseError(_("The frame is nested deeper than %d levels.") % max_depth)


def check_values(value: Any, max_depth: int) -> None:
    """Raise `ParseError` for values that JSON lacks, except bytes, and for deeper nesting."""
    if isinstance(value, dict | list):
        if not max_depth:
            raise ParseError(_("The frame is nested too deeply."))
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                raise ParseError(_("Keys must be text."))
            value = value.values()
        for inner in value:
            check_values(inner, max_depth - 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ParseError(_("NaN and Infinity are not allowed in a frame."))
    elif not (value is None or isinstance(value, str | bytes | int)):
        raise ParseError(_("A frame may hold only the types of JSON, and bytes."))


def _reject_extension(code: int, data: bytes) -> Any:
    raise ValueError(f"extension type {code} is not accepted")
