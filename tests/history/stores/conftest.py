"""The stores under test: in memory, in a Valkey, on SQLite, and on PostgreSQL where one answers."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from rest_channels.history.models import HistoryGroup, HistoryMessage
from rest_channels.history.stores.base import HistoryStore
from rest_channels.history.stores.database import DatabaseStore
from rest_channels.history.stores.memory import MemoryStore
from rest_channels.history.stores.redis import RedisStore
from tests.brokers import PREFIX


class History(NamedTuple):
    """How much is kept."""

    size: int = 100
    age: float = 300.0


class HistoryRouter:
    """Lets the tables of the history be in another database."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return None

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return self.alias if model in (HistoryGroup, HistoryMessage) else None


@pytest.fixture
def history_on_postgresql(postgresql: str, settings: Any) -> Iterator[str]:
    settings.DATABASE_ROUTERS = [HistoryRouter(postgresql)]
    yield postgresql
    HistoryGroup.objects.using(postgresql).all().delete()


@pytest.fixture
def new_redis_store(redis_url: str) -> Callable[[], RedisStore]:
    """Return a store with its own connections. All of a test have the same groups."""
    prefix = f"{PREFIX}-{secrets.token_hex(4)}"
    return lambda: RedisStore([redis_url], prefix)


IN_DATABASE = pytest.param("database", marks=pytest.mark.django_db(transaction=True))


@pytest.fixture(params=["memory", "redis", IN_DATABASE, "postgresql"])
def new_store(request: pytest.FixtureRequest) -> Callable[[], HistoryStore]:
    if request.param == "memory":
        return MemoryStore
    if request.param == "redis":
        return request.getfixturevalue("new_redis_store")
    if request.param == "postgresql":
        request.getfixturevalue("history_on_postgresql")
    return DatabaseStore


@pytest_asyncio.fixture
async def store(new_store: Callable[[], HistoryStore]) -> AsyncIterator[HistoryStore]:
    store = new_store()
    yield store
    await store.close()
