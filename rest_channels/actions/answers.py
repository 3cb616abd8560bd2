"""Answer an action with what it returned."""

import logging
from collections.abc import Awaitable
from functools import partial
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation

from ..concurrency.awaitables import DONE
from ..concurrency.execution import explain_query, run_and_render
from ..concurrency.hooks import acall_hook
from ..renderers import encode
from .plan import ActionPlan

__all__ = ["answer_error", "call_in_thread", "send_result"]

logger = logging.getLogger("rest_channels")


def send_result(
    consumer: Any, plan: ActionPlan, action: str, request_id: Any, result: Any
) -> Awaitable[None]:
    """Answer an `async def` action with what it returned: `(data, status)`, or `None`."""
    try:
        if type(result) is tuple and len(result) == 2 and consumer._default_replies:
            # What `_render` and `_send` would do, in fewer calls.
            content = consumer._dialect.build_content(action, *result, request_id)
            sent: Awaitable[None] = consumer._connection.answer(encode(content).decode())
            return sent
        answer = _render(consumer, plan, action, request_id, result)
    except (SynchronousOnlyOperation, TypeError) as error:
        explain_query(error, f"{type(consumer).__name__}.{plan.attribute}")
        raise
    return _send(consumer, answer)


async def call_in_thread(
    consumer: Any, plan: ActionPlan, arguments: dict[str, Any], action: str, request_id: Any
) -> None:
    """Call a `def` action, and answer it. Its answer is rendered in its thread."""
    render = partial(_render, consumer, plan, action, request_id)
    method = getattr(consumer, plan.attribute)
    await _send(consumer, await run_and_render(render, method, **arguments))


def _render(consumer: Any, plan: ActionPlan, action: str, request_id: Any, result: Any) -> Any:
    """Return the answer to what an action returned, as text; `None` if there is no answer.

    A consumer that sends answers in its own way sends it now. Then the result can be awaited.
    """
    if isinstance(result, tuple) and len(result) == 2:
        data, code = result
        if not consumer._default_replies:
            return consumer.reply(action, data=data, status=code, request_id=request_id)
        return encode(consumer._dialect.build_content(action, data, code, request_id)).decode()
    if result is not None:
        text = "%s.%s returned %.60r, which is not sent. Return (data, status), or None."
        logger.warning(text, type(consumer).__name__, plan.attribute, result)
    return None


def _send(consumer: Any, answer: Any) -> Awaitable[None]:
    if isinstance(answer, str):
        sent: Awaitable[None] = consumer._connection.answer(answer)
        return sent
    return DONE if answer is None else answer


async def answer_error(consumer: Any, error: Exception, action: Any, request_id: Any) -> None:
    """Call `handle_exception` of the consumer, which answers an action that raised `error`."""
    arguments = {"action": action, "request_id": request_id}
    await acall_hook(consumer.handle_exception, error, arguments=arguments)
