"""Fixtures and hooks of all tests. Nothing of a connection may outlive its test."""

import asyncio
import gc
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import SyncToAsync
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands import flush
from django.db import OperationalError, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Model
from django.test import TransactionTestCase

from rest_channels import client_logs
from rest_channels.cluster.standalone_publisher import publisher
from rest_channels.concurrency.tasks import EAGER_TASKS
from rest_channels.concurrency.threads import thread_pool
from rest_channels.engine.publish import current_hub
from rest_channels.routing.application import SocketApplication
from rest_channels.routing.first_use import first_use
from tests.brokers import Broker
from tests.settings import database

POSTGRESQL_URL = "postgres://postgres@127.0.0.1:5432/rest_channels_field"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Start more workers than cores, because tests wait a lot; none for a few chosen tests."""
    chosen = config.option.keyword or any(".py" in arg for arg in config.args)
    return 0 if chosen else 2 + (os.cpu_count() or 1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the pass that repeats tests with other services."""
    parser.addoption(
        "--only-services",
        action="store_true",
        help="run only tests whose database or broker DATABASE_URL and REDIS_URL name",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark, apply `--only-services`, and choose what the workers of xdist run first and last."""
    for item in items:
        if starts_programs(item):
            item.add_marker("programs")
    if config.option.only_services:
        config.hook.pytest_deselected(items=[item for item in items if not uses_services(item)])
        items[:] = filter(uses_services, items)
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (needs_quiet(item), group_of(item.nodeid) == item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Search for no garbage while modules and tests are made. That takes half of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep tests that share servers in one worker, so that these are not started in each."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False  # keep the order of the items
    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Escape lone surrogates, which tests log and a worker of xdist cannot send."""
    return escaped((yield))


def escaped(report: Any) -> Any:
    """Return the same lists and dictionaries with texts that can be encoded."""
    if isinstance(report, str):
        return report.encode(errors="backslashreplace").decode()
    if isinstance(report, dict):
        return {key: escaped(value) for key, value in report.items()}
    if isinstance(report, list | tuple):
        return type(report)(map(escaped, report))
    return report


def group_of(nodeid: str) -> str:
    """Return a name that the test shares with those that use the same servers, or its own."""
    path, _, name = nodeid.partition("::")
    if path.startswith(("tests/e2e/", "tests/typescript/")):
        return path
    if path.startswith("tests/servers/"):
        layer = re.search(r"\[(core|pubsub)\b", name)
        return f"{path} {layer[1]}" if layer else "tests/servers/"
    return nodeid


def starts_programs(item: pytest.Item) -> bool:
    """Return whether the folder or the fixtures of the test say that it starts programs."""
    folders = ("tests/servers/", "tests/e2e/", "tests/typescript/")
    return item.nodeid.startswith(folders) or "redis_url" in getattr(item, "fixturenames", ())


def needs_quiet(item: pytest.Item) -> bool:
    return item.get_closest_marker("quiet") is not None


def uses_services(item: pytest.Item) -> bool:
    """Return whether the test uses the database of the settings or the fixture `redis_url`.

    pytest-django lets no other test query. Servers in processes of their own have databases and
    brokers of their own, whatever the environment names.
    """
    fixtures = getattr(item, "fixturenames", ())
    return (
        item.get_closest_marker("django_db") is not None
        or issubclass(getattr(item, "cls", None) or object, TransactionTestCase)
        or not {"db", "transactional_db", "redis_url"}.isdisjoint(fixtures)
    )


@pytest.fixture(scope="session", autouse=True)
def quick_garbage_collection() -> None:
    """Exclude modules and tests, which are never freed, from garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_system_checks_at_first_use() -> None:
    """Log no messages of system checks in whichever test uses a `SocketApplication` first."""
    first_use.application, first_use.checked = SocketApplication([]), True


@pytest.fixture(autouse=True)
def every_line_is_logged() -> None:
    """Forget which lines earlier tests have logged."""
    client_logs._counts.clear()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """End the publisher and all threads with the test. Fail if a handler still runs.

    Then later tests get other threads: one that is blocked would fail or stop all of them.
    """
    yield
    publisher.stop()
    deadline = time.monotonic() + 5
    while len(thread_pool) and time.monotonic() < deadline:
        thread_pool.shutdown()
        time.sleep(0.001)
    left = thread_pool._all
    if left:
        thread_pool.reset()
        for thread in left:
            thread.inbox.put(None)
    assert not left, "A handler still runs in its thread."
    try:
        SyncToAsync.single_thread_executor.submit(int).result(5)
    except TimeoutError:  # a test has ended before its `sync_to_async`
        SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
        raise


@pytest_asyncio.fixture(autouse=True)
async def no_task_is_left(no_thread_is_left: None) -> AsyncIterator[None]:
    """Fail if a task, a connection or a group of the test has not ended."""
    before = asyncio.all_tasks()
    yield
    here = asyncio.current_task()
    for _ in range(0 if EAGER_TASKS else 10):  # so many turns the end of a refused client takes
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {here}
    assert left == set()
    hub = current_hub()
    assert (hub.groups, hub.members) == ({}, {})


@pytest.fixture(scope="session", autouse=True)
def quick_flush(django_db_setup: None) -> Iterator[None]:
    """Let a flush restore content types and permissions as they were, without computing them.

    A test with real transactions spends most of its time on it.
    """
    computed: dict[str, list[tuple[str, list[tuple[Any, ...]]]]] = {}

    def emit(verbosity: int, interactive: bool, db: str, **kwargs: Any) -> None:
        if db not in computed:
            original(verbosity, interactive, db, **kwargs)
            computed[db] = [inserts_of(model, db) for model in (ContentType, Permission)]
        else:
            ContentType.objects.clear_cache()
            with transaction.atomic(db), connections[db].cursor() as cursor:
                for statement, rows in computed[db]:
                    cursor.executemany(statement, rows)

    original = flush.emit_post_migrate_signal
    flush.emit_post_migrate_signal = emit
    yield
    flush.emit_post_migrate_signal = original


def inserts_of(model: type[Model], db: str) -> tuple[str, list[tuple[Any, ...]]]:
    """Return a statement that inserts a row of the model's table, and all rows of the table."""
    fields = model._meta.concrete_fields
    names = [connections[db].ops.quote_name(field.column) for field in fields]
    places = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {model._meta.db_table} ({', '.join(names)}) VALUES ({places})"
    return statement, [*model._base_manager.using(db).values_list(*[f.attname for f in fields])]


@pytest.fixture(scope="session", autouse=True)
def no_database_connection_is_left(django_db_setup: None) -> Iterator[None]:
    """Close the connections of asgiref's thread, in which a test's own async ORM runs."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture
def settle() -> Callable[..., Any]:
    """`await settle(condition)` waits until `condition()` is true, for at most 2 s."""

    async def settled(condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(2):
            while not condition():  # noqa: ASYNC110 - the condition belongs to the test
                await asyncio.sleep(0.001)

    return settled


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a broker: `REDIS_URL`, else that of a Valkey that the tests start."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    broker = Broker()
    broker.start()
    yield broker.url
    broker.stop()


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The list of SQL statements that are executed from now on, in any thread."""
    statements: list[str] = []

    def execute(self: Any, sql: str, *args: Any) -> Any:
        if sql.lstrip("(").split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            statements.append(sql)
        return original(self, sql, *args)

    original = CursorWrapper.execute
    monkeypatch.setattr(CursorWrapper, "execute", execute)
    return statements


@pytest.fixture(scope="session")
def postgresql_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The alias of a PostgreSQL database with all tables, at `DATABASE_URL` or on this machine."""
    url = os.environ.get("DATABASE_URL", POSTGRESQL_URL)
    alias, name = "postgresql", f"field_{os.getpid()}"
    settings = database(url) | {"TEST": {"NAME": name, "MIGRATE": False}}
    configured = connections.configure_settings({"default": {}, alias: settings})
    connections.settings[alias] = configured[alias]
    with django_db_blocker.unblock():
        try:
            connections[alias].creation.create_test_db(0, autoclobber=True)
        except OperationalError as error:
            del connections.settings[alias]
            pytest.skip(f"No PostgreSQL answers at {url}: {error}")
    yield alias
    with django_db_blocker.unblock():
        with connections[alias].cursor() as cursor:  # asgiref's thread keeps a connection
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connections[alias].creation.destroy_test_db(settings["NAME"], 0)
        del connections.settings[alias]


@pytest.fixture
def postgresql(postgresql_database: str, django_db_blocker: Any) -> Iterator[str]:
    """The alias of a PostgreSQL database with all tables. A test deletes what it writes."""
    with django_db_blocker.unblock():
        yield postgresql_database
        close_connection(postgresql_database)
        SyncToAsync.single_thread_executor.submit(close_connection, postgresql_database).result(5)


def close_connection(alias: str) -> None:
    """Close the connection of the running thread. The next test gets a new one."""
    connections[alias].close()
