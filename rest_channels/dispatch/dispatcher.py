"""The road in: one frame, from its arrival to its answer.

Every refusal is an exception and is caught here, once. It becomes a reply in the dialect of the
frame, under its id; the connection lives on. Only where a *connect* is refused does it end, after
the client was told why, because a browser cannot read a refused handshake.
"""

import asyncio
import contextlib
import logging

from channels.exceptions import AcceptConnection, DenyConnection, StopConsumer
from django.utils.functional import Promise
from rest_framework import status

from ..concurrency.execution import is_async, run
from ..concurrency.serial_queue import current_lane
from ..exceptions import CloseCode, HandlerTimeout
from ..protocol.messages import Call, Reply
from ..renderers import encode
from .access import forget_permissions
from .errors import SERVER_ERROR, as_exception
from .invocation import Visit

__all__ = ["dispatch"]

logger = logging.getLogger("rest_channels")


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
