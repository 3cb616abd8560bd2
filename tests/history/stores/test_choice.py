"""`current_store()`: which store the settings choose, for which event loop, and after a fork."""

import asyncio
import os

import pytest
from channels_redis.core import RedisChannelLayer
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from rest_channels.history.records import Position
from rest_channels.history.stores import current_store
from rest_channels.history.stores.database import DatabaseStore
from rest_channels.history.stores.memory import MemoryStore
from rest_channels.history.stores.redis import RedisStore
from tests.brokers import LAYERS, layers
from tests.field.scripts import run_script

from .conftest import History

IN_MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
NOWHERE = "redis://127.0.0.1:1"


def chosen(history=None, channel_layers=IN_MEMORY):
    """The store, or the text of the error."""
    with override_settings(REST_CHANNELS={"HISTORY": history}, CHANNEL_LAYERS=channel_layers):
        try:
            return current_store()
        except ImproperlyConfigured as error:
            return str(error)


async def test_without_the_setting_a_process_that_is_alone_keeps_messages_in_memory() -> None:
    assert isinstance(chosen(), MemoryStore)
    assert isinstance(chosen(channel_layers={}), MemoryStore)


@pytest.mark.parametrize("layer", LAYERS)
async def test_without_the_setting_a_layer_of_channels_redis_chooses_redis(layer) -> None:
    store = chosen(channel_layers=layers(layer, NOWHERE, prefix="-site"))
    assert isinstance(store, RedisStore)
    call = store._script_call("board", "look")
    assert call.keys[0].endswith("-site:history:{board}")


async def test_a_subclass_of_such_a_layer_chooses_redis_too() -> None:
    layer = {"BACKEND": f"{__name__}.OwnLayer", "CONFIG": {"hosts": [NOWHERE]}}
    assert isinstance(chosen(channel_layers={"default": layer}), RedisStore)


class OwnLayer(RedisChannelLayer):
    pass


async def test_the_setting_names_the_store() -> None:
    assert isinstance(chosen("memory"), MemoryStore)
    assert isinstance(chosen("database"), DatabaseStore)
    assert isinstance(chosen("redis", layers(LAYERS[1], NOWHERE)), RedisStore)


async def test_memory_is_refused_where_a_layer_connects_processes() -> None:
    assert "write 'database'" in chosen("memory", layers(LAYERS[1], NOWHERE))


async def test_redis_is_refused_without_a_layer_that_names_its_hosts() -> None:
    assert "set CHANNEL_LAYERS" in chosen("redis")


async def test_the_database_is_refused_without_its_app() -> None:
    with override_settings(INSTALLED_APPS=["rest_channels"]):
        assert "add it to INSTALLED_APPS" in chosen("database")


@pytest.mark.parametrize("layer", LAYERS)
async def test_redis_is_refused_where_the_layer_encrypts(layer, monkeypatch) -> None:
    # `cryptography` may be missing; the layer is asked for what it encrypts with.
    setup = "channels_redis.serializers.BaseMessageSerializer._setup_encryption"
    monkeypatch.setattr(setup, lambda self, keys: setattr(self, "crypter", keys))
    config = layers(layer, NOWHERE, symmetric_encryption_keys=["secret"])
    assert "plain text" in chosen(None, config)


@pytest.mark.parametrize(
    "hosts", ["redis://localhost", [{"address": "http://localhost"}], [{"nodes": ["a"]}]]
)
async def test_hosts_that_cannot_be_used_are_refused(hosts) -> None:
    layer = {"BACKEND": f"channels_redis.{LAYERS[1]}", "CONFIG": {"hosts": hosts}}
    assert "hosts" in chosen("redis", {"default": layer})


def test_each_event_loop_has_its_own_connections_and_all_share_the_memory() -> None:
    async def store():
        assert current_store() is current_store()
        return current_store()

    with override_settings(CHANNEL_LAYERS=layers(LAYERS[1], NOWHERE)):
        assert asyncio.run(store()) is not asyncio.run(store())
    with override_settings(CHANNEL_LAYERS=IN_MEMORY):
        assert asyncio.run(store()) is asyncio.run(store())


def test_the_child_of_a_fork_has_other_epochs_in_memory() -> None:
    async def position() -> Position:
        return await current_store().position("board", History())

    before = asyncio.run(position())
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.write(writer, asyncio.run(position()).epoch.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 99).decode() != before.epoch
    assert asyncio.run(position()) == before
    os.close(reader)
    os.close(writer)


@pytest.mark.programs
def test_a_process_that_keeps_nothing_imports_neither_redis_nor_the_tables() -> None:
    script = """
import sys
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "rest_channels"])
import django
django.setup()
import rest_channels.consumers, rest_channels.views, rest_channels.history.stores
names = ("redis", "channels_redis", "rest_channels.history.models")
print([name for name in names if name in sys.modules])
"""
    assert run_script(script) == "[]\n"
