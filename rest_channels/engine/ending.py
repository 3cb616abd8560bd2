"""The end of a connection. Every step runs, whatever the server and the handlers do.

A server waits a limited time for an application whose client has left, and then cancels it. The
`disconnect` of the handler is then cancelled too, but all other steps still run. They also run if
all tasks are cancelled, as `asyncio.run` does at its end: the step that runs then is interrupted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain
from typing import Any, Protocol

from ..client_logs import log_for_client
from ..concurrency.awaitables import DONE
from ..concurrency.loop_bridge import LoopBridge
from ..concurrency.serial_queue import SerialQueue
from ..concurrency.tasks import start_task
from .event_queue import EventQueue
from .handler import EndedHandler, Handler
from .outbox import Outbox

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

    def new_call_queue(self, first: SerialQueue[Any]) -> SerialQueue[Any]: ...


class Ending:
    """The end of one connection."""

    def __init__(self, connection: EndingConnection) -> None:
        self._connection = connection
        self._hurry = False
        self._disconnecting: asyncio.Task[None] | None = None
        self._new_queue: SerialQueue[Any] | None = None  # beside a call that does not end
        self._steps: Iterator[Awaitable[None]] = iter(())

    async def run(self, code: int) -> None:
        """Run all steps. Return when they are done."""
        self._steps = self._all_steps(code)
        try:
            if (step := self._next_step()) is not None:
                self._steps = chain((step,), self._steps)
                await self._run_in_task()
        finally:
            _drop_references(self._connection)
            if self._new_queue is not None:
                self._new_queue.drop_references()

    def _next_step(self) -> Awaitable[None] | None:
        """Run the steps up to the first that has to wait, and return it. Most have not to."""
        for step in self._steps:
            if step is not DONE:
                return step
        return None

    async def _run_in_task(self) -> None:
        """Run the steps that are left in a task that the server cannot cancel."""
        task = self._start()
        cancelled: asyncio.CancelledError | None = None
        while not task.done() or task.cancelled():
            if task.cancelled():  # with all tasks of the loop
                self._hurry = True
                task = self._start()
                continue
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
                self._hurry = True
                if self._disconnecting is not None:
                    self._disconnecting.cancel()
        task.result()
        if cancelled is not None:
            try:
                raise cancelled
            finally:
                del cancelled  # its traceback has this frame

    def _start(self) -> asyncio.Task[None]:
        return start_task(self._run(), self._connection.loop_bridge.loop)

    async def _run(self) -> None:
        """Run the steps that have not begun."""
        while (step := self._next_step()) is not None:
            await step

    def _all_steps(self, code: int) -> Iterator[Awaitable[None]]:
        connection, bridge = self._connection, self._connection.loop_bridge
        if connection.call_queue.busy:
            yield connection.call_queue.drain(END_TIMEOUT)
        for queue in (connection.call_queue, connection.event_queue):
            if queue is not None:
                yield queue.stop(END_TIMEOUT)
        if bridge.running_tasks:
            yield bridge.end(END_TIMEOUT)
        if connection.connect_called and connection.handler.handles_disconnect():
            queue = connection.call_queue
            if queue.busy:
                queue = self._new_queue = connection.new_call_queue(queue)
            yield self._call_disconnect(queue, code)
            yield queue.stop(END_TIMEOUT)
            if bridge.running_tasks:  # what `disconnect` has started
                yield bridge.end(END_TIMEOUT)
        yield connection.outbox.stop()
        while connection.on_ended:  # a callback may be added until the last one has ended
            callback, *others = connection.on_ended
            connection.on_ended = tuple(others)
            yield self._call_back(callback)
        connection.handler = EndedHandler()

    def _call_back(self, callback: Callable[[], Awaitable[None]]) -> Awaitable[None]:
        """Call `callback`, and return what to wait for. The other steps run whatever it raises."""
        try:
            called = callback()
        except Exception as error:  # noqa: BLE001 - logged
            self._log_failure(callback, error)
            return DONE
        return called if called is DONE else self._await_callback(callback, called)

    async def _await_callback(self, callback: object, called: Awaitable[None]) -> None:
        try:
            await called
        except Exception as error:  # noqa: BLE001 - logged
            self._log_failure(callback, error)

    def _log_failure(self, callback: object, error: Exception) -> None:
        text = "%r: %r failed at the end."
        log_for_client(logger, logging.ERROR, text, self._connection, callback, error=error)

    def _call_disconnect(self, queue: SerialQueue[Any], code: int) -> Awaitable[None]:
        """Call `disconnect`. Return what to wait for, if it is not done yet."""
        queue.put(code)
        return self._await_disconnect(queue) if queue.busy else DONE

    async def _await_disconnect(self, queue: SerialQueue[Any]) -> None:
        """Wait until `disconnect` is done or the server does not wait any longer."""
        wait = queue.drain(END_TIMEOUT if self._hurry else None)
        self._disconnecting = start_task(wait, self._connection.loop_bridge.loop)
        await asyncio.wait({self._disconnecting})


def _drop_references(connection: Any) -> None:
    """Break the cycles of an ended connection: it is freed at once, and not by the collector."""
    for queue in (connection.call_queue, connection.event_queue):
        if queue is not None:
            queue.drop_references()
    connection.groups.drop_references()
    connection.outbox.owner = None
    connection.scope.owner = connection.scope.changed = None
    connection.handler = EndedHandler()
    connection._task = None  # if it was cancelled, its error refers to the connection
    connection.is_connected = False
    connection.on_ended = connection.on_closing = connection.on_identity_changed = ()
