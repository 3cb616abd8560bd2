"""Answer an action that failed, and decide what becomes of frames that a consumer sends."""

from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from ..concurrency.hooks import acall_hook
from .context import Answers

__all__ = ["CollectedFrames", "answer_error", "may_send"]


class FrameFilter(Protocol):
    """Decides what becomes of the frames that a consumer sends in a context."""

    def passes(self, text: str | None, data: bytes | None) -> bool:
        """Return whether the frame is sent now."""


_frame_filter: ContextVar[FrameFilter | None] = ContextVar(
    "rest_channels_frame_filter", default=None
)


class AnswersOfFrame(NamedTuple):
    """Passes what `handle_exception` sends, unless its deadline has answered the request."""

    answers: Answers
    request_id: Any

    def passes(self, text: str | None, data: bytes | None) -> bool:
        return self.answers.begin(self.request_id)


class CollectedFrames(list[tuple[str | None, bytes | None]]):
    """The frames that a consumer sends while `with` it: each has text or bytes. None is sent."""

    def passes(self, text: str | None, data: bytes | None) -> bool:
        self.append((text, data))
        return False

    def __enter__(self) -> "CollectedFrames":
        self._token = _frame_filter.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        _frame_filter.reset(self._token)


async def answer_error(
    consumer: Any, error: Exception, action: Any, request_id: Any, answers: Answers | None = None
) -> None:
    """Call `handle_exception` of the consumer, which answers an action that raised `error`.

    Without the `answers` of a frame, no deadline answers too.
    """
    arguments = {"action": action, "request_id": request_id}
    answering = None if answers is None else AnswersOfFrame(answers, request_id)
    token = _frame_filter.set(answering)
    try:
        result = await acall_hook(consumer.handle_exception, error, arguments=arguments)
    finally:
        _frame_filter.reset(token)
    if result is not None:
        raise TypeError(
            f"{type(consumer).__name__}.handle_exception returned {result!r}, which is not sent: "
            "send the answer with self.reply()."
        )


def may_send(text: str | None, data: bytes | None) -> bool:
    """Return whether a consumer may send a frame now.

    It may not if it answers an error after its deadline: what `handle_exception` sends is the
    answer, and as a `def` it cannot be cancelled. Nor if its frames are collected.
    """
    frame_filter = _frame_filter.get()
    return frame_filter is None or frame_filter.passes(text, data)
