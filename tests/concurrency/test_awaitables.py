"""What counts as awaitable, and what does not."""

import asyncio
import inspect
import types
from unittest.mock import AsyncMock, Mock

import pytest

from rest_channels.concurrency.awaitables import DONE, is_awaitable


async def coroutine_function():
    pass


@types.coroutine
def generator_coroutine():
    yield


def generator():
    yield


VALUES = {
    "nothing": None,
    "text": "text",
    "a class of awaitables": asyncio.Future,
    "a function": coroutine_function,
    "a mock": Mock(),
    "an async mock": AsyncMock(),
    "sent": DONE,
    "a generator": generator(),
    "a coroutine of a generator": generator_coroutine(),
}


@pytest.mark.parametrize("name", VALUES)
async def test_is_awaitable_agrees_with_inspect(name) -> None:
    assert is_awaitable(VALUES[name]) is inspect.isawaitable(VALUES[name])


async def test_coroutines_and_futures_are_awaitable() -> None:
    coroutine, future = coroutine_function(), asyncio.get_running_loop().create_future()
    assert is_awaitable(coroutine)
    assert is_awaitable(future)
    await coroutine
