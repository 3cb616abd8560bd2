"""The examples of docs/deployment.md, tried."""

import importlib

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.test import override_settings

from rest_channels.proxies import forwarded
from rest_channels.reach import hub_here
from rest_channels.testing import SocketCommunicator
from tests.brokers import PREFIX

from .board import Board
from .models import Note
from .moderation import take_away
from .rooms import Rooms
from .settings import database, proxy
from .test_groups_page import end, order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("name", ["pubsub", "core"])
async def test_the_channel_layers_of_the_page_carry_what_is_said(
    name, redis_url, monkeypatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    module = importlib.import_module(f"tests.docs.settings.{name}")
    config = importlib.reload(module).CHANNEL_LAYERS
    config["default"]["CONFIG"]["prefix"] += PREFIX  # others may use this broker
    with override_settings(CHANNEL_LAYERS=config):
        async with SocketCommunicator(Rooms.as_asgi()) as socket:
            await hub_here().link.tried
            assert hub_here().link._line is not None
            await order(socket, "enter", "attic")
            await socket.expect_event({"entered": "attic"})
            await order(socket, "say", "attic", line="hello")
            await socket.expect_event({"room": "attic", "line": "hello"})
        await end(get_channel_layer())


def test_the_proxies_of_the_page_are_believed_and_nobody_else() -> None:
    headers = [(b"x-forwarded-for", b"203.0.113.7"), (b"x-forwarded-proto", b"https")]
    scope = {"type": "websocket", "scheme": "ws", "headers": headers}
    with override_settings(REST_CHANNELS=proxy.REST_CHANNELS):
        near = forwarded({**scope, "client": ("10.1.2.3", 1)})
        far = forwarded({**scope, "client": ("198.51.100.1", 1)})
    assert (near["client"][0], near["scheme"]) == ("203.0.113.7", "wss")
    assert far["client"][0] == "198.51.100.1"


def test_the_pool_of_the_page_has_a_connection_for_every_thread() -> None:
    default = database.DATABASES["default"]
    assert default["OPTIONS"]["pool"]["max_size"] > database.REST_CHANNELS["MAX_THREADS"]
    assert default["CONN_MAX_AGE"] == 0


async def test_who_loses_a_right_is_sent_back_to_be_asked_again() -> None:
    ada = await User.objects.acreate_user("ada")
    note = await Note.objects.acreate(title="Shopping")
    await note.writers.aadd(ada)
    async with SocketCommunicator(Board.as_asgi(), user=ada) as socket:
        await sync_to_async(take_away)(note, ada)
        await socket.expect_close(4599)
    async with SocketCommunicator(Board.as_asgi(), user=ada) as socket:
        await socket.expect_event({"titles": []})


async def test_who_is_deactivated_is_closed_without_any_code_of_ours() -> None:
    ada = await User.objects.acreate_user("ada")
    async with SocketCommunicator(Board.as_asgi(), user=ada) as socket:
        ada.is_active = False
        await ada.asave()
        await socket.expect_close(4442)
