"""The data of a response of a Django view, as the answer to a frame has it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from ..concurrency.execution import run
from ..renderers import Rendered
from ..settings import api_settings

__all__ = ["has_data", "response_data"]


async def response_data(response: Any) -> Any:
    """Return the data of a response, else its body as text, else its body in hexadecimal.

    Data may query when it is rendered, so a thread renders it.
    """
    if has_data(response):
        return await run(Rendered.json, response.data)
    if not response.streaming:
        body = response.content
    elif response.is_async:
        body = await _async_body(response)
    else:
        body = await run(_body, response)
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.hex()


def has_data(response: Any) -> bool:
    """Return whether it is a response of DRF, whose data is sent instead of its body."""
    return hasattr(response, "data")


def _body(response: Any) -> bytearray:
    """Return the body of a streamed response. For threads."""
    body = bytearray()
    try:
        for part in response:
            _append(body, part)
    finally:
        _close(response)
    return body


async def _async_body(response: Any) -> bytearray:
    body = bytearray()
    try:
        async for part in response:
            _append(body, part)
    finally:
        if hasattr(parts := response._iterator, "aclose"):
            await parts.aclose()
        await run(_close, response)
    return body


def _append(body: bytearray, part: bytes) -> None:
    body += part
    if len(body) > api_settings.OUTBOX_BYTES:
        raise ValueError("The response is longer than REST_CHANNELS['OUTBOX_BYTES'] allows.")


def _close(response: Any) -> None:
    """Close what `response.close()` would, and the iterator of its parts. For threads.

    `response.close()` also tells Django that a request has ended. Django would then close the
    database connection of the thread, which another handler may be using.
    """
    for close in _closers(response):
        with suppress(Exception):  # as Django does
            close()


def _closers(response: Any) -> Iterator[Callable[[], Any]]:
    yield from response._resource_closers
    if hasattr(parts := response._iterator, "close"):
        yield parts.close
