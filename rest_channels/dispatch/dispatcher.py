"""Run the steps of one event, from its arrival to its answer.

Every error of the steps and the handler is answered here, in the dialect of the frame and under
its id. The connection stays open. Only an error in `connect` closes it. Then the handshake is
accepted and the client receives the error first, because browsers cannot read a rejected handshake.

An action of an `AsyncAPIConsumer` answers its own errors (`handle_exception`), except timeouts and
`SystemExit`.
"""

import asyncio
import contextlib
import logging
from inspect import isawaitable
from typing import Any

from channels.exceptions import AcceptConnection, DenyConnection, StopConsumer
from django.core.exceptions import SynchronousOnlyOperation
from django.utils.functional import Promise
from rest_framework import status

from ..client_logs import log_for_client
from ..concurrency.execution import explain_query, is_async, render_in_thread, run
from ..concurrency.serial_queue import current_queue, outlast_deadline, outlasts_deadline
from ..engine.connection import OPEN, State
from ..engine.identity_waits import wait_for_identity
from ..exceptions import CloseCode, HandlerTimeout, UnsendableFrame
from ..protocol.messages import Call, Reply, encoded_size
from ..renderers import encode_text
from ..request import SocketRequest
from .errors import SERVER_ERROR, as_exception, log_refusal
from .invocation import PLAIN_DIALECT, DirectInvocation, Invocation
from .results import refuse_http_response
from .view_permissions import forget_permissions

__all__ = ["answer_error", "call_own_dispatch", "dispatch"]

logger = logging.getLogger("rest_channels")


