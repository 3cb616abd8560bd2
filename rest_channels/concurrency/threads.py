"""The bounded threads in which `def` handlers and the ORM run.

asgiref has one thread for all thread-sensitive code of a process, so one slow query delays every
connection. Here each running handler *leases* a thread at its first need of one and gives it back
when it ends, so that whatever it does in threads (an async iteration over a queryset, say) meets
the same database connection. A thread that is free is taken first, then a new one up to
`MAX_THREADS`, then one whose leaseholder is doing something else just now; else the work waits.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..settings import api_settings

__all__ = ["Lease", "LeasingExecutor", "Threads", "current_lease", "threads"]

TIDY = 1.0
"""Seconds between two looks for obsolete database connections, in a thread that holds any."""

IDLE = 10.0
"""Seconds after which a thread without work ends."""


class Lease:
    """The claim of one running handler on one thread, bound at its first piece of work.

    In: `urgent`, whether it gets a thread beyond `MAX_THREADS` where no other is free.
    """

    __slots__ = ("thread", "urgent")

    def __init__(self, *, urgent: bool = False) -> None:
        self.thread: _Thread | None = None
        self.urgent = urgent

    def release(self) -> None:
        """Give the thread back. Work that still runs there (it was abandoned) keeps it busy."""
        if self.thread is not None:
            threads.release(self)


current_lease: ContextVar[Lease] = ContextVar("rest_channels_lease")


class LeasingExecutor(Executor):
    """The executor to hand to asgiref: it serves whichever lease the caller's context holds."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        work = _WorkItem(fn, args, kwargs, current_lease.get())
        threads.submit(work)
        return work.future


class _WorkItem:
    __slots__ = ("args", "first", "fn", "future", "kwargs", "lease")

    def __init__(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], lease: Lease
    ) -> None:
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.lease = lease
        self.first = False  # whether a handler begins with it
        self.future: Future[Any] = Future()

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.fn(*self.args, **self.kwargs)
        except (StopIteration, GeneratorExit, SystemExit, KeyboardInterrupt) as error:
            # No future can hold the first; the others would end the event loop, not the handler.
            wrapped = RuntimeError(f"A handler raised {error!r}.")
            wrapped.__cause__ = error
            self.future.set_exception(wrapped)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class Threads:
    """All the threads of a process, and who may use which."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[_Thread] = []
        self._waiting: deque[_WorkItem] = deque()

    def __len__(self) -> int:
        return len(self._all)

    def submit(self, work: _WorkItem) -> None:
        """Give `work` to its lease's thread, or choose one for it."""
        with self._lock:
            thread = work.lease.thread or self._choose(work.lease.urgent)
            if thread is None:
                self._waiting.append(work)
            else:
                self._assign(thread, work)

    def release(self, lease: Lease) -> None:
        """End `lease`'s claim on its thread."""
        with self._lock:
            if lease.thread is not None:
                lease.thread.leases -= 1
                lease.thread = None

    def finished(self, thread: "_Thread") -> None:
        """`thread` has run one piece of work: it takes the longest waiting, or is free."""
        with self._lock:
            thread.jobs -= 1
            while not thread.jobs and self._waiting:
                self._assign(thread, self._waiting.popleft())

    def remove_if_idle(self, thread: "_Thread") -> bool:
        """Whether `thread`, which found nothing to do, may end."""
        with self._lock:
            if thread.jobs or thread.leases:
                return False
            self._all.remove(thread)
            return True

    def shutdown(self, timeout: float = 1.0) -> None:
        """End the threads that have nothing to do, and wait for them `timeout` seconds."""
        with self._lock:
            ending = [thread for thread in self._all if not thread.jobs and not thread.leases]
            for thread in ending:
                self._all.remove(thread)
                thread.inbox.put(None)
        for thread in ending:
            thread.join(timeout)

    def _choose(self, urgent: bool) -> "_Thread | None":
        free = [thread for thread in self._all if not thread.jobs]
        for thread in free:
            if not thread.leases:
                return thread
        if urgent or len(self._all) < api_settings.MAX_THREADS:
            thread = _Thread(self)
            self._all.append(thread)
            thread.start()
            return thread
        return min(free, key=lambda thread: thread.leases, default=None)

    def _assign(self, thread: "_Thread", work: _WorkItem) -> None:
        if work.lease.thread is None:
            work.first = True
            work.lease.thread = thread
            thread.leases += 1
        thread.jobs += 1
        thread.inbox.put(work)


class _Thread(threading.Thread):
    """One thread, its database connections, and the work given to it."""

    def __init__(self, owner: Threads) -> None:
        super().__init__(name="rest_channels", daemon=True)
        self.owner = owner
        self.inbox: SimpleQueue[_WorkItem | None] = SimpleQueue()
        self.jobs = 0  # given and not finished
        self.leases = 0  # handlers that may come back
        self.tidied = 0.0

    def run(self) -> None:
        try:
            while (work := self._next()) is not None:
                if work.first:
                    self._tidy(leases=1)
                work.run()
                del work  # what the handler held must not live on in an idle thread
                self.owner.finished(self)
        finally:
            connections.close_all()

    def _next(self) -> _WorkItem | None:
        """The next piece of work; `None` when the thread is to end."""
        idle_since = time.monotonic()
        while True:
            try:
                return self.inbox.get(timeout=TIDY)
            except Empty:
                self._tidy(leases=0)
                if time.monotonic() - idle_since > IDLE and self.owner.remove_if_idle(self):
                    return None

    def _tidy(self, leases: int) -> None:
        """Close what `CONN_MAX_AGE` or an error made obsolete (Django does it per request).

        That takes a query, and is done once a second. What an earlier handler visibly spoiled is
        closed at once. In: how many handlers may be there. Not if there are more: one may be in the
        middle of an iteration, and come back for the rest of its rows.
        """
        if self.leases > leases:
            return
        now = time.monotonic()
        due = now - self.tidied >= TIDY
        for connection in connections.all(initialized_only=True):
            if due:
                connection.close_if_unusable_or_obsolete()
            elif _is_spoiled(connection):
                connection.close()
        if due:
            self.tidied = now


def _is_spoiled(connection: BaseDatabaseWrapper) -> bool:
    """Whether a handler left it with an error, or with autocommit otherwise than it was."""
    if connection.connection is None or connection.in_atomic_block:
        return False
    intended = connection.settings_dict["AUTOCOMMIT"]
    return connection.errors_occurred or connection.autocommit != intended


threads = Threads()
