"""Fixtures for the tests of situations that real projects ran into."""

import gc
import threading
from collections.abc import Iterator

import pytest

from tests.observer.conftest import no_observer_is_left, observe, published  # noqa: F401


@pytest.fixture
def without_collections() -> Iterator[None]:
    """Free only what nothing refers to any more."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Gate:
    """Lets the test wait until a thread has come here, and the thread until the test opens it."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def pass_through(self) -> None:
        self.reached.set()
        assert self.opened.wait(5)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()
