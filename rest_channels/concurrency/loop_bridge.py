"""The event loop that a connection lives on: how threads reach it, and the tasks it owns there."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .awaitables import DONE, Sent
from .serial_queue import cancel_tasks, start_task

__all__ = ["LoopBridge"]

T = TypeVar("T")


class LoopBridge:
    """The running loop. Everything here may be used from it and from any thread."""

    __slots__ = ("_tasks", "_thread", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._tasks: set[asyncio.Task[Any]] | None = None

    def on_loop(self) -> bool:
        """Whether this is the loop's own thread."""
        return threading.get_ident() == self._thread

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call `function` on the loop and return its result; a thread waits for it.

        If that is a verb's, the thread waits for what there is to wait for.
        """
        if self.on_loop():
            return function(*args)

        async def there() -> T:
            result = function(*args)
            if isinstance(result, Sent):
                await result
            return result

        return asyncio.run_coroutine_threadsafe(there(), self.loop).result()

    def start_or_wait(self, work: Coroutine[Any, Any, Any]) -> Sent:
        """Begin `work` now; it is owned here until it ends. From a thread, wait for its end."""
        if not self.on_loop():
            asyncio.run_coroutine_threadsafe(work, self.loop).result()
            return DONE
        task = self.begin(work)
        if task.done():
            task.result()
            return DONE
        return Sent(lambda: asyncio.shield(task))

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that is owned here until it ends. To be called on the loop."""
        task = start_task(work, self.loop)
        if not task.done():
            if self._tasks is None:
                self._tasks = set()
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return task

    async def end(self, timeout: float) -> None:
        """Cancel what is still owned and wait for it at most `timeout` seconds."""
        if self._tasks:
            await cancel_tasks(self._tasks, timeout)
