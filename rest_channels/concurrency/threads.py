"""The thread pool in which `def` handlers and the ORM run.

asgiref has one thread for all thread-sensitive code of a process, so one slow query delays every
connection. Here each handler *leases* a thread when it first needs one and returns it when it ends.
All its work in threads, such as async queries, then uses one database connection. `execution`
decides what runs in a thread: `def` handlers do.

A lease gets a free thread, or a new one if there are fewer than `MAX_THREADS`. Else it shares one
whose other leases run nothing now. If there is none, the work waits.

Handshakes have threads of their own (`HANDSHAKE_THREADS`), so slow handlers do not delay them.
"""

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from asgiref.sync import SyncToAsync

from ..settings import api_settings
from . import database_connections

__all__ = ["ThreadLease", "ThreadPool", "WorkItem", "current_thread_lease", "thread_pool"]

CLEANUP_INTERVAL = 1.0
"""Seconds between two checks of a thread for obsolete database connections."""

IDLE_TIMEOUT = 10.0
"""Seconds after which a thread without work ends."""


class LeaseOwner(Protocol):
    """Runs one handler after another. Each has the lease while its owner is `busy`."""

    busy: bool


class ThreadLease:
    """The claim of one running handler on a thread, from its first work item on.

    An `urgent` lease gets a thread beyond `MAX_THREADS` if no thread is free. A lease for a
    handshake gets one of the threads for handshakes.
    """

    __slots__ = ("_ended", "for_handshake", "owner", "thread", "urgent")

    def __init__(self, *, urgent: bool = False, for_handshake: bool = False) -> None:
        self.thread: _Thread | None = None
        self.urgent = urgent
        self.for_handshake = for_handshake
        self.owner: LeaseOwner | None = None
        self._ended = False

    @property
    def is_used(self) -> bool:
        """Whether the thread will be released: by the owner, or by `end`."""
        return not self._ended if self.owner is None else self.owner.busy

    def release(self) -> None:
        """Return the thread. Abandoned work that still runs there keeps it busy."""
        if self.thread is not None:
            thread_pool.release(self)

    def end(self, _future: object = None) -> None:
        """Return the thread, and get no other one."""
        self._ended = True
        self.release()


current_thread_lease: ContextVar[ThreadLease | None] = ContextVar(
    "rest_channels_lease", default=None
)


