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
from ..concurrency.serial_queue import current_queue
from ..exceptions import CloseCode, HandlerTimeout
from ..protocol.messages import Call, Reply
from ..renderers import encode
from .access import forget_permissions
from .errors import SERVER_ERROR, as_exception
from .invocation import Invocation

__all__ = ["dispatch"]

logger = logging.getLogger("rest_channels")


async def dispatch(invocation: Invocation) -> None:
    """Lead `invocation` through its steps, and send the answer."""
    connection = invocation.connection
    forget_permissions(connection.scope.get("user"))
    try:
        invocation.call = invocation.get_call()
        handler, args, kwargs = invocation.get_target()
        if (check := invocation.check_permissions()) is not None:
            await check
        if (check := invocation.check_throttles()) is not None:
            await check
        connection.connect_called = True
        if is_async(handler):
            result = await handler(*args, **kwargs)
        else:
            result = await run(handler, *args, **kwargs)
        reply = invocation.get_reply(result)
        text = (
            None if reply is None else invocation.render_text(invocation.dialect.build_reply(reply))
        )
    except asyncio.CancelledError as error:
        await send_error(invocation, _meaning(error))
    except (AcceptConnection, DenyConnection, StopConsumer) as wish:
        (connection.accept if isinstance(wish, AcceptConnection) else connection.close)()
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - the one place that turns errors into answers
        await send_error(invocation, as_exception(error))
    else:
        if text is not None:
            await connection.answer(text)


def _meaning(error: asyncio.CancelledError) -> Exception:
    """What a cancellation means for the client."""
    return HandlerTimeout() if current_queue.get().take_timeout() else as_exception(error)


async def send_error(invocation: Invocation, error: Exception) -> None:
    """Send a refusal; a connection whose `connect` failed ends with it.

    Nobody asked for an event, so nobody is told when its handler fails: that is logged.
    """
    connection = invocation.connection
    refusal, text = _refusal(invocation, error)
    if invocation.event == "event":
        return
    if invocation.event == "connect":
        connection.accept()
    await connection.answer(text)
    if invocation.event == "connect":
        said = refusal.errors
        words = str(said) if isinstance(said, str | Promise) else encode(said).decode()
        connection.close(CloseCode.for_status(refusal.status), words)


def _refusal(invocation: Invocation, error: Exception) -> tuple[Reply, str]:
    """The answer that tells of `error`, rendered: without its id, or as a bare 500, if it must."""
    try:
        refusal = invocation.handle_exception(error)
        with contextlib.suppress(TypeError):
            return refusal, invocation.render_text(invocation.dialect.build_reply(refusal))
        refusal = refusal._replace(call=Call(None))
        return refusal, invocation.render_text(invocation.dialect.build_reply(refusal))
    except Exception:
        logger.exception("%r: a refusal failed itself.", invocation.connection)
    refusal = Reply(Call(None), status=status.HTTP_500_INTERNAL_SERVER_ERROR, errors=SERVER_ERROR)
    return refusal, encode(invocation.dialect.build_reply(refusal)).decode()
