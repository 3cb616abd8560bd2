"""Answer an action that failed."""

from contextvars import ContextVar
from typing import Any

from ..concurrency.hooks import acall_hook
from .context import Answers

__all__ = ["answer_error", "may_send"]

_answering: ContextVar[tuple[Answers, Any] | None] = ContextVar(
    "rest_channels_answering_error", default=None
)
"""The request that the running `handle_exception` answers: the answers of its frame, and its id."""


async def answer_error(
    consumer: Any, error: Exception, action: Any, request_id: Any, answers: Answers | None = None
) -> None:
    """Call `handle_exception` of the consumer, which answers an action that raised `error`.

    Without the `answers` of a frame, no deadline answers too.
    """
    arguments = {"action": action, "request_id": request_id}
    token = _answering.set(None if answers is None else (answers, request_id))
    try:
        result = await acall_hook(consumer.handle_exception, error, arguments=arguments)
    finally:
        _answering.reset(token)
    if result is not None:
        raise TypeError(
            f"{type(consumer).__name__}.handle_exception returned {result!r}, which is not sent: "
            "send the answer with self.reply()."
        )


def may_send() -> bool:
    """Return whether a consumer may send a frame: not if it answers an error after its deadline.

    What `handle_exception` sends is the answer. As a `def` it cannot be cancelled.
    """
    answering = _answering.get()
    return answering is None or answering[0].begin(answering[1])
