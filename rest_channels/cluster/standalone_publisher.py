"""Sends messages from a process that serves no sockets: WSGI views, Celery tasks, the shell.

One thread per process owns one event loop and one link. It is a thread of the system even where
gevent or eventlet make greenlets of threads. The thread starts with the first message
and ends with the process, which waits up to three seconds for queued messages. The link is closed
while it is not used.
"""

import asyncio
import atexit
import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextvars import Context
from typing import Any, TypeVar

from django.core.signals import setting_changed

from ..concurrency.os_thread import OSThread, new_event_loop, run_in_loop
from ..protocol.messages import Event
from .layer import BROKER_TIMEOUT
from .link import Link, PacketReceiver
from .nodes import new_node
from .packets import Packet

__all__ = ["OutgoingPacket", "Publisher", "publisher"]

IDLE_TIMEOUT = 30.0
"""Seconds without a message after which the link is closed."""


T = TypeVar("T")

OutgoingPacket = tuple[str, Event | Packet]
"""A group, and what to send to it."""


class Publisher:
    """The publishing thread. All public methods may be called from any thread."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again without a thread: a fork copies this object, but no threads."""
        self._lock = threading.RLock()  # a signal handler may interrupt its holder and publish
        self._thread: OSThread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: Link | None = None
        self._used_at = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self.on_stop: list[Callable[[], Awaitable[None]]] = []
        """Awaited before the link is closed, because it is not used, or the process ends."""

    def send(self, packets: Sequence[OutgoingPacket]) -> "Future[None]":
        """Send `packets`. The future is done when they are sent or lost."""
        return self._start(self._send(packets))

    def send_command(self, node: str, command: str, *args: Any) -> "Future[bool]":
        """Let `node` run `command`. The future's result says whether it did."""
        return self._start(self._send_command(node, command, *args))

    def run(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run `work`, which may send, in the thread's loop, and not in the context of the caller.

        That has what asgiref knows of the caller's thread, which waits.
        """
        return Context().run(self._start, self._run(work))

    def flush(self) -> "Future[None] | None":
        """Return a future for everything queued now, or `None` if there is no thread."""
        with self._lock:
            if self._loop is None:
                return None
            return run_in_loop(self._flush(), self._loop)

    def stop(self) -> None:
        """Send what is queued, and end the thread."""
        with self._lock:
            thread, loop, self._thread, self._loop = self._thread, self._loop, None, None
        if thread is not None and loop is not None:
            with contextlib.suppress(TimeoutError):
                closing = run_in_loop(self._close_link(), loop)
                closing.result(3 * BROKER_TIMEOUT)
            self.on_stop.clear()  # what is stopped belongs to the loop, which ends
            self._idle_timer = None
            loop.call_soon_threadsafe(loop.stop)
            thread.join(BROKER_TIMEOUT)

    def _start(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        with self._lock:
            if self._loop is None:
                self._loop = new_event_loop()
                self._thread = OSThread(_run, self._loop, name="rest_channels_publisher")
                self._thread.start()
            return run_in_loop(work, self._loop)

    # On the thread's loop.

    async def _send(self, packets: Sequence[OutgoingPacket]) -> None:
        sender = self._get_link().sender
        for packet in packets:
            sender.put(*packet)
        await sender.flush()

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        self._note_use()
        return await work

    async def _flush(self) -> None:
        if self._link is not None:
            await self._link.sender.flush()

    async def _send_command(self, node: str, command: str, *args: Any) -> bool:
        return await self._get_link().send_command(node, command, *args)

    def _get_link(self) -> Link:
        self._note_use()
        if self._link is None:
            self._link = Link(new_node(), PacketReceiver())
        return self._link

    def _note_use(self) -> None:
        self._used_at = time.monotonic()
        if self._idle_timer is None:
            loop = asyncio.get_running_loop()
            self._idle_timer = loop.call_later(IDLE_TIMEOUT, self._close_if_idle)

    def _close_if_idle(self) -> None:
        loop = asyncio.get_running_loop()
        remaining = self._used_at + IDLE_TIMEOUT - time.monotonic()
        if remaining > 0:
            self._idle_timer = loop.call_later(remaining, self._close_if_idle)
        else:
            self._idle_timer = None
            self._closing = loop.create_task(self._close_link())

    async def _close_link(self) -> None:
        for stop in self.on_stop:
            await stop()
        link, self._link = self._link, None
        if link is not None:
            await link.stop()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


publisher = Publisher()


def _stop_publisher(*, setting: str, **kwargs: Any) -> None:
    if setting == "CHANNEL_LAYERS":
        publisher.stop()


setting_changed.connect(_stop_publisher)
atexit.register(publisher.stop)
os.register_at_fork(after_in_child=publisher.reset)
