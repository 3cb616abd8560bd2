"""What a client receives for an exception.

A refusal is an exception of DRF's or Django's and becomes an answer with its status. Any other
exception is a server's error: logged with its traceback, answered with 500.
"""

import asyncio
import logging
import traceback
from typing import Any, NamedTuple, Protocol

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status

from ..engine.connection import Connection
from ..protocol.messages import Call, Reply
from ..settings import api_settings

__all__ = ["SERVER_ERROR", "Refusal", "as_exception", "error_reply", "exception_handler"]

logger = logging.getLogger("rest_channels")


class FailedEvent(Protocol):
    """What an answer to an exception needs to know of the event that failed."""

    connection: Connection
    event: str
    call: Call


def error_reply(invocation: FailedEvent, error: Exception) -> Reply:
    """An exception, by way of `EXCEPTION_HANDLER`, → the answer that tells of it."""
    refusal = api_settings.EXCEPTION_HANDLER(error, invocation) or server_error(error, invocation)
    return Reply(invocation.call, status=refusal.status, errors=refusal.detail)


class Refusal(NamedTuple):
    """An exception as a client may see it: DRF's `detail` (text, list or dict) and a status."""

    detail: Any
    status: int


def exception_handler(error: Exception, invocation: FailedEvent) -> Refusal | None:
    """The default `EXCEPTION_HANDLER`: what DRF and Django mean for the client.

    `None` for any other exception: that is a server's error, logged with its traceback.
    """
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    detail = error.detail
    wait = getattr(error, "wait", None)
    if isinstance(error, exceptions.Throttled) and wait is not None:
        detail = {"detail": detail, "retry_after": wait}
    return Refusal(detail, error.status_code)


def server_error(error: Exception, invocation: FailedEvent) -> Refusal:
    """500: logged with the traceback; the client gets it only where `DEBUG_ERRORS` is on."""
    logger.error("%r failed on %s.", invocation.connection, invocation.event, exc_info=error)
    detail: Any = SERVER_ERROR
    if api_settings.DEBUG_ERRORS:
        lines = [_printable(line) for line in traceback.format_exception(error)]
        detail = {"detail": lines[-1].strip(), "traceback": "".join(lines)}
    return Refusal(detail, status.HTTP_500_INTERNAL_SERVER_ERROR)


SERVER_ERROR = _("A server error occurred.")


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def as_exception(error: BaseException) -> Exception:
    """A handler may not end the process: `SystemExit` and its like are errors of its own.

    A cancellation that comes from outside is raised again.
    """
    if isinstance(error, Exception):
        return error
    words = f"A handler raised {error!r}."
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise error
        words = "The handler awaited a task that was cancelled."
    meant = RuntimeError(words)
    meant.__cause__ = error
    return meant
