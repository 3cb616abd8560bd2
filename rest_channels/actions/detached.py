"""Detached actions, which run while later frames are handled, and end with their connection."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any
from weakref import ref

from django.utils.translation import gettext as _
from rest_framework.exceptions import Throttled

from ..client_logs import log_for_client
from ..concurrency.execution import forget_held_locks, run, run_and_render, thread_lease
from ..dispatch.dispatcher import answer_error
from ..dispatch.errors import as_exception
from ..engine.connection import State
from ..engine.receiving import detached_from
from ..protocol.arguments import check_request_id
from ..settings import api_settings

__all__ = ["DetachedActions"]

logger = logging.getLogger("rest_channels")


class DetachedTasks(list["asyncio.Task[None]"]):
    """The tasks of detached actions and methods that are running."""

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            raise TypeError(
                f"detached_tasks[{index!r}]: detached_tasks is a list of tasks, not a dict. "
                "docs/migrating.md has the row 'detached_tasks'."
            )
        return super().__getitem__(index)


class DetachedActions:
    """The detached actions and methods of one consumer that are running, in `tasks`."""

    def __init__(self) -> None:
        self.tasks = DetachedTasks()

    def begin(self, invocation: Any, method: Callable[..., Any], arguments: dict[str, Any]) -> None:
        """Run the method of an action until it ends, or until its connection does.

        Raise 400 for a `request_id` that is too long to be kept. Raise 429 if `MAX_DETACHED`
        actions of this consumer are running.
        """
        check_request_id(invocation.request_id)
        task = self._begin(invocation.consumer, self._run(invocation, method, arguments))
        if task is None:
            invocation.mark_answered()
        else:
            task.add_done_callback(lambda _done: invocation.mark_answered())

    def begin_method(self, consumer: Any, result: Coroutine[Any, Any, Any]) -> None:
        """Run the coroutine of another method, under the same limit. Its errors are logged."""
        try:
            if self._begin(consumer, self._run_method(consumer, result)) is None:
                result.close()
        except Throttled:
            result.close()
            raise

    def _begin(
        self, consumer: Any, running: Coroutine[Any, Any, None]
    ) -> "asyncio.Task[None] | None":
        """Run `running`. Return `None` if the connection is closing."""
        connection = consumer._connection
        closing = connection.state is State.CLOSING
        full = len(self.tasks) >= api_settings.MAX_DETACHED
        if closing or full:
            running.close()
            if closing:
                return None
            raise Throttled(detail=_("Too much runs at the same time."))
        if self.end not in connection.on_closing:
            connection.on_closing += (self.end,)
        apart = _apart(running, detached_from.get() or _running_call(connection))
        task: asyncio.Task[None] = connection.loop_bridge.begin(apart)
        if not task.done():
            self.tasks.append(task)
            task.add_done_callback(self.tasks.remove)
        return task

    def end(self) -> None:
        """Cancel all detached actions, except the one that calls this."""
        caller = asyncio.current_task()
        for task in [*self.tasks]:
            if task is not caller:
                task.cancel()

    async def _run(
        self, invocation: Any, method: Callable[..., Any], arguments: dict[str, Any]
    ) -> None:
        consumer = invocation.consumer
        invocation.is_nested = False  # the event that has begun it does not wait for it
        try:
            async with thread_lease():
                answer = await run_and_render(invocation.render_reply, method, **arguments)
                await invocation.send(answer)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - the dispatcher has left the frame already
            await answer_error(invocation, as_exception(error))
        await _complete(consumer)

    async def _run_method(self, consumer: Any, result: Coroutine[Any, Any, Any]) -> None:
        async with thread_lease():
            await _log_errors(consumer, result, getattr(result, "__qualname__", result))
        await _complete(consumer)


async def _complete(consumer: Any) -> None:
    """Tell `consumer` that the running task has ended."""
    hook = consumer.handle_detached_task_completion
    await _log_errors(consumer, run(hook, asyncio.current_task()), getattr(hook, "__name__", hook))


async def _log_errors(consumer: Any, work: Coroutine[Any, Any, Any], name: Any) -> None:
    """Await `work` of the detached method `name`, which nothing else waits for."""
    try:
        await work
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - nothing else waits for it
        message = "%r: the detached method %s failed."
        failed = consumer, name
        log_for_client(logger, logging.ERROR, message, *failed, error=as_exception(error))


def _running_call(connection: Any) -> "ref[asyncio.Task[Any]]":
    """Return the task of the running call. A `def` begins a detached method in another task."""
    queue = getattr(connection, "call_queue", None)  # a unit test has none
    task: Any = (queue and queue.running_task) or asyncio.current_task()
    return ref(task)


async def _apart(running: Coroutine[Any, Any, None], call: "ref[asyncio.Task[Any]]") -> None:
    """Await `running`, which may outlive the call that has begun it, in the task `call`."""
    detached_from.set(call)
    forget_held_locks()
    await running
