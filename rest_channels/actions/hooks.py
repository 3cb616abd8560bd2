"""Call the hooks that users override: `def` or `async def`, with the arguments they take."""

import asyncio
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Generic, TypeVar, overload

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from ..concurrency.execution import await_in_thread, run
from ..protocol.arguments import accepted_arguments

__all__ = ["acall_hook", "call_hook", "instance_attribute_or", "wrap_async_hooks"]

T = TypeVar("T")


class instance_attribute_or(Generic[T]):  # noqa: N801 - a decorator
    """A property that gives way to an attribute of the instance: names of users come first."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "instance_attribute_or[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: Any, owner: type) -> "instance_attribute_or[T] | T":
        return self if instance is None else self.function(instance)


def wrap_async_hooks(cls: type[Any], names: Sequence[str]) -> None:
    """Let async methods of these `names` be called without `await` in threads, as DRF does.

    On the loop they are awaited as before.
    """
    for kind in cls.__mro__:
        for name in vars(kind).keys() & names:
            method = vars(kind)[name]
            if iscoroutinefunction(method) and not hasattr(method, _BRIDGED):
                setattr(kind, name, _bridged(method))


_BRIDGED = "_rest_channels_bridged"


def _bridged(method: Any) -> Any:
    @wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        coming = method.__get__(self, type(self))(*args, **kwargs)
        return coming if _on_loop() else await_in_thread(coming)

    setattr(called, _BRIDGED, True)
    return markcoroutinefunction(called)


def _on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def call_hook(method: Any, *given: Any, arguments: dict[str, Any]) -> Any:
    """Call a bound `method` with `given`, and with those of a client's `arguments` it takes.

    In a thread; a method that is `async def` is awaited.
    """
    return await_in_thread(method(*given, **accepted_arguments(method, len(given), arguments)))


async def acall_hook(method: Any, *given: Any, arguments: dict[str, Any]) -> Any:
    """`call_hook`, for a method that may be `def` or `async def`."""
    return await run(method, *given, **accepted_arguments(method, len(given), arguments))
