"""A thread of the system and its event loop, also where gevent or eventlet have patched Python.

They replace threads by greenlets, which share one thread of the system. An event loop that runs in
one of them would be the running loop of all: Django's ORM would refuse to work there. And they
replace what an event loop waits with. So both are made from modules that nothing has patched.

Their locks are made for greenlets of one thread: one that waits for another thread of the system
may wait forever. So greenlets ask again and again whether that thread is done.
"""

import _socket
import _thread
import asyncio
import importlib.util
import math
import selectors
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from functools import cache
from types import BuiltinFunctionType
from typing import Any

__all__ = ["OSThread", "new_event_loop", "run_in_loop"]

POLL_INTERVAL = 0.002
"""Seconds between two looks of a greenlet at what another thread does."""


def _is_patched() -> bool:
    return not isinstance(_thread.start_new_thread, BuiltinFunctionType)


@cache
def _unpatched(name: str) -> Any:
    """Return an instance of our own of a module that is written in C."""
    spec: Any = importlib.util.find_spec(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class OSThread:
    """A daemon thread that calls `target(*args)`, as `threading.Thread` would unpatched."""

    def __init__(self, target: Callable[..., None], *args: Any, name: str) -> None:
        self._target = target
        self._args = args
        self._ended = False
        self._name = name

    def start(self) -> None:
        if _is_patched():
            _unpatched("_thread").start_new_thread(self._run, ())
        else:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, for at most `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self._ended and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)

    def _run(self) -> None:
        try:
            self._target(*self._args)
        finally:
            self._ended = True


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop, which works in an `OSThread`."""
    return _UnpatchedEventLoop(_PollSelector()) if _is_patched() else asyncio.new_event_loop()


def run_in_loop(work: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> "Future[Any]":
    """Run `work` in the loop of another thread, as `run_coroutine_threadsafe` does unpatched."""
    if not _is_patched():
        return asyncio.run_coroutine_threadsafe(work, loop)
    future = _PolledFuture()

    def finish(task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            future.cancel()
        elif (error := task.exception()) is not None:
            future.set_exception(error)
        else:
            future.set_result(task.result())

    loop.call_soon_threadsafe(lambda: loop.create_task(work).add_done_callback(finish))
    return future


class _PolledFuture(Future[Any]):
    """A future whose lock is never waited for by greenlets."""

    def __init__(self) -> None:
        super().__init__()
        lock = _unpatched("_thread").RLock()  # held for an instant
        self._condition = threading.Condition(lock)

    def result(self, timeout: float | None = None) -> Any:
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while not self.done() and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
        return super().result(0)


class _UnpatchedEventLoop(asyncio.SelectorEventLoop):
    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        """Look up a host in this thread: an executor would run in a greenlet of this thread."""
        return _socket.getaddrinfo(host, port, family, type, proto, flags)


class _PollSelector(selectors.BaseSelector):
    """Waits for file descriptors with the `poll` of the system."""

    def __init__(self) -> None:
        self._select = _unpatched("select")
        self._poll = self._select.poll()
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = _fileno(fileobj)
        if fd in self._keys:
            raise KeyError(f"{fileobj!r} is registered already.")
        key = self._keys[fd] = selectors.SelectorKey(fileobj, fd, events, data)
        reads = self._select.POLLIN if events & selectors.EVENT_READ else 0
        writes = self._select.POLLOUT if events & selectors.EVENT_WRITE else 0
        self._poll.register(fd, reads | writes)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self.get_key(fileobj)
        del self._keys[key.fd]
        self._poll.unregister(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        milliseconds = None if timeout is None else max(math.ceil(timeout * 1000), 0)
        ready = []
        for fd, event in self._poll.poll(milliseconds):
            reads = selectors.EVENT_READ if event & ~self._select.POLLOUT else 0
            writes = selectors.EVENT_WRITE if event & ~self._select.POLLIN else 0
            if (key := self._keys.get(fd)) is not None:
                ready.append((key, (reads | writes) & key.events))
        return ready

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[_fileno(fileobj)]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


def _fileno(fileobj: Any) -> int:
    return fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
