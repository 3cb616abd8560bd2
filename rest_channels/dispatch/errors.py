"""Turn exceptions into answers.

An exception of DRF's or Django's becomes an answer with its status. Any other exception is logged
with its traceback and answered with 500. `error_reply` is called by:

- `dispatcher`, for everything that a handler of an event raises;
- `AsyncAPIConsumer.handle_exception`, for what an action raises, in its frame or detached.
"""

import asyncio
import logging
from traceback import format_exception
from typing import Any, NamedTuple, Protocol

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.response import Response

from ..client_logs import log_for_client, short_path, short_text
from ..engine.connection import Connection
from ..protocol.messages import Call, Reply
from ..settings import api_settings

__all__ = [
    "SERVER_ERROR",
    "Refusal",
    "as_exception",
    "error_reply",
    "exception_handler",
    "log_refusal",
]

logger = logging.getLogger("rest_channels")

SERVER_ERROR = _("A server error occurred.")


class FailedEvent(Protocol):
    """The attributes of a failed event that its answer needs."""

    event: str

    @property
    def call(self) -> Call: ...

    @property
    def connection(self) -> Connection: ...


def error_reply(invocation: FailedEvent, error: Exception) -> Reply:
    """Return the answer to `error`, as the setting `EXCEPTION_HANDLER` makes it."""
    answer = api_settings.EXCEPTION_HANDLER(error, invocation)
    if answer is None:
        answer = server_error(error, invocation)
    elif isinstance(answer, Response):  # a handler of DRF returns one
        answer = Refusal(answer.data, answer.status_code)
    elif not isinstance(answer, Refusal):
        raise TypeError(
            f"EXCEPTION_HANDLER returned {answer!r}: return a rest_channels.dispatch.Refusal, or "
            "None for a 500."
        )
    return Reply(invocation.call, status=answer.status, errors=answer.detail)


class Refusal(NamedTuple):
    """An exception as clients see it: DRF's `detail` (text, list or dict) and an HTTP status."""

    detail: Any
    status: int


def exception_handler(error: Exception, invocation: FailedEvent) -> Refusal | None:
    """Return the answer to an exception of DRF's or Django's: the default `EXCEPTION_HANDLER`.

    Return `None` for any other exception. It is logged and answered with 500.
    """
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, BadRequest | SuspiciousOperation):  # as Django answers it over HTTP
        text = "%r has made a bad request: %.200r"
        log_for_client(logger, logging.WARNING, text, invocation.connection, error)
        error = exceptions.ParseError()
    if not isinstance(error, exceptions.APIException):
        return None
    detail = error.detail
    wait = getattr(error, "wait", None)
    if isinstance(error, exceptions.Throttled) and wait is not None:
        detail = {"detail": detail, "retry_after": wait}
    return Refusal(detail, error.status_code)


def server_error(error: Exception, invocation: FailedEvent) -> Refusal:
    """Log `error`, and return a 500. It has the traceback only where `DEBUG_ERRORS` is on."""
    failed = (invocation.connection, invocation.event)
    log_for_client(logger, logging.ERROR, "%r failed on %s.", *failed, error=error)
    detail: Any = SERVER_ERROR
    if api_settings.DEBUG_ERRORS:
        lines = [line.encode(errors="backslashreplace") for line in format_exception(error)]
        detail = {"detail": lines[-1].decode().strip(), "traceback": b"".join(lines).decode()}
    return Refusal(detail, status.HTTP_500_INTERNAL_SERVER_ERROR)


def log_refusal(connection: Connection, owner: type, error: Exception) -> None:
    """Log which class refused which client at the handshake, and why.

    An error that is not a refusal is logged with its traceback.
    """
    if not isinstance(error, exceptions.APIException | Http404 | PermissionDenied):
        text = "%r: checking whether it may connect failed."
        log_for_client(logger, logging.ERROR, text, connection, error=error)
        return
    scope = connection.scope
    client, user = (scope.get("client") or ["unknown"])[0], getattr(scope.get("user"), "pk", None)
    reason = getattr(error, "detail", None) or str(error) or type(error).__name__
    text = "%s refused the client %s (user %s) at '%s': %s"
    details = owner.__name__, client, user, short_path(scope), short_text(str(reason))
    log_for_client(logger, logging.WARNING, text, *details)


def as_exception(error: BaseException) -> Exception:
    """Return `error` as an `Exception`, so that `SystemExit` in a handler ends no process.

    Raise it if it is the `CancelledError` of the current task, or ends the program or a generator.
    """
    try:
        if isinstance(error, Exception):
            return error
        if isinstance(error, KeyboardInterrupt | GeneratorExit):
            raise error
        message = f"A handler raised {error!r}."
        if isinstance(error, asyncio.CancelledError):
            if _is_cancelled():
                raise error
            message = "The handler awaited a task that was cancelled."
        converted = RuntimeError(message)
        converted.__cause__ = error
        return converted
    finally:
        del error  # its traceback has this frame, and the frames of its handler


def _is_cancelled() -> bool:
    """Return whether the current task has been cancelled."""
    task = asyncio.current_task()
    return task is None or bool(task.cancelling())
