"""Call the functions of a router for one event: connect, disconnect or a gap."""

from collections.abc import Callable, Iterable
from inspect import signature
from typing import Any

from rest_channels.concurrency.execution import run

__all__ = ["call_all", "call_each"]


async def call_each(functions: Iterable[Callable[..., Any]], handler: Any, argument: Any) -> None:
    """Call `f(handler)`, or `f(handler, argument)` if the function takes two arguments."""
    for function in functions:
        await run(function, handler, *([argument] if _takes_two_arguments(function) else []))


async def call_all(functions: Iterable[Callable[..., Any]], handler: Any, argument: Any) -> None:
    """Call every function, also after an error; then raise the first error."""
    errors = []
    for function in functions:
        try:
            await call_each([function], handler, argument)
        except Exception as error:  # noqa: BLE001 - the other functions still run
            errors.append(error)
    if errors:
        raise errors[0]


def _takes_two_arguments(function: Callable[..., Any]) -> bool:
    try:
        signature(function).bind(None, None)
    except TypeError:
        return False
    return True
