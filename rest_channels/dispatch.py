"""The road in: one frame, from its arrival to its answer.

Every refusal is an exception and is caught here, once. It becomes a reply in the dialect of the
frame, under its id; the connection lives on. Only where a *connect* is refused does it end, after
the client was told why, because a browser cannot read a refused handshake.
"""

import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from channels.exceptions import AcceptConnection, DenyConnection, StopConsumer
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions, status

from .connection import Connection, State
from .envelopes import Envelope, Plain
from .exceptions import CloseCode
from .execution import run
from .messages import Call, Reply
from .renderers import encode
from .settings import api_settings

__all__ = ["DirectVisit", "Refusal", "Target", "Visit", "dispatch", "exception_handler"]

logger = logging.getLogger("rest_channels")


Target = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A handler and its arguments."""


class Visit:
    """One event on its way to its handler. Views and consumers say what each step means.

    Every step may refuse by raising an exception of `rest_channels.exceptions` or of DRF. A step
    that has to wait returns what to wait for.
    """

    envelope: Envelope = Plain()
    call = Call(None)

    def __init__(self, connection: Connection, event: str) -> None:
        self.connection = connection
        self.event = event

    def open(self) -> Call:
        """Frame → call. 400 for what the dialect cannot read."""
        return self.call

    def route(self) -> Target:
        """Call → handler. 405 where there is none."""
        raise exceptions.MethodNotAllowed(self.event)

    def permit(self) -> Awaitable[None] | None:
        """401, 403."""
        return None

    def throttle(self) -> Awaitable[None] | None:
        """429, with `retry_after`."""
        return None

    def reply(self, result: Any) -> Reply | None:
        """What a handler returned → the answer, or none."""
        return None

    def render(self, content: Any) -> str:
        """What the envelope made → the text of a frame."""
        return encode(content).decode()

    def refuse(self, error: Exception) -> Reply:
        """An exception → the answer that tells of it."""
        refusal = api_settings.EXCEPTION_HANDLER(error, self) or unexpected(error, self)
        return Reply(self.call, status=refusal.status, errors=refusal.detail)


class DirectVisit(Visit):
    """An event whose handler is known, and that nothing guards."""

    def __init__(self, connection: Connection, event: str, target: Target) -> None:
        super().__init__(connection, event)
        self.target = target

    def route(self) -> Target:
        return self.target


async def dispatch(visit: Visit) -> None:
    """Lead `visit` through its steps, and send the answer."""
    connection = visit.connection
    try:
        visit.call = visit.open()
        handler, args, kwargs = visit.route()
        if (asking := visit.permit()) is not None:
            await asking
        if (asking := visit.throttle()) is not None:
            await asking
        connection.admitted = True
        reply = visit.reply(await run(handler, *args, **kwargs))
        text = None if reply is None else visit.render(visit.envelope.close(reply))
    except AcceptConnection:
        connection.accept()
    except (DenyConnection, StopConsumer):
        connection.close()
    except Exception as error:  # noqa: BLE001 - the one place that turns errors into answers
        await tell(visit, visit.refuse(error))
    else:
        if text is not None:
            await connection.send(text=text)


async def tell(visit: Visit, refusal: Reply) -> None:
    """Send a refusal; a connection that was refused from the start ends with it."""
    connection = visit.connection
    refused = visit.event == "connect" and connection.state is State.CONNECTING
    if refused:
        connection.accept()
    await connection.send(text=visit.render(visit.envelope.close(refusal)))
    if refused:
        connection.close(CloseCode.for_status(refusal.status), str(refusal.errors))


# What a client learns of an exception.


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
    detail: Any = _("A server error occurred.")
    if api_settings.DEBUG_ERRORS:
        detail = {"detail": repr(error), "traceback": "".join(traceback.format_exception(error))}
    return Refusal(detail, status.HTTP_500_INTERNAL_SERVER_ERROR)
