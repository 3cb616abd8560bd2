"""Call the hooks that users override: `def` or `async def`, with the arguments they accept."""

import asyncio
from collections.abc import Sequence
from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from ..protocol.arguments import accepted_arguments
from .execution import await_in_thread, run

__all__ = ["acall_hook", "call_hook", "has_methods", "wrap_async_hooks"]

_WRAPPED = "_rest_channels_wrapped"


def wrap_async_hooks(cls: type[Any], names: Sequence[str]) -> None:
    """Let threads call the async methods `names` of `cls` without `await`, as DRF calls them."""
    for ancestor in cls.__mro__:
        for name in vars(ancestor).keys() & names:
            method = vars(ancestor)[name]
            if iscoroutinefunction(method) and not hasattr(method, _WRAPPED):
                setattr(ancestor, name, _wrapped(method))


def _wrapped(method: Any) -> Any:
    @wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        coroutine = method.__get__(self, type(self))(*args, **kwargs)
        return coroutine if _on_event_loop() else await_in_thread(coroutine)

    setattr(wrapper, _WRAPPED, True)
    return markcoroutinefunction(wrapper)


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def has_methods(instance: object, functions: Sequence[Any]) -> bool:
    """Return whether the methods of `instance` with the names of `functions` are these functions.

    A class, or a test, may have replaced one of them.
    """
    for function in functions:
        method = getattr(instance, function.__name__)
        if getattr(method, "__func__", method) is not function:
            return False
    return True


def call_hook(method: Any, *args: Any, arguments: dict[str, Any]) -> Any:
    """Call a `def` or `async def` with `args` and the `arguments` it takes. For threads."""
    return await_in_thread(method(*args, **accepted_arguments(method, len(args), arguments)))


async def acall_hook(method: Any, *args: Any, arguments: dict[str, Any]) -> Any:
    """Do as `call_hook`, but on the event loop: a `def` runs in a thread."""
    return await run(method, *args, **accepted_arguments(method, len(args), arguments))
