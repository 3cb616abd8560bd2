"""Consumers: one instance per connection.

`SocketConsumer` has the words of Channels' consumers, `AsyncAPIConsumer` those of
djangochannelsrestframework.
"""

from typing import Any

from .api import AsyncAPIConsumer
from .socket import SocketConsumer

__all__ = ["AsyncAPIConsumer", "GenericAsyncAPIConsumer", "SocketConsumer"]


def __getattr__(name: str) -> Any:
    """`GenericAsyncAPIConsumer`, which the documents of 0.3.0 import from here."""
    if name == "GenericAsyncAPIConsumer":
        from ..generics import GenericAsyncAPIConsumer  # noqa: PLC0415 - it is made of these

        return GenericAsyncAPIConsumer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
