"""Methods that work in `def` and in `async def`: `send`, `broadcast`, `close` and so on.

Such a method does its work, or queues it in order, before it returns. Its result may be awaited.
"""

import functools
from collections.abc import Awaitable, Callable, Coroutine, Generator
from inspect import isawaitable, iscoroutinefunction
from types import GeneratorType, TracebackType
from typing import Any

__all__ = ["DONE", "Sent", "is_awaitable", "start_async_overrides"]


def is_awaitable(value: Any) -> bool:
    """Return what `inspect.isawaitable` does, in a fifth of the time for most values."""
    return hasattr(type(value), "__await__") or (
        type(value) is GeneratorType and isawaitable(value)
    )


class Sent(Coroutine[Any, Any, None]):
    """The result of `send`, `broadcast`, `close` and so on: the work is queued already.

    Await it for back-pressure, pass it to `create_task`, or drop it without a warning.
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
"""Nothing to wait for."""


def start_async_overrides(cls: type, names: tuple[str, ...], perform: str) -> None:
    """Make methods that `cls` or a mixin overrides with `async def` start without being awaited.

    Without this, `self.send_json(…)` in a `def` handler would create a coroutine that never runs.
    `perform` names the method of `cls` that starts a coroutine and returns a `Sent`.
    """
    for name in names:
        method = getattr(cls, name, None)  # also that of a mixin
        if iscoroutinefunction(method):
            setattr(cls, name, _starting(method, perform))


def _starting(method: Callable[..., Coroutine[Any, Any, Any]], perform: str) -> Callable[..., Sent]:
    @functools.wraps(method)
    def start(self: Any, *args: Any, **kwargs: Any) -> Sent:
        sent: Sent = getattr(self, perform)(method(self, *args, **kwargs))
        return sent

    return start
