"""Detached actions, which run while later frames are handled, and end with their connection."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import Throttled

from ..concurrency.execution import render_on_loop, run, thread_lease
from ..dispatch.errors import as_exception
from ..engine.connection import State
from ..settings import api_settings
from .answers import answer_error, render_result, send_answer
from .context import ActionContext

__all__ = ["DetachedActions"]


class DetachedActions:
    """The detached actions of one consumer that are running, in `tasks`."""

    def __init__(self, consumer: Any) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self._consumer = consumer

    def begin(
        self, result: Coroutine[Any, Any, Any], action: str, request_id: Any, context: ActionContext
    ) -> None:
        """Run the coroutine of an action until it ends, or until its connection does.

        Raise 429 if `MAX_DETACHED` actions of this consumer are running.
        """
        connection = context.connection
        if connection.state is State.CLOSING:
            result.close()
            context.mark_answered()
            return
        if len(self.tasks) >= api_settings.MAX_DETACHED:
            result.close()
            raise Throttled(detail=_("Too much runs at the same time."))
        if self.end not in connection.on_closing:
            connection.on_closing += (self.end,)
        task = connection.loop_bridge.begin(self._run(result, action, request_id))
        task.add_done_callback(lambda _done: context.mark_answered())
        if not task.done():
            self.tasks.append(task)
            task.add_done_callback(self.tasks.remove)

    def end(self) -> None:
        """Cancel all detached actions, except the one that calls this."""
        caller = asyncio.current_task()
        for task in [*self.tasks]:
            if task is not caller:
                task.cancel()

    async def _run(self, result: Coroutine[Any, Any, Any], action: str, request_id: Any) -> None:
        consumer = self._consumer
        try:
            async with thread_lease():
                render = partial(render_result, consumer, action, request_id)
                await send_answer(consumer, render_on_loop(render, result, await result))
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - the dispatcher has left the frame already
            error = as_exception(error)
            await answer_error(consumer, error, action, request_id)
        await run(consumer.handle_detached_task_completion, asyncio.current_task())
