"""The examples of docs/deployment.md."""

import importlib
import subprocess
import sys

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.test import override_settings

from rest_channels.engine.publish import current_hub
from rest_channels.handshake.proxies import without_proxies
from rest_channels.testing import SocketCommunicator
from tests.brokers import PREFIX

from . import settings_database as database
from . import settings_proxy as proxy
from .board import Board
from .models import Note
from .moderation import remove_writer
from .rooms import Rooms
from .test_groups_page import end, send_command

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("name", ["pubsub", "core"])
async def test_the_channel_layers_of_the_page_carry_messages(name, redis_url, monkeypatch) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    module = importlib.import_module(f"tests.docs.settings_{name}")
    config = importlib.reload(module).CHANNEL_LAYERS
    config["default"]["CONFIG"]["prefix"] += PREFIX  # others may use this broker
    with override_settings(CHANNEL_LAYERS=config):
        async with SocketCommunicator(Rooms.as_asgi()) as socket:
            await current_hub().link.first_attempt
            assert current_hub().link._connection is not None
            await send_command(socket, "enter", "attic")
            await socket.expect_event({"entered": "attic"})
            await send_command(socket, "say", "attic", line="hello")
            await socket.expect_event({"room": "attic", "line": "hello"})
        await end(get_channel_layer())


def test_the_listed_proxies_are_trusted_and_no_others() -> None:
    headers = [(b"x-forwarded-for", b"203.0.113.7"), (b"x-forwarded-proto", b"https")]
    scope = {"type": "websocket", "scheme": "ws", "headers": headers}
    with override_settings(REST_CHANNELS=proxy.REST_CHANNELS):
        near = without_proxies({**scope, "client": ("10.1.2.3", 1)})
        far = without_proxies({**scope, "client": ("198.51.100.1", 1)})
    assert (near["client"][0], near["scheme"]) == ("203.0.113.7", "wss")
    assert far["client"][0] == "198.51.100.1"


def test_the_pool_has_a_connection_for_every_thread() -> None:
    default = database.DATABASES["default"]
    assert default["OPTIONS"]["pool"]["max_size"] > sum(database.REST_CHANNELS.values())
    assert default["CONN_MAX_AGE"] == 0


async def test_a_user_who_loses_a_permission_reconnects_and_is_checked_again() -> None:
    ada = await User.objects.acreate_user("ada")
    note = await Note.objects.acreate(title="Shopping")
    await note.writers.aadd(ada)
    async with SocketCommunicator(Board.as_asgi(), user=ada) as socket:
        await sync_to_async(remove_writer)(note, ada)
        await socket.expect_close(4599)
    async with SocketCommunicator(Board.as_asgi(), user=ada) as socket:
        await socket.expect_event({"titles": []})


async def test_a_deactivated_user_is_closed_without_code_of_the_application() -> None:
    ada = await User.objects.acreate_user("ada")
    async with SocketCommunicator(Board.as_asgi(), user=ada) as socket:
        ada.is_active = False
        await ada.asave()
        await socket.expect_close(4442)


def test_the_last_lines_of_asgi_py_make_collections_shorter() -> None:
    code = "import gc, tests.docs.asgi; print(gc.get_threshold()[0], gc.get_freeze_count() > 1_000)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["10000", "True"]