async def dispatch(invocation: Invocation) -> None:
    """Run the steps of `invocation`, and send the answer."""
    connection = invocation.connection
    try:
        if connection.identity_check is not None or invocation.is_nested:
            await _wait_for_identity(invocation)
        forget_permissions(connection.scope.get("user"))
        handler, args, kwargs = invocation.find_handler()
        if (check := invocation.check()) is not None:
            await check
            if connection.identity_check is not None or connection.state is not OPEN:
                await _check_open(invocation)
        connection.connect_called = True
        if is_async(handler):
            result = await (handler(*args, **kwargs) if kwargs else handler(*args))
            text = _render(invocation, handler, result)
        else:
            text = await render_in_thread(invocation.render_result, handler, *args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - whatever a handler raises is answered
        await answer_error(invocation, error)
    else:
        try:
            await connection.answer(text)
        except asyncio.CancelledError:
            if not outlasts_deadline():
                raise
        except TypeError as error:  # a frame cannot carry it, or the server cannot send it
            await answer_error(invocation, error)
    finally:
        invocation.on_answered()


def _render(invocation: Invocation, handler: Any, result: Any) -> str | None:
    """Return the answer to the `result` of an `async def` handler, which may not query."""
    try:
        return invocation.render_result(result)
    except (SynchronousOnlyOperation, TypeError) as error:
        explain_query(error, handler)
        raise


class _Closed(Exception):
    """The connection was closed before the handler was called."""


async def answer_error(invocation: Invocation, error: BaseException) -> None:
    """Answer what a step has raised. Raise it if the handler of another event has to answer it."""
    try:
        if isinstance(error, _Closed):
            return
        if (answer := invocation.answer_error(error)) is not None:
            try:
                await answer
            except BaseException as failure:  # noqa: BLE001 - answered below
                error = failure
            else:
                return
        if invocation.is_nested:
            raise error
        connection = invocation.connection
        if isinstance(error, asyncio.CancelledError):
            await _send_error(invocation, _timeout_or(error))
        elif isinstance(error, AcceptConnection | DenyConnection | StopConsumer):
            (connection.accept if isinstance(error, AcceptConnection) else connection.close)()
        else:
            await _send_error(invocation, as_exception(error))
    finally:
        del error  # its traceback may have this frame


async def call_own_dispatch(view: Any, request: SocketRequest, *args: Any, **kwargs: Any) -> None:
    """Call `dispatch` of a view that overrides it, and answer what it raises itself.

    `view` is what `as_view()` returns.
    """
    owner, initkwargs = view.view_class, view.view_initkwargs
    dialect = initkwargs.get("dialect", owner.dialect)
    target = (owner, args, kwargs)
    invocation = DirectInvocation(request.connection, request.event, target, dialect)
    try:
        instance = owner(**initkwargs)
        invocation.target = (instance.dispatch, args, kwargs)
        result = instance.dispatch(request, *args, **kwargs)
        refuse_http_response(result, request.event)
        if not isawaitable(result):
            text = f"{owner.__name__}.dispatch() returned {result!r}: return super().dispatch(…)."
            raise TypeError(text)
        await result
    except asyncio.CancelledError as error:
        await _send_error(invocation, _timeout_or(error))
    except BaseException as error:  # noqa: BLE001 - whatever it raises is answered
        await _send_error(invocation, as_exception(error))


async def _wait_for_identity(invocation: Invocation) -> None:
    """Wait until the session, user and token are read again. Stop if this has closed it.

    A nested invocation stops also if something has closed it since the event around it began.
    """
    connection = invocation.connection
    if not invocation.is_held:
        return
    is_read_again = connection.identity_check is not None
    await wait_for_identity(connection, nested=invocation.is_nested)
    is_closed = connection.state > State.OPEN if is_read_again else connection.close_code
    if is_closed and invocation.event != "disconnect":
        raise _Closed


async def _check_open(invocation: Invocation) -> None:
    """Stop if something has closed the connection during the checks, such as a revocation."""
    connection = invocation.connection
    if invocation.is_held:
        await wait_for_identity(connection, nested=invocation.is_nested)
    if connection.state > State.OPEN:
        raise _Closed


def _timeout_or(error: asyncio.CancelledError) -> Exception:
    try:
        return HandlerTimeout() if current_queue.get().take_timeout() else as_exception(error)
    finally:
        del error


async def _send_error(invocation: Invocation, error: Exception) -> None:
    """Answer `error`, and close a connection whose `connect` failed.

    An error while a message of a group is handled is only logged, because no frame caused it. But a
    client that was too slow to read what the handler sends is closed: it would miss the rest.
    """
    connection = invocation.connection
    reply, text = await _rendered_error(invocation, error)
    if invocation.event == "event":
        if isinstance(error, HandlerTimeout) and connection.outbox.waiters:
            connection.close_slow_client()
        return
    if invocation.event == "connect":
        if reply.status < status.HTTP_500_INTERNAL_SERVER_ERROR:
            log_refusal(connection, _class_of(invocation), error)
        errors = reply.errors
        reason = str(errors) if isinstance(errors, str | Promise) else encode_text(errors)
        connection.refuse(text, CloseCode.for_status(reply.status), reason)
        return
    try:
        await outlast_deadline(connection.answer(text))
    except UnsendableFrame as unsendable:
        text = "%r: the server cannot send an error."
        log_for_client(logger, logging.ERROR, text, connection, error=unsendable)
        connection.close(CloseCode.CONNECT_FAILED)


def _class_of(invocation: Invocation) -> type:
    """Return the class that handles the event."""
    target = getattr(invocation, "target", None)  # a view is its own invocation
    return type(invocation if target is None else getattr(target[0], "__self__", target[0]))


async def _rendered_error(invocation: Invocation, error: Exception) -> tuple[Reply, str]:
    """Return the answer to `error`. If it cannot be rendered: without its id, else a bare 500.

    The 500 is in the plain dialect if the dialect itself fails.
    """
    try:
        reply = await _reply_to(invocation, error)
        with contextlib.suppress(TypeError):
            return reply, _sendable_text(invocation, reply)
        reply = reply._replace(call=Call(None))
        return reply, _sendable_text(invocation, reply)
    except Exception as failure:  # noqa: BLE001 - whatever a renderer raises is answered
        text = "%r: making the answer to an error failed."
        log_for_client(logger, logging.ERROR, text, invocation.connection, error=failure)
    reply = Reply(Call(None), status=status.HTTP_500_INTERNAL_SERVER_ERROR, errors=SERVER_ERROR)
    with contextlib.suppress(Exception):
        return reply, encode_text(invocation.dialect.build_reply(reply))
    return reply, encode_text(PLAIN_DIALECT.build_reply(reply))


async def _reply_to(invocation: Invocation, error: Exception) -> Reply:
    """Call `handle_exception`. That of a project may query, or be async."""
    handle = invocation.handle_exception
    if getattr(handle, "__module__", "").startswith("rest_channels."):
        return handle(error)
    reply: Any = await run(handle, error)
    if not isinstance(reply, Reply):
        raise TypeError(
            f"{type(invocation).__name__}.handle_exception returned {reply!r}: return what "
            "super().handle_exception(error) returns."
        )
    return reply


def _sendable_text(invocation: Invocation, reply: Reply) -> str:
    """Return `reply` as the text of a frame. Raise `TypeError` if a frame cannot carry it."""
    text = invocation.render_text(invocation.dialect.build_reply(reply))
    encoded_size(text)
    return text
