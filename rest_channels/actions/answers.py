"""Answer an action with what it returned."""

import logging
from typing import Any

from ..renderers import encode
from .hooks import acall_hook

__all__ = ["answer_error", "render_result", "send_answer"]

logger = logging.getLogger("rest_channels")


def render_result(consumer: Any, action: str, request_id: Any, result: Any) -> Any:
    """Return the answer to what an action returned, as text; `None` if there is no answer.

    A consumer that sends answers in its own way sends it now. Then the result can be awaited.
    """
    if isinstance(result, tuple) and len(result) == 2:
        data, code = result
        if not consumer._default_replies:
            return consumer.reply(action, data=data, status=code, request_id=request_id)
        return encode(consumer._dialect.build_content(action, data, code, request_id)).decode()
    if result is not None:
        owner, method = type(consumer).__name__, consumer.available_actions[action]
        text = "%s.%s returned %.60r, which is not sent. Return (data, status), or None."
        logger.warning(text, owner, method, result)
    return None


async def send_answer(consumer: Any, answer: Any) -> None:
    """Send an answer that `render_result` made."""
    if isinstance(answer, str):
        await consumer._connection.answer(answer)
    elif answer is not None:
        await answer


async def answer_error(consumer: Any, error: Exception, action: Any, request_id: Any) -> None:
    """Call `handle_exception` of the consumer, which answers an action that raised `error`."""
    arguments = {"action": action, "request_id": request_id}
    await acall_hook(consumer.handle_exception, error, arguments=arguments)