class WorkItem:
    """A function on its way to a thread, and its result on its way back to the event loop."""

    __slots__ = (
        "_error",
        "_function",
        "_has_own_lease",
        "_result",
        "future",
        "is_first",
        "lease",
        "loop",
    )

    def __init__(self, function: Callable[[], Any], lease: ThreadLease | None) -> None:
        """Without a `lease` it gets its own, until the function has ended."""
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.is_first = False  # of its lease
        self.lease = lease or ThreadLease()
        self._has_own_lease = lease is None
        self._function: Callable[[], Any] | None = function
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Call the function, unless its result is no longer awaited. To be called in the thread."""
        function, self._function = self._function, None
        if function is None or self.future.cancelled():
            return
        try:
            self._result = function()
        except (StopIteration, GeneratorExit, SystemExit, KeyboardInterrupt) as error:
            # A future cannot hold StopIteration. The others would end the event loop.
            self._error = RuntimeError(f"A handler raised {error!r}.")
            self._error.__cause__ = error
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            self._error = error

    def deliver(self) -> None:
        """Give the result to the event loop. To be called in the thread, after `run`."""
        if self._has_own_lease:
            self.lease.end()
        try:
            self.loop.call_soon_threadsafe(self._arrive)
        except RuntimeError:  # the loop is closed
            return

    def _arrive(self) -> None:
        result, error, future = self._result, self._error, self.future
        del self._result, self._error, self.future  # an error's traceback refers to this item
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


class ThreadPool:
    """All threads of a process, and their assignment to leases."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[_Thread] = []
        self._waiting: dict[bool, deque[WorkItem]] = {False: deque(), True: deque()}

    def reset(self) -> None:
        """Start again without threads: a fork copies this object, but no threads."""
        for thread in self._all:
            thread.is_lost = True
        self.__init__()  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self._all)

    def submit(self, work: WorkItem) -> None:
        """Run `work` in its lease's thread, or choose a thread for it."""
        with self._lock:
            if work.lease.thread is not None and work.lease.thread.is_lost:
                work.lease.thread = None
            thread = work.lease.thread or self._choose(work.lease)
            if thread is None:
                self._waiting[work.lease.for_handshake].append(work)
            else:
                self._assign(thread, work)

    def release(self, lease: ThreadLease) -> None:
        """End `lease`'s claim on its thread."""
        with self._lock:
            if lease.thread is not None:
                lease.thread.leases -= 1
                lease.thread = None

    def finished(self, thread: "_Thread") -> None:
        """Note that `thread` has run one item, and give it the one that has waited longest."""
        with self._lock:
            thread.jobs -= 1
            waiting = self._waiting[thread.for_handshakes]
            while not thread.jobs and waiting:
                work = waiting.popleft()
                if not work.future.cancelled():  # its lease has ended
                    self._assign(work.lease.thread or thread, work)

    def remove_if_idle(self, thread: "_Thread") -> bool:
        """Remove `thread` if it has no work and no lease. Return whether it was removed."""
        with self._lock:
            if thread.jobs or thread.leases:
                return False
            if thread in self._all:  # else `shutdown` has removed it
                self._all.remove(thread)
            return True

    def shutdown(self, timeout: float = 1.0) -> None:
        """End the idle threads, and wait at most `timeout` seconds for each."""
        with self._lock:
            ending = [thread for thread in self._all if not thread.jobs and not thread.leases]
            for thread in ending:
                self._all.remove(thread)
                thread.inbox.put(None)
        for thread in ending:
            thread.join(timeout)

    def _choose(self, lease: ThreadLease) -> "_Thread | None":
        for_handshake = lease.for_handshake
        for thread in self._all:
            if not thread.jobs and not thread.leases and thread.for_handshakes == for_handshake:
                return thread
        share = [thread for thread in self._all if thread.for_handshakes == for_handshake]
        limit = api_settings.HANDSHAKE_THREADS if for_handshake else api_settings.MAX_THREADS
        if lease.urgent or len(share) < limit:
            thread = _Thread(self, for_handshake)
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads
                if not share:
                    raise
            else:
                self._all.append(thread)
                return thread
        free = [thread for thread in share if not thread.jobs]
        return min(free, key=lambda thread: thread.leases, default=None)

    def _assign(self, thread: "_Thread", work: WorkItem) -> None:
        if work.lease.thread is None:
            work.is_first = True
            work.lease.thread = thread
            thread.leases += 1
        thread.jobs += 1
        thread.inbox.put(work)


class _Thread(threading.Thread):
    """One thread with its work items and database connections."""

    def __init__(self, owner: ThreadPool, for_handshakes: bool) -> None:
        super().__init__(name="rest_channels", daemon=True)
        self.owner = owner
        self.for_handshakes = for_handshakes
        self.is_lost = False  # a fork has not copied it
        self.inbox: SimpleQueue[WorkItem | None] = SimpleQueue()
        self.jobs = 0  # submitted and not finished
        self.leases = 0  # of handlers that may submit more
        self.cleaned_at = 0.0

    def run(self) -> None:
        try:
            while (work := self._next()) is not None:
                self._clean_connections(max_leases=1 if work.is_first else 0)
                work.run()
                self.owner.finished(self)
                work.deliver()  # last: the loop's thread and this one compete from now on
                del work  # an idle thread must not keep the handler's objects alive
        finally:
            database_connections.close_all()

    def _next(self) -> WorkItem | None:
        """Return the next work item, or `None` to end the thread."""
        idle_since = time.monotonic()
        while True:
            try:
                return self.inbox.get(timeout=CLEANUP_INTERVAL)
            except Empty:
                self._clean_connections(max_leases=0)
                if time.monotonic() - idle_since > IDLE_TIMEOUT and self.owner.remove_if_idle(self):
                    return None

    def _clean_connections(self, max_leases: int) -> None:
        """Close the database connections that are obsolete, as Django does after each request.

        Checking all takes a query, so it is done once per `CLEANUP_INTERVAL`. A connection that a
        handler left in a bad state is closed at once. With more than `max_leases` only broken ones
        are closed: a handler may still be iterating over rows.
        """
        if self.leases > max_leases:
            database_connections.close_broken()
            return
        now = time.monotonic()
        if now - self.cleaned_at >= CLEANUP_INTERVAL:
            database_connections.close_obsolete()
            self.cleaned_at = now
        else:
            database_connections.close_in_bad_state()


thread_pool = ThreadPool()


def _reset_threads() -> None:
    """Replace the pool and asgiref's single thread, which a fork has not copied."""
    thread_pool.reset()
    SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)


os.register_at_fork(after_in_child=_reset_threads)
