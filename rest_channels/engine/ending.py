"""The end of a connection. Every step runs, whatever the server and the handlers do.

A server waits a limited time for an application whose client has left, and then cancels it. The
`disconnect` of the handler is then cancelled too, but all other steps still run.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ..client_logs import log_for_client
from ..concurrency.loop_bridge import LoopBridge
from ..concurrency.serial_queue import SerialQueue, start_task
from .event_queue import EventQueue
from .handler import EndedHandler, Handler
from .outbox import Outbox
from .socket_limits import SOCKET_KEY

__all__ = ["Ending"]

logger = logging.getLogger("rest_channels")

END_TIMEOUT = 0.5
"""Seconds that handlers have to end when the client has left, and again when they are cancelled."""


class EndingConnection(Protocol):
    """The parts of a connection that have to end."""

    call_queue: SerialQueue[Any]
    event_queue: EventQueue | None
    loop_bridge: LoopBridge
    outbox: Outbox
    connect_called: bool
    handler: Handler
    on_ended: tuple[Callable[[], Awaitable[None]], ...]

    def new_call_queue(self) -> SerialQueue[Any]: ...


class Ending:
    """The end of one connection."""

    def __init__(self, connection: EndingConnection) -> None:
        self._connection = connection
        self._hurry = False
        self._disconnecting: asyncio.Task[None] | None = None

    async def run(self, code: int) -> None:
        """Run all steps, in a task that the server cannot cancel. Return when they are done."""
        task = start_task(self._run(code), self._connection.loop_bridge.loop)
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
                self._hurry = True
                if self._disconnecting is not None:
                    self._disconnecting.cancel()
        _drop_references(self._connection)
        task.result()
        if cancelled is not None:
            raise cancelled

    async def _run(self, code: int) -> None:
        connection = self._connection
        await connection.call_queue.drain(END_TIMEOUT)
        for queue in (connection.call_queue, connection.event_queue):
            if queue is not None:
                await queue.stop(END_TIMEOUT)
        await connection.loop_bridge.end(END_TIMEOUT)
        if connection.connect_called and connection.handler.handles_disconnect():
            await self._call_disconnect(code)
            await connection.loop_bridge.end(END_TIMEOUT)  # what `disconnect` has started
        await connection.outbox.stop()
        for callback in connection.on_ended:
            try:
                await callback()
            except Exception as error:  # noqa: BLE001 - the other steps still have to run
                text = "%r: %r failed at the end."
                log_for_client(logger, logging.ERROR, text, connection, callback, error=error)

    async def _call_disconnect(self, code: int) -> None:
        """Call `disconnect`, and wait until it is done or the server does not wait any longer."""
        connection = self._connection
        busy = connection.call_queue.busy
        queue = connection.new_call_queue() if busy else connection.call_queue
        queue.put(code)
        if queue.busy:
            wait = queue.drain(END_TIMEOUT if self._hurry else None)
            self._disconnecting = start_task(wait, connection.loop_bridge.loop)
            await asyncio.wait({self._disconnecting})
        await queue.stop(END_TIMEOUT)


def _drop_references(connection: Any) -> None:
    """Break the cycles of an ended connection: it is freed at once, and not by the collector."""
    for queue in (connection.call_queue, connection.event_queue):
        if queue is not None:
            queue.drop_references()
    connection.groups.drop_references()
    connection.outbox.failed = _ignore
    connection.scope.owner = connection.scope.changed = None
    connection.scope.pop(SOCKET_KEY, None)
    connection.handler = EndedHandler()
    connection.is_connected = False
    connection.on_ended = connection.on_closing = connection.on_identity_changed = ()


def _ignore() -> None:
    """Do nothing."""
