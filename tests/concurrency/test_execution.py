"""How handlers are recognised as `async def` or `def`."""

import functools
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from asgiref.sync import markcoroutinefunction

from rest_channels.concurrency.execution import is_async


class AsyncCallable:
    async def __call__(self) -> None:
        """Return nothing."""

    async def method(self) -> None:
        """Return nothing."""

    def plain(self) -> None:
        """Return nothing."""


class MarkedCallable:
    @markcoroutinefunction
    def __call__(self) -> None:
        """Return nothing."""


class PlainCallable:
    def __call__(self) -> None:
        """Return nothing."""


async def function() -> None:
    """Return nothing."""


def marked() -> Callable[..., Any]:
    """Return a `def` that returns a coroutine and says so."""
    return markcoroutinefunction(lambda *args: function())


class Marked:
    method = marked()


def marked_closure(result: object) -> Callable[..., Any]:
    return markcoroutinefunction(lambda: result)


def with_attributes() -> Callable[..., Any]:
    def plain() -> None: ...

    plain.attribute = "not a mark"
    return plain


@pytest.mark.parametrize(
    "handler",
    [
        function,
        functools.partial(function),
        AsyncCallable(),
        AsyncCallable().method,
        AsyncMock(),
        marked(),
        marked_closure(None),
        Marked().method,
        MarkedCallable(),
        markcoroutinefunction(PlainCallable()),
        markcoroutinefunction(lambda: None),
    ],
)
def test_a_handler_that_returns_a_coroutine_is_async(handler) -> None:
    assert is_async(handler)


@pytest.mark.parametrize(
    "handler",
    [
        len,
        AsyncCallable,
        PlainCallable(),
        PlainCallable,
        AsyncCallable().plain,
        Mock(),
        with_attributes(),
    ],
)
def test_any_other_handler_is_not_async(handler) -> None:
    assert not is_async(handler)
