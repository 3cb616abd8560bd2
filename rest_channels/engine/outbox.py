"""What a connection still has to send: bounded, in order, and nobody else waits for it.

`put` never blocks. What it returns says whether there is room: in `async def` awaiting it is
backpressure, in a thread the call itself waits. Who sends on and on without awaiting gets an
error once the box is full. What a group says is offered instead: refused when there is no room.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ..concurrency.awaitables import DONE, Sent
from ..concurrency.serial_queue import EAGER, cancel_tasks, start_task
from ..exceptions import OutboxFull

__all__ = ["Outbox", "accept_message", "close_message", "frame_message"]

logger = logging.getLogger("rest_channels")

Message = dict[str, Any]


class Outbox:
    """The way out of one connection.

    In: `send`, ASGI's; `limit`, in bytes; `failed`, to be called when `send` fails. It begins held:
    nothing leaves before `release`. A message larger than the whole box is taken when the box is
    empty.
    """

    __slots__ = (
        "_entering",
        "_lock",
        "_loop",
        "_overdrawn",
        "_task",
        "_wake",
        "busy",
        "closed",
        "failed",
        "items",
        "limit",
        "size",
        "transmit",
        "waiters",
    )

    def __init__(
        self, send: Callable[[Any], Awaitable[None]], limit: int, failed: Callable[[], None]
    ) -> None:
        self.items: list[tuple[Message, int]] = []
        self.limit = limit
        self.size = 0
        self.busy = True  # something is being sent; at first: held
        self.closed = False
        self.transmit = send
        self.failed = failed
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[None] | None = None
        self.waiters: list[asyncio.Future[None]] = []
        self._overdrawn = False
        self._entering = 0  # bytes on their way here from threads
        self._lock = threading.Lock()

    # What comes in.

    def put(self, message: Message, size: int) -> Sent:
        """Queue `message` on the loop. Raises `OutboxFull` for the second un-awaited overflow."""
        if self.offer(message, size):
            return DONE
        if self._overdrawn:
            raise OutboxFull(
                f"The client has not read {self.size} bytes yet (limit {self.limit}): await what "
                "you send, so that the handler waits for its client."
            )
        self._overdrawn = True
        self._append(message, size)
        return Sent(self._room)

    def put_from_thread(self, message: Message, size: int) -> Sent:
        """Queue `message` from a thread; returns when there is room for more."""
        with self._lock:
            self._entering += size
        self._loop.call_soon_threadsafe(self._enter, message, size)
        if self.size + self._entering > self.limit:
            asyncio.run_coroutine_threadsafe(self._room(), self._loop).result()
        return DONE

    def offer(self, message: Message, size: int) -> bool:
        """Queue `message` if there is room for it; whether there was."""
        if self.size and self.size + size > self.limit:
            return False
        self._append(message, size)
        return True

    def add(self, message: Message) -> None:
        """Queue `message` in any case (to close)."""
        self._append(message, 0)

    def _enter(self, message: Message, size: int) -> None:
        with self._lock:
            self._entering -= size
        self._append(message, size)

    def _append(self, message: Message, size: int) -> None:
        if self.closed:
            return
        self.items.append((message, size))
        self.size += size
        if not self.busy:
            self.begin()

    async def _room(self) -> None:
        """Wait until the box is within its limit again, or closed."""
        self._overdrawn = False
        while self.size > self.limit and not self.closed:
            waiter = self._loop.create_future()
            self.waiters.append(waiter)
            await waiter

    # What goes out.

    def release(self, first: Message) -> None:
        """Begin to send, with `first` before all that is queued."""
        self.items.insert(0, (first, 0))
        self.begin()

    def refuse(self, message: Message) -> None:
        """Send nothing but `message`: the connection ends before it began."""
        self.items.clear()
        self.size = 0
        self.release(message)

    async def write(self, message: Message, size: int) -> None:
        """Send `message` in the running task, if nothing is before it; else queue it and wait."""
        if self.busy or self.closed:
            await self.put(message, size)
            return
        self.busy = True
        self.size += size
        try:
            await self.transmit(message)
        except asyncio.CancelledError:
            self.interrupted(message, size)
            raise
        except Exception as error:  # noqa: BLE001 - servers have many ways to say that nobody is there
            self.fail(error)
        else:
            self.size -= size
        self.busy = False
        if self.items or self.waiters:
            self.begin()

    def interrupted(self, message: Message, size: int) -> None:
        """Whoever sent `message` is gone, the client is not: a task of the box sends it."""
        if not self.closed:
            self.items.insert(0, (message, size))
            self.begin()

    async def _write(self) -> None:
        """Send all that is queued."""
        try:
            while self.items:
                batch, self.items = self.items, []
                for message, size in batch:
                    await self.transmit(message)
                    self.size -= size
        except Exception as error:  # noqa: BLE001 - as in `write`
            self.fail(error)
        finally:
            self.busy = False
            self._wake_waiters()

    if EAGER:

        def begin(self) -> None:
            """Send what is queued, in a task of its own."""
            self.busy = True
            task = start_task(self._write(), self._loop)
            if not task.done():
                self._task = task

    else:
        # One writer for the connection's life, woken when there is something to write: on 3.11
        # a new task for each message costs six times as much.

        def begin(self) -> None:
            self.busy = True
            if self._task is None:
                self._task = start_task(self._serve(), self._loop)
            elif self._wake is not None and not self._wake.done():
                self._wake.set_result(None)

        async def _serve(self) -> None:
            while True:
                await self._write()
                self._wake = self._loop.create_future()
                await self._wake

    # The end.

    def own_task(self, task: asyncio.Task[None]) -> None:
        """`task` waits for this client: it ends with the connection."""
        self._task = task

    async def emptied(self) -> None:
        """Wait until all is sent, or nothing can be."""
        while self.busy and not self.closed:
            waiter = self._loop.create_future()
            self.waiters.append(waiter)
            await waiter

    async def stop(self) -> None:
        """Drop what is left and end the writer."""
        self._shut()
        if self._task is not None and not self._task.done():
            await cancel_tasks({self._task}, 0.5)

    def fail(self, error: Exception) -> None:
        """Whatever was not sent will not be: mostly because the client has gone."""
        logger.debug("Sending ended: %r", error)
        self._shut()
        self.failed()

    def _shut(self) -> None:
        self.closed = True
        self.items.clear()
        self.size = 0
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        if self.waiters:
            waiters, self.waiters = self.waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)


def accept_message(subprotocol: str | None, headers: Iterable[tuple[bytes, bytes]]) -> Message:
    """ASGI's message to accept the handshake."""
    return {"type": "websocket.accept", "subprotocol": subprotocol, "headers": list(headers)}


def frame_message(text: str | None, data: bytes | None) -> Message:
    """ASGI's message for one frame. Text goes before bytes."""
    if text is not None:
        return {"type": "websocket.send", "text": text}
    return {"type": "websocket.send", "bytes": data or b""}


def close_message(code: int, reason: str) -> Message:
    """ASGI's message to close; of `reason` the 123 bytes that fit (RFC 6455, 5.5.1)."""
    short = reason.encode(errors="replace")[:123].decode(errors="ignore")
    return {"type": "websocket.close", "code": int(code), "reason": short}
