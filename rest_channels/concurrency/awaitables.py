"""One verb for both worlds: `send`, `broadcast`, `close` … in `def` and in `async def`.

A verb does its work, or queues it in order, before it returns. What it returns can be awaited,
and need not be.
"""

import functools
from collections.abc import Awaitable, Callable, Coroutine, Generator
from inspect import iscoroutinefunction
from types import TracebackType
from typing import Any

__all__ = ["DONE", "Sent", "wrap_async_verbs"]


class Sent(Coroutine[Any, Any, None]):
    """What a verb (`send`, `broadcast`, `close`, …) returns: the work is queued already.

    Await it for backpressure, pass it to `create_task`, or drop it: nothing warns. Awaiting it
    twice waits twice.
    """

    __slots__ = ("_steps", "_wait")

    def __init__(self, wait: Callable[[], Awaitable[Any]] | None = None) -> None:
        self._wait = wait
        self._steps: Generator[Any, Any, Any] | None = None

    def __await__(self) -> Generator[Any, Any, None]:
        if self._wait is not None:
            yield from self._wait().__await__()

    def send(self, value: None) -> Any:
        if self._wait is None:
            raise StopIteration
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.send(value)

    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> Any:
        error = typ if isinstance(typ, BaseException) else typ()
        if self._steps is None:
            raise error
        return self._steps.throw(error)

    def close(self) -> None:
        if self._steps is not None:
            self._steps.close()


DONE = Sent()
"""Sent, and there is room for more."""


def wrap_async_verbs(cls: type, names: tuple[str, ...], perform: str) -> None:
    """Let verbs that `cls` overrides with `async def` be called like any other.

    Without this, `self.send_json(…)` in a `def` handler would make a coroutine that nobody
    awaits. In: the verbs' `names`; `perform`, the method that starts a coroutine for an instance
    and returns what a verb returns.
    """
    for name in names:
        method = cls.__dict__.get(name)
        if iscoroutinefunction(method):
            setattr(cls, name, _adopted(method, perform))


def _adopted(method: Callable[..., Coroutine[Any, Any, Any]], perform: str) -> Callable[..., Sent]:
    @functools.wraps(method)
    def verb(self: Any, *args: Any, **kwargs: Any) -> Sent:
        started: Sent = getattr(self, perform)(method(self, *args, **kwargs))
        return started

    return verb
