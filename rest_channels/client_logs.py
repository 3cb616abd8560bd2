"""Log lines that clients cause. Their length and their number are limited."""

import logging
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["errors_logged", "log_for_client", "short_path", "short_text"]

TEXT_LENGTH = 200
"""Characters of a path, or of another text of a client, in a log line."""

BURST = 20
"""Lines of one kind within `PERIOD`. Later ones are only counted."""

PERIOD = 10.0
"""Seconds."""

MAX_KINDS = 500
"""Kinds that are counted at a time."""


class Count:
    """The lines of one kind in the current period."""

    __slots__ = ("began", "left_out", "written")

    def __init__(self, now: float, left_out: int = 0) -> None:
        self.began = now
        self.written = 0
        self.left_out = left_out


_counts: dict[Hashable, Count] = {}


def log_for_client(
    logger: logging.Logger,
    level: int,
    message: str,
    *args: Any,
    error: BaseException | None = None,
) -> None:
    """Log `message % args` if not too many lines of its kind were logged just now.

    The kind is the message, and for an `error`, which is logged with its traceback, also its type
    and the line that raised it.
    """
    if not logger.isEnabledFor(level):
        return
    kind = (message, *_origin(error))
    now = time.monotonic()
    count = _counts.get(kind)
    if count is None or now - count.began > PERIOD:
        if len(_counts) >= MAX_KINDS:
            _counts.clear()
        count = _counts[kind] = Count(now, count.left_out if count else 0)
    if count.written >= BURST:
        count.left_out += 1
        return
    count.written += 1
    if count.left_out:
        message, args = f"{message} (%d such lines were left out.)", (*args, count.left_out)
        count.left_out = 0
    logger.log(level, message, *args, exc_info=error, stacklevel=2)


@contextmanager
def errors_logged(logger: logging.Logger, message: str, *args: Any) -> Iterator[None]:
    """Log any `Exception` in a `with` block as `log_for_client` does, and go on after the block."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - it is logged with its traceback
        log_for_client(logger, logging.ERROR, message, *args, error=error)


def _origin(error: BaseException | None) -> tuple[Any, ...]:
    """Return the type of `error` and the line that raised it."""
    if error is None:
        return ()
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return (type(error),)
    return type(error), traceback.tb_frame.f_code, traceback.tb_lineno


def short_path(scope: dict[str, Any]) -> str:
    """Return the beginning of the path of `scope`, as `short_text` does."""
    return short_text(str(scope.get("path", "")))


def short_text(text: str) -> str:
    """Return the beginning of `text`, without characters that could forge a line."""
    short = text if len(text) <= TEXT_LENGTH else f"{text[:TEXT_LENGTH]}…"
    return short if short.isprintable() else repr(short)[1:-1][: 2 * TEXT_LENGTH]
