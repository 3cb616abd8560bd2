"""The bounded queue of messages that one connection has to send.

`put` does not wait: await its result for back-pressure. `put_from_thread` waits. A handler that
keeps sending without awaiting gets an error once the outbox is full. Group messages are passed to
`put_if_room`. Without room, `Connection` closes the slow client with 4503.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..client_logs import log_for_client
from ..concurrency.awaitables import DONE, Sent
from ..concurrency.execution import empty_context
from ..concurrency.tasks import EAGER_TASKS, cancel_tasks, start_task
from ..exceptions import CloseCode, OutboxFull, UnsendableFrame
from ..protocol.asgi_messages import FRAME_ERRORS, Message, UnlessRefused, close_message

__all__ = ["Outbox"]

logger = logging.getLogger("rest_channels")


class OutboxOwner(Protocol):
    """The connection of an outbox."""

    def start_close_timer(self) -> None:
        """Give the client a while to disconnect."""


@dataclass(eq=False, repr=False, slots=True)
class Outbox:
    """Sends the messages of one connection in order. Nothing is sent before `start`.

    `limit` bytes may be queued, or one larger message. `transmit` is ASGI's `send`; `owner` is told
    if it fails, until the end. All outboxes of a hub have one `lock`, for what threads count.
    """

    transmit: Callable[[Any], Awaitable[None]]
    limit: int
    owner: OutboxOwner | None
    loop: asyncio.AbstractEventLoop
    lock: threading.Lock
    started: bool = False
    items: list[tuple[Message, int]] = field(default_factory=list)
    size: int = 0
    busy: bool = True  # a message is being sent, or nothing may be sent before `start`
    closed: bool = False
    waiters: tuple[asyncio.Future[None], ...] = ()
    _task: asyncio.Task[None] | None = None
    _wake: asyncio.Future[None] | None = None
    _overflowed: bool = False  # a result of `put` has to be awaited
    _arriving: int = 0  # bytes that threads have sent and the loop has not queued yet

    @property
    def half(self) -> float:
        """Half of `limit`. Before `start` nothing is sent, and nothing waits for it."""
        return self.limit // 2 if self.started else float("inf")

    @property
    def is_sending_answer(self) -> bool:
        """Whether a call sends in its own task, in `send`, and no writer does."""
        waits = self._wake is not None and not self._wake.done()
        no_writer = self._task is None or self._task.done() or waits
        return self.busy and self.started and no_writer

    # Queueing.

    def put(self, message: Message, size: int) -> Sent:
        """Queue `message` on the loop. Raise `OutboxFull` if an overflow was not awaited.

        Awaiting the result leaves half of the limit to messages of groups, which cannot wait.
        """
        if self.put_if_room(message, size):
            return Sent(self._wait_for_room) if self.size and self.size > self.half else DONE
        sent = self.note_overflow()
        self.put_without_limit(message, size)
        return sent

    def note_overflow(self) -> Sent:
        """Note a message without room. Return what waits for room, or raise `OutboxFull`."""
        if self._overflowed:
            raise OutboxFull(
                f"The client has not read {self.size} bytes yet (limit {self.limit}): await what "
                "you send, so that the handler waits for its client."
            )
        self._overflowed = True
        return Sent(self._wait_for_room)

    def put_from_thread(self, message: Message, size: int) -> Sent:
        """Queue `message` from a thread, and return when there is room for more."""
        if self.closed:  # the loop may end before it would answer
            return DONE
        with self.lock:
            self._arriving += size
        self.loop.call_soon_threadsafe(self._append_from_thread, message, size)
        if self.size + self._arriving > min(self.half, self.limit):
            asyncio.run_coroutine_threadsafe(self._wait_for_room(), self.loop).result()
        return DONE

    def put_if_room(self, message: Message, size: int) -> bool:
        """Queue `message` if there is room for it. Return whether there was."""
        if self.size and self.size + size > self.limit:
            return False
        self.put_without_limit(message, size)
        return True

    def count_if_room(self, size: int) -> bool:
        """Count a message that is queued elsewhere, if there is room for it."""
        if self.size and self.size + size > self.limit:
            return False
        self.size += size
        return True

    def put_counted(self, messages: list[tuple[Message, int]]) -> None:
        """Queue messages that were counted before."""
        if not self.closed:
            self.items += messages
            if not self.busy:
                self.start_writer()

    def mark_last(self) -> None:
        """Drop what was queued last if the client is refused. Nothing is sent yet."""
        if self.items:
            self.items[-1] = UnlessRefused(self.items[-1])

    def drop_marked(self) -> None:
        """Drop what `mark_last` has marked."""
        dropped = [item for item in self.items if isinstance(item, UnlessRefused)]
        self.items = [item for item in self.items if not isinstance(item, UnlessRefused)]
        self.size -= sum(size for _message, size in dropped)

    def _append_from_thread(self, message: Message, size: int) -> None:
        with self.lock:
            self._arriving -= size
        self.put_without_limit(message, size)

    def put_without_limit(self, message: Message, size: int = 0) -> None:
        """Queue `message`, even if there is no room."""
        if self.closed:
            return
        self.items.append((message, size))
        self.size += size
        if not self.busy:
            self.start_writer()

    async def _wait_for_room(self) -> None:
        """Wait until half of the limit is free again, or nothing is left but held messages."""
        self._overflowed = False
        while self.size > min(self.half, self.limit) and self.busy and not self.closed:
            waiter = self.loop.create_future()
            self.waiters += (waiter,)
            await waiter

    # Sending.

    def start(self, first: Message) -> None:
        """Start to send: `first`, then everything that is queued."""
        self.started = True
        self.items.insert(0, (first, 0))
        self.start_writer()

    async def open(self, first: Message) -> None:
        """Start to send: `first` in the running task, then everything that is queued."""
        self.started, self.busy = True, False
        await self.send(first, 0)

    def send_only(self, message: Message) -> None:
        """Send only `message`, which rejects the handshake."""
        self.items.clear()
        self.size = 0
        self.start(message)

    async def send(self, message: Message, size: int) -> None:
        """Send `message` in the running task if the outbox is idle. Else queue it and wait."""
        if self.busy or self.closed:
            await self.put(message, size)
            return
        self.busy = True
        self.size += size
        try:
            await self.transmit(message)
        except asyncio.CancelledError:
            self.requeue(message, size)
            raise
        except FRAME_ERRORS as error:
            self.size -= size
            if message["type"] != "websocket.accept":
                self.start_writer()
                raise UnsendableFrame(f"The server cannot send this frame: {error!r}") from error
            await self.refuse(error)  # nothing but a close may follow
        except Exception as error:  # noqa: BLE001 - each server reports a lost client differently
            self.fail(error)
        else:
            self.size -= size
        self.busy = False
        if self.items or self.waiters:
            self.start_writer()

    def requeue(self, message: Message, size: int) -> None:
        """Put `message` first in the queue again: the task that was sending it is cancelled."""
        if not self.closed:
            self.items.insert(0, (message, size))
            self.start_writer()

    async def _write_queued(self) -> None:
        try:
            while self.items:
                batch, self.items = self.items, []
                for message, size in batch:
                    if self.waiters and self.size <= self.half:
                        self._wake_next()
                    await self.transmit(message)
                    self.size -= size
        except FRAME_ERRORS as error:
            await self.refuse(error)
        except Exception as error:  # noqa: BLE001 - as in `send`
            self.fail(error)
        finally:
            self.busy = self._overflowed = False
            self._wake_waiters()

    if EAGER_TASKS:

        def start_writer(self) -> None:
            """Send everything that is queued, in a new task."""
            self.busy = True
            task = start_task(self._write_queued(), self.loop)
            if not task.done():
                self._task = task

    else:
        # One writer per connection, in a context that keeps nothing: one per message takes 6 times.
        def start_writer(self) -> None:
            self.busy = True
            if self._task is None:
                self._task = start_task(self._write_forever(), self.loop, empty_context())
            elif self._wake is not None and not self._wake.done():
                self._wake.set_result(None)

        async def _write_forever(self) -> None:
            while True:
                await self._write_queued()
                self._wake = self.loop.create_future()
                await self._wake

    # The end.

    def own_task(self, task: asyncio.Task[None]) -> None:
        """End `task`, which waits for this client, with the connection."""
        self._task = task

    def stop(self) -> Awaitable[None]:
        """Drop everything that is queued, and end the writer. Return `DONE` if none runs."""
        self._close()
        task, self._task = self._task, None  # its context has the connection
        return DONE if task is None or task.done() else cancel_tasks({task}, 0.5)

    async def refuse(self, error: Exception) -> None:
        """Close the client, because the server cannot send one of its frames."""
        text = "The server cannot send a frame. Its client is closed: %r"
        log_for_client(logger, logging.ERROR, text, error)
        self.fail(error)
        await self.try_to_close()

    async def try_to_close(self) -> None:
        """Send a close after a failed `send`, in case the client still listens."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(0.5):
                await self.transmit(close_message(CloseCode.CONNECT_FAILED, ""))

    def fail(self, error: BaseException) -> None:
        """Drop everything after a failed `send`: usually the client has gone."""
        logger.debug("Sending to a client failed: %r", error)
        self._close()
        if self.owner is not None:
            self.owner.start_close_timer()

    def _close(self) -> None:
        self.closed = True
        self.items.clear()
        self.size = 0
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        while self.waiters:
            self._wake_next()

    def _wake_next(self) -> None:
        """Wake the caller that has waited longest, so that callers send in turn."""
        while self.waiters:
            waiter, *later = self.waiters
            self.waiters = tuple(later)
            if not waiter.done():  # its task may have been cancelled
                waiter.set_result(None)
                break
