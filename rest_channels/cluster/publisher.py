"""How a process speaks that serves no sockets: a view under WSGI, a Celery task, the shell.

One thread per process owns one loop and one link. It begins with the first word and ends with the
process, which waits a second for what is still to be said; the link rests when nobody speaks.
"""

import asyncio
import atexit
import contextlib
import os
import threading
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from typing import Any

from django.core.signals import setting_changed

from ..protocol.messages import Event
from .layer import PATIENCE
from .link import Link, PacketReceiver
from .nodes import new_node
from .packets import Packet

__all__ = ["OutgoingPacket", "Publisher", "publisher"]

IDLE = 30.0
"""Seconds without a word after which the link is given up."""


OutgoingPacket = tuple[str, Event | Packet]
"""What to say, after the group to say it to."""


class Publisher:
    """A thread to speak through. Everything public may be called from any thread."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew without a thread: a fork has copied the object, but no threads."""
        self._lock = threading.RLock()  # a signal handler may speak while we do
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: Link | None = None
        self._used = 0.0

    def say(self, words: Sequence[OutgoingPacket]) -> "Future[None]":
        """Let other processes hear them; the future is done when they are out, or lost."""
        return self._perform(self._say(words))

    def ask(self, node: str, command: str, *args: Any) -> "Future[bool]":
        """Let `node` obey; the future tells whether it did."""
        return self._perform(self._ask(node, command, *args))

    def flush(self) -> "Future[None] | None":
        """When all is out that was said until now; `None` if nobody speaks here."""
        with self._lock:
            if self._loop is None:
                return None
            return asyncio.run_coroutine_threadsafe(self._flush(), self._loop)

    def stop(self) -> None:
        """Say what waits to be said, and end the thread; within two seconds or so."""
        with self._lock:
            thread, loop, self._thread, self._loop = self._thread, self._loop, None, None
        if thread is not None and loop is not None:
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._rest(), loop).result(3 * PATIENCE)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(PATIENCE)

    def _perform(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run, args=(self._loop,), name="rest_channels_publisher", daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    # On the thread's loop.

    async def _say(self, words: Sequence[OutgoingPacket]) -> None:
        sender = self._linked().sender
        for word in words:
            sender.put(*word)
        await sender.flush()

    async def _flush(self) -> None:
        if self._link is not None:
            await self._link.sender.flush()

    async def _ask(self, node: str, command: str, *args: Any) -> bool:
        return await self._linked().ask(node, command, *args)

    def _linked(self) -> Link:
        self._used = time.monotonic()
        if self._link is None:
            self._link = Link(new_node(), PacketReceiver())
            asyncio.get_running_loop().call_later(IDLE, self._look)
        return self._link

    def _look(self) -> None:
        """Give up a link that nobody uses."""
        loop = asyncio.get_running_loop()
        left = self._used + IDLE - time.monotonic()
        if left > 0:
            loop.call_later(left, self._look)
        else:
            self._resting = loop.create_task(self._rest())

    async def _rest(self) -> None:
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


def _forget_setting(*, setting: str, **kwargs: Any) -> None:
    if setting == "CHANNEL_LAYERS":
        publisher.stop()


setting_changed.connect(_forget_setting)
atexit.register(publisher.stop)
os.register_at_fork(after_in_child=publisher.forget)
