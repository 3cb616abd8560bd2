"""The stores of the messages that groups keep: in memory, in Redis or in the database.

A store, and what it needs, is imported when a group with a history first uses it.
"""

import asyncio
import os
from weakref import WeakKeyDictionary

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from ...cluster.layer import crosses_processes, redis_layer
from ...settings import SETTING_NAME, api_settings
from .base import Append, HistoryStore
from .memory import MemoryStore

__all__ = [
    "Append",
    "HistoryStore",
    "check_store",
    "close_store",
    "configuration_error",
    "current_store",
    "uses_database",
]

NAMES = ("redis", "memory", "database")

APP = "rest_channels.history"
"""The app with the tables of the database store."""


class _Stores:
    """The stores of this process."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all stores: the settings are others, or this is the child of a fork.

        A child must not continue the epochs of its parent in memory: their messages would differ.
        """
        self.by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, HistoryStore]
        self.by_loop = WeakKeyDictionary()
        self.memory = MemoryStore()


_stores = _Stores()
os.register_at_fork(after_in_child=_stores.reset)


def current_store() -> HistoryStore:
    """Return the store that `HISTORY` names, for the running event loop.

    The stores in Redis and in the database belong to their loop: before it ends, `close` them.

    Raises:
        ImproperlyConfigured: If the settings allow no such store.
    """
    loop = asyncio.get_running_loop()
    store = _stores.by_loop.get(loop)
    if store is None:
        store = _stores.by_loop[loop] = _new_store()
    return store


async def close_store() -> None:
    """Close the store of the running event loop, if it has one. It may be used again."""
    if (store := _stores.by_loop.get(asyncio.get_running_loop())) is not None:
        await store.close()


def check_store() -> None:
    """Raise `ImproperlyConfigured` if the settings allow no store."""
    if error := configuration_error():
        raise ImproperlyConfigured(error)


def uses_database() -> bool:
    """Return whether messages are kept in the site's database."""
    return _chosen() == "database"


def _new_store() -> HistoryStore:
    check_store()
    name = _chosen()
    if name == "redis":
        from .redis import RedisStore  # noqa: PLC0415 - redis-py is slow to import

        layer = redis_layer()
        assert layer is not None  # noqa: S101 - `configuration_error` has checked it
        return RedisStore(layer.hosts, layer.prefix)
    if name == "database":
        from .database import DatabaseStore  # noqa: PLC0415 - its models need the app

        return DatabaseStore()
    return _stores.memory


def _chosen() -> str:
    """Return the setting, or by default what fits to the channel layer."""
    if (name := api_settings.HISTORY) is not None:
        return name
    return "memory" if redis_layer() is None else "redis"


def configuration_error() -> str:
    """Return why the store cannot be used, and what to write instead; an empty string if it can."""
    name = _chosen()
    setting = f"{SETTING_NAME}['HISTORY']"
    if name not in NAMES:
        return f"{setting} must be {', '.join(map(repr, NAMES))} or None, not {name!r}."
    if name == "memory" and crosses_processes():
        return (
            f"{setting} is 'memory', which other processes cannot read, and the channel layer "
            "connects several: write 'database', or 'redis' with a layer of channels-redis."
        )
    if name == "database" and not apps.is_installed(APP):
        return (
            f"{setting} = 'database' needs the app {APP!r}: add it to INSTALLED_APPS, and run "
            "manage.py migrate."
        )
    if name == "redis" and (error := _redis_error()):
        return f"{setting} = 'redis' {error}"
    return ""


def _redis_error() -> str:
    layer = redis_layer()
    if layer is None:
        return (
            "needs a channel layer of channels-redis, whose 'hosts' it uses: set CHANNEL_LAYERS, "
            "or write 'memory' or 'database'."
        )
    if layer.is_encrypted:
        return (
            "would keep in plain text what the channel layer encrypts: write 'database', or remove "
            "'symmetric_encryption_keys' from CHANNEL_LAYERS."
        )
    return ""


def _forget_stores(*, setting: str, **kwargs: object) -> None:
    if setting in (SETTING_NAME, "CHANNEL_LAYERS", "INSTALLED_APPS"):
        _stores.reset()


setting_changed.connect(_forget_stores)
