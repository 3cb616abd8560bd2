"""Fixtures for the tests of situations that real projects ran into."""

import gc
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections

from tests.observer.conftest import no_observer_is_left, observe, published  # noqa: F401
from tests.settings import database

POSTGRESQL_URL = "postgres://postgres@127.0.0.1:5432/rest_channels_field"


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
        connections[postgresql_database].close()
