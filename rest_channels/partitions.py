"""Partitions: what keeps the tenants of a project apart.

    class Tenants(Partition):
        def of_connection(self, scope):
            return scope["tenant"].schema_name

        def of_change(self, using):
            return connection.schema_name

        def activate(self, partition):
            return schema_context(partition)

    REST_CHANNELS = {"PARTITION": "shop.tenancy.Tenants"}

Observers, groups, queries of sockets, users and tokens stay inside a partition, and rows with one
key in two partitions are two rows. Without the setting there is one partition, whose name is empty.
"""

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from .settings import api_settings

__all__ = [
    "Partition",
    "activated",
    "changed_partition",
    "connection_partition",
    "group_name",
    "handlers_partition",
    "running_partition",
]

MAX_LENGTH = 255
"""Characters; the column of a socket's row has room for so many."""


class Partition:
    """The base of a project's class. The methods may be called in threads and on the event loop.

    They must not query. A name has at most 255 characters. The empty name is a partition as well.
    """

    def of_connection(self, scope: dict[str, Any]) -> str:
        """Return the partition that a connection belongs to for its whole life.

        It is called in the context of the handshake, so context variables of a middleware count.
        """
        raise NotImplementedError

    def of_change(self, using: str) -> str:
        """Return the partition in which the running code writes to the database `using`."""
        raise NotImplementedError

    def of_message(self) -> str:
        """Return the partition whose groups and sockets the running code sends to.

        In the handlers of a connection it is that of the connection, and this is not called.
        """
        return self.of_change("default")

    def activate(self, partition: str) -> AbstractContextManager[Any]:
        """Return a context manager in which code reads the rows of `partition`.

        It is entered around what observers read and render, and where the users, sessions and
        tokens of connections are read again, in the thread that does so.
        """
        return nullcontext()


handlers_partition: ContextVar[str | None] = ContextVar("rest_channels_partition", default=None)
"""The partition of the connection whose handler is running."""


def connection_partition(scope: dict[str, Any]) -> str:
    """Return the partition of a connection; an empty string without the setting."""
    hook = api_settings.PARTITION
    return "" if hook is None else _checked(hook.of_connection(scope), "of_connection")


def changed_partition(using: str = "default") -> str:
    """Return the partition of a change that the running code makes; empty without the setting."""
    hook = api_settings.PARTITION
    return "" if hook is None else _checked(hook.of_change(using), "of_change")


def running_partition() -> str:
    """Return the partition whose groups and sockets the running code sees."""
    hook = api_settings.PARTITION
    if hook is None:
        return ""
    partition = handlers_partition.get()
    return _checked(hook.of_message(), "of_message") if partition is None else partition


def activated(partition: str) -> AbstractContextManager[Any]:
    """Return a context manager in which code reads the rows of `partition`."""
    hook = api_settings.PARTITION
    activation: AbstractContextManager[Any]
    activation = nullcontext() if hook is None else hook.activate(partition)
    return activation


def group_name(name: str, partition: str | None = None) -> str:
    """Return the name that a group of `partition` has in the channel layer.

    Plain Channels code sends to it. By default `partition` is that of the running code.
    """
    partition = running_partition() if partition is None else partition
    return _partitioned(name, partition) if partition else name


@lru_cache(maxsize=10_000)
def _partitioned(name: str, partition: str) -> str:
    text = f"{len(partition)}|{partition}|{name}".encode(errors="surrogatepass")
    return f"partition.{blake2b(text, digest_size=16).hexdigest()}"


def _checked(partition: Any, method: str) -> str:
    if isinstance(partition, str) and len(partition) <= MAX_LENGTH:
        return partition
    raise TypeError(
        f"REST_CHANNELS['PARTITION']: {method} returned {partition!r:.80}. "
        f"Return a string of at most {MAX_LENGTH} characters."
    )
