"""Runs on the event loop, a little later, what belongs into threads: a simulation repeats that."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from rest_channels.concurrency.threads import WorkItem, thread_pool


@contextmanager
def no_loop() -> Iterator[None]:
    """Run a block on the loop's thread as if it were a thread of its own."""
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)


@contextmanager
def threads_on_loop(delay: Callable[[], float]) -> Iterator[None]:
    """Run what is passed to the thread pool on the running loop, after `delay()` seconds."""
    loop = asyncio.get_running_loop()

    def submit(work: WorkItem) -> None:
        def run() -> None:
            with no_loop():
                work.run()
            work.deliver()

        loop.call_later(delay(), run)

    with patch.object(thread_pool, "submit", submit):
        yield
