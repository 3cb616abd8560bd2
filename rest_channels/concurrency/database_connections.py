"""The database connections of the running thread: closed when they are obsolete or broken.

Django closes such connections after each HTTP request. An error of a driver is only logged: it must
end neither the thread nor the work that waits for it.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from asgiref.sync import SyncToAsync
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..client_logs import log_for_client

__all__ = [
    "SharedThreadExecutor",
    "close_all",
    "close_broken",
    "close_in_bad_state",
    "close_obsolete",
]

logger = logging.getLogger("rest_channels")


def close_all() -> None:
    """Close all connections."""
    _for_each(lambda connection: connection.close())


def close_obsolete() -> None:
    """Close connections that are older than `CONN_MAX_AGE`, or in a bad state. Takes a query."""
    _for_each(lambda connection: connection.close_if_unusable_or_obsolete())


def close_in_bad_state() -> None:
    """Close connections in which a handler has left an error or a changed autocommit."""
    _for_each(_close_in_bad_state)


def close_broken() -> None:
    """Close connections that no longer work, also if a handler that waits was using them."""
    _for_each(_close_broken)


def _close_in_bad_state(connection: BaseDatabaseWrapper) -> None:
    if connection.connection is None or connection.in_atomic_block:
        return
    intended = connection.settings_dict["AUTOCOMMIT"]
    if connection.errors_occurred or connection.autocommit != intended:
        connection.close()


def _close_broken(connection: BaseDatabaseWrapper) -> None:
    if connection.connection is None or connection.in_atomic_block:
        return
    if connection.errors_occurred:
        if connection.is_usable():
            connection.errors_occurred = False
        else:
            connection.close()


def _for_each(close: Callable[[BaseDatabaseWrapper], None]) -> None:
    for connection in connections.all(initialized_only=True):
        try:
            close(connection)
        except Exception as error:  # noqa: BLE001 - every driver raises errors of its own
            text = "A connection to the database %r was not closed properly."
            log_for_client(logger, logging.WARNING, text, connection.alias, error=error)


class SharedThreadExecutor(Executor):
    """Runs work in asgiref's single thread, after its broken connections were closed."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        def run() -> Any:
            close_broken()
            return fn(*args, **kwargs)

        return SyncToAsync.single_thread_executor.submit(run)
