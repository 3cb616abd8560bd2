"""The road in: one frame, from its arrival to its answer.

Every refusal is an exception and is caught here, once. It becomes a reply in the dialect of the
frame, under its id; the connection lives on. Only where a *connect* is refused does it end, after
the client was told why, because a browser cannot read a refused handshake.
"""

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from channels.exceptions import AcceptConnection, DenyConnection, StopConsumer
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status

from .connection import Connection
from .envelopes import Envelope, Plain
from .exceptions import CloseCode, HandlerTimeout
from .execution import is_async, run
from .lanes import current_lane
from .messages import Call, Reply
from .permissions import forget_permissions
from .renderers import encode
from .settings import api_settings

__all__ = [
    "DirectVisit",
    "Refusal",
    "Target",
    "Visit",
    "as_exception",
    "dispatch",
    "exception_handler",
    "refuse",
]

logger = logging.getLogger("rest_channels")


Target = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A handler and its arguments."""


class Visit(Protocol):
    """One event on its way to its handler: what a `SocketView` is, and what consumers make.

    Every step may refuse by raising an exception of `rest_channels.exceptions` or of DRF. A check
    that has to wait returns what to wait for.
    """

    connection: Connection
    event: str
    call: Call

    @property
    def envelope(self) -> Envelope:
        """The dialect."""

    def get_call(self) -> Call:
        """Frame → call. 400 for what the dialect cannot read."""

    def get_target(self) -> Target:
        """Call → handler. 405 where there is none."""

    def check_permissions(self) -> Awaitable[None] | None:
        """401, 403."""

    def check_throttles(self) -> Awaitable[None] | None:
        """429, with `retry_after`."""

    def get_reply(self, result: Any) -> Reply | None:
        """What a handler returned → the answer, or none."""

    def render_text(self, data: Any) -> str:
        """What the envelope made → the text of a frame."""

    def handle_exception(self, error: Exception) -> Reply:
        """An exception → the answer that tells of it."""


async def dispatch(visit: Visit) -> None:
    """Lead `visit` through its steps, and send the answer."""
    connection = visit.connection
    forget_permissions(connection.scope.get("user"))
    try:
        visit.call = visit.get_call()
        handler, args, kwargs = visit.get_target()
        if (check := visit.check_permissions()) is not None:
            await check
        if (check := visit.check_throttles()) is not None:
            await check
        connection.admitted = True
        if is_async(handler):
            result = await handler(*args, **kwargs)
        else:
            result = await run(handler, *args, **kwargs)
        reply = visit.get_reply(result)
        text = None if reply is None else visit.render_text(visit.envelope.close(reply))
    except asyncio.CancelledError as error:
        await tell(visit, _meaning(error))
    except (AcceptConnection, DenyConnection, StopConsumer) as wish:
        (connection.accept if isinstance(wish, AcceptConnection) else connection.close)()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - the one place that turns errors into answers
        await tell(visit, as_exception(error))
    else:
        if text is not None:
            await connection.answer(text)


def _meaning(error: asyncio.CancelledError) -> Exception:
    """What a cancellation means for the client."""
    return HandlerTimeout() if current_lane.get().timed_out() else as_exception(error)


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


async def tell(visit: Visit, error: Exception) -> None:
    """Send a refusal; a connection whose `connect` failed ends with it.

    Nobody asked for an event, so nobody is told when its handler fails: that is logged.
    """
    connection = visit.connection
    refusal, text = _refusal(visit, error)
    if visit.event == "event":
        return
    if visit.event == "connect":
        connection.accept()
    await connection.answer(text)
    if visit.event == "connect":
        said = refusal.errors
        words = str(said) if isinstance(said, str | Promise) else encode(said).decode()
        connection.close(CloseCode.for_status(refusal.status), words)


def _refusal(visit: Visit, error: Exception) -> tuple[Reply, str]:
    """The answer that tells of `error`, rendered: without its id, or as a bare 500, if it must."""
    try:
        refusal = visit.handle_exception(error)
        with contextlib.suppress(TypeError):
            return refusal, visit.render_text(visit.envelope.close(refusal))
        refusal = refusal._replace(call=Call(None))
        return refusal, visit.render_text(visit.envelope.close(refusal))
    except Exception:
        logger.exception("%r: a refusal failed itself.", visit.connection)
    refusal = Reply(Call(None), status=status.HTTP_500_INTERNAL_SERVER_ERROR, errors=SERVER_ERROR)
    return refusal, encode(visit.envelope.close(refusal)).decode()


PLAIN = Plain()


class DirectVisit:
    """An event whose handler is known, that nothing guards, and that is not answered."""

    call = Call(None)

    def __init__(
        self, connection: Connection, event: str, target: Target, envelope: Envelope = PLAIN
    ) -> None:
        self.connection = connection
        self.event = event
        self.target = target
        self.envelope = envelope

    def get_call(self) -> Call:
        return self.call

    def get_target(self) -> Target:
        return self.target

    def check_permissions(self) -> None:
        return None

    def check_throttles(self) -> None:
        return None

    def get_reply(self, result: Any) -> None:
        return None

    def render_text(self, data: Any) -> str:
        return encode(data).decode()

    def handle_exception(self, error: Exception) -> Reply:
        return refuse(self, error)


# What a client learns of an exception.


def refuse(visit: Visit, error: Exception) -> Reply:
    """An exception, by way of `EXCEPTION_HANDLER`, → the answer that tells of it."""
    refusal = api_settings.EXCEPTION_HANDLER(error, visit) or unexpected(error, visit)
    return Reply(visit.call, status=refusal.status, errors=refusal.detail)


class Refusal(NamedTuple):
    """An exception as a client may see it: DRF's `detail` (text, list or dict) and a status."""

    detail: Any
    status: int


def exception_handler(error: Exception, visit: Visit) -> Refusal | None:
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


def unexpected(error: Exception, visit: Visit) -> Refusal:
    """500: logged with the traceback; the client gets it only where `DEBUG_ERRORS` is on."""
    logger.error("%r failed on %s.", visit.connection, visit.event, exc_info=error)
    detail: Any = SERVER_ERROR
    if api_settings.DEBUG_ERRORS:
        lines = [_printable(line) for line in traceback.format_exception(error)]
        detail = {"detail": lines[-1].strip(), "traceback": "".join(lines)}
    return Refusal(detail, status.HTTP_500_INTERNAL_SERVER_ERROR)


SERVER_ERROR = _("A server error occurred.")


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
