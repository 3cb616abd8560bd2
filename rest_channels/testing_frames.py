"""What `SocketCommunicator` reads from frames, and what it writes into scopes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import orjson
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured

from .settings import api_settings

__all__ = [
    "DIALECTS",
    "MISSING",
    "Headers",
    "Validator",
    "frame_validator",
    "has_status",
    "keeping_in",
    "name_in",
    "new_scope",
    "parsed",
    "request_id_of",
    "with_fields",
]

MISSING: Any = object()
DIALECTS = ("action", "method", "type")
Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]


class Validator(Protocol):
    """Compares frames with a schema."""

    def check_received(self, frame: Any) -> None:
        """Raise `AssertionError` if the server may not send `frame`."""

    def note_sent(self, frame: Any) -> None:
        """Remember a frame of the client, until it is answered."""


async def frame_validator(application: Any, scope: dict[str, Any]) -> Validator | None:
    """Return what checks the frames of a client; `None` if `VALIDATE_TEST_FRAMES` is off.

    Raises:
        ImproperlyConfigured: drf-spectacular is missing.
    """
    if not api_settings.VALIDATE_TEST_FRAMES:
        return None
    try:
        from .schema.validation import FrameValidator  # noqa: PLC0415 - an optional dependency
    except ModuleNotFoundError as error:
        raise ImproperlyConfigured(
            f"REST_CHANNELS['VALIDATE_TEST_FRAMES'] needs {error.name}: "
            "pip install drf-spectacular."
        ) from error
    # In a thread, because serializers of the project may query.
    return await sync_to_async(FrameValidator)(application, scope)


def new_scope(path: str, headers: Headers, subprotocols: Iterable[str]) -> dict[str, Any]:
    """Return the scope of a connection to `path`."""
    parts = urlsplit(path)
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    host = (b"host", b"testserver")
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "root_path": "",
        "query_string": parts.query.encode(),
        "headers": [host, *((_bytes(name).lower(), _bytes(value)) for name, value in pairs)],
        "client": ("127.0.0.1", 50_000),
        "server": ("testserver", 80),
        "subprotocols": list(subprotocols),
    }


def keeping_in(queue: asyncio.Queue[Any], *, recovery: bool) -> Callable[..., Awaitable[None]]:
    """Return ASGI's `send`, which puts messages into `queue`, without those of recovery if told so.

    It does not refer to the test's client, which would keep the connection alive.
    """

    async def send(message: dict[str, Any]) -> None:
        shown = message if recovery else _without_recovery(message)
        if shown is not None:
            await queue.put(shown)

    return send


def _without_recovery(message: dict[str, Any]) -> dict[str, Any] | None:
    """Return `message` as a client without recovery understands it; `None` if it ignores it."""
    text = message.get("text") or ""
    content = parsed(text) if text.startswith('{"$') else None
    if not isinstance(content, dict):
        return message
    if not content.keys().isdisjoint({"$joined", "$left", "$resumed", "$skip"}):
        return None
    if content.pop("$at", None) is None:
        return message
    return {**message, "text": orjson.dumps(content.get("$data", content)).decode()}


def _bytes(part: str | bytes) -> bytes:
    return part if isinstance(part, bytes) else part.encode("latin-1")


def request_id_of(frame: Any) -> Any:
    """Return the `request_id` of a frame, or `None`."""
    return frame.get("request_id") if isinstance(frame, dict) else None


def name_in(frame: dict[str, Any]) -> Any:
    """Return the action, method or type that `frame` names, or `None`."""
    return next((frame[key] for key in DIALECTS if frame.get(key) is not None), None)


def parsed(content: str | bytes) -> Any:
    """Return the content of a frame; `None` if it is no JSON."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


def has_status(frame: Any, status: Any) -> bool:
    """Return whether a reply has a status, which frames of some dialects do not name."""
    if frame.get("type") == "ERROR":
        return bool(status >= 400 and status == frame.get("status", status))
    return bool(frame.get("status", frame.get("response_status", 200)) == status)


def with_fields(frame: Any, fields: dict[str, Any]) -> Any:
    """Return `frame`. Raises `AssertionError` if it has not these `fields`."""
    for key, value in fields.items():
        given = frame.get(key) if isinstance(frame, dict) else MISSING
        assert given == value, f"Expected {key}={value!r}, but got {frame!r}."
    return frame
