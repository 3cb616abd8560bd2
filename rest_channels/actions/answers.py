"""Answer an action that failed."""

from typing import Any

from ..concurrency.hooks import acall_hook

__all__ = ["answer_error"]


async def answer_error(consumer: Any, error: Exception, action: Any, request_id: Any) -> None:
    """Call `handle_exception` of the consumer, which answers an action that raised `error`."""
    arguments = {"action": action, "request_id": request_id}
    await acall_hook(consumer.handle_exception, error, arguments=arguments)
