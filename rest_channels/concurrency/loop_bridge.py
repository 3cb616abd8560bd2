"""The event loop of a connection: calls to it from threads, and the tasks it runs there."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .awaitables import DONE, Sent
from .serial_queue import cancel_tasks, start_task

__all__ = ["LoopBridge"]

T = TypeVar("T")


class LoopBridge:
    """Calls and tasks on `loop`, which runs in `thread`. Unless noted, usable from any thread."""

    __slots__ = ("_tasks", "_thread", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        self.loop = loop
        self._thread = thread  # as `threading.get_ident` returns it
        self._tasks: set[asyncio.Task[Any]] | None = None

    def on_loop(self) -> bool:
        """Return whether this is the loop's own thread."""
        return threading.get_ident() == self._thread

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function` on the loop and return its result. A thread also awaits a `Sent`."""
        if self.on_loop():
            return function(*args)

        async def call_and_await() -> T:
            result = function(*args)
            if isinstance(result, Sent):
                await result
            return result

        return asyncio.run_coroutine_threadsafe(call_and_await(), self.loop).result()

    def start_or_wait(self, work: Coroutine[Any, Any, Any]) -> Sent:
        """Start `work`, to be cancelled by `end`. A thread waits until it is done."""
        if not self.on_loop():
            asyncio.run_coroutine_threadsafe(work, self.loop).result()
            return DONE
        task = self.begin(work)
        if task.done():
            task.result()
            return DONE
        return Sent(lambda: asyncio.shield(task))

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start `work`, to be cancelled by `end`. To be called on the loop."""
        task = start_task(work, self.loop)
        if not task.done():
            if self._tasks is None:
                self._tasks = set()
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return task

    @property
    def running_tasks(self) -> set[asyncio.Task[Any]]:
        """The tasks that `begin` has started, and that run. To be used on the loop."""
        return set(self._tasks or ())

    async def end(self, timeout: float) -> None:
        """Cancel the running tasks and those that they begin, for at most `timeout` seconds."""
        deadline, cancelled = self.loop.time() + timeout, set[asyncio.Task[Any]]()
        while (tasks := self.running_tasks - cancelled) and self.loop.time() < deadline:
            cancelled |= tasks
            await cancel_tasks(tasks, deadline - self.loop.time())
