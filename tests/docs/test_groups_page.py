"""The examples of docs/groups.md, and its table of who receives which message."""

import json
import re
from contextlib import AsyncExitStack

import pytest
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from django.contrib.auth.models import User
from django.db import transaction
from django.test import RequestFactory, override_settings

from rest_channels.consumers import SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.groups import Group
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from tests.brokers import LAYERS, layers

from .board import Board
from .health import cluster_health
from .models import Note
from .pages import create_note
from .rooms import Rooms
from .tasks import count_notes
from .test_pages import PAGES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def ada():
    ada = await User.objects.acreate_user("ada")
    await (await Note.objects.acreate(title="Shopping")).writers.aadd(ada)
    return ada


@pytest.fixture
async def board(ada):
    async with SocketCommunicator(Board.as_asgi(), user=ada) as board:
        await board.expect_event(titles=["Shopping"])
        yield board


async def create(user, title, **rest):
    """Let `user` post the form of a new note."""
    request = RequestFactory().post("/notes/", {"title": title})
    request.user = user
    assert (await sync_to_async(create_note)(request)).status_code == 201


async def test_members_of_the_board_see_who_is_editing(ada, board) -> None:
    await board.send_json({})
    await board.expect_event({"editing": "ada"})


async def test_a_created_note_is_sent_after_the_commit(ada, board) -> None:
    await create(ada, "Holidays")
    await board.expect_event({"created": "Holidays"})


async def test_a_note_that_was_rolled_back_is_not_sent(ada, board) -> None:
    def create_and_roll_back():
        with transaction.atomic():
            request = RequestFactory().post("/notes/", {"title": "Holidays"})
            request.user = ada
            create_note(request)
            transaction.set_rollback(True)

    await sync_to_async(create_and_roll_back)()
    await board.expect_nothing()


async def test_after_a_gap_the_board_sends_the_current_titles(ada, board) -> None:
    await ada.notes.acreate(title="Holidays")
    current_hub().messages_lost(["board"])
    await board.expect_event(titles=["Shopping", "Holidays"])


async def test_a_task_answers_only_the_tab_that_started_it(ada, board) -> None:
    (address,) = current_hub().members
    async with SocketCommunicator(Board.as_asgi(), user=ada) as other:
        await other.expect_event(titles=["Shopping"])
        await sync_to_async(count_notes)(address)
        await board.expect_event({"notes": 1})
        await other.expect_nothing()


async def send_command(socket, command, room, **line) -> None:
    await socket.send_json({"command": command, "room": room, **line})


async def test_a_line_reaches_only_clients_in_its_room() -> None:
    async with (
        SocketCommunicator(Rooms.as_asgi()) as one,
        SocketCommunicator(Rooms.as_asgi()) as two,
    ):
        await send_command(one, "enter", "attic")
        await one.expect_event({"entered": "attic"})
        await send_command(two, "say", "attic", line="hello")
        await one.expect_event({"room": "attic", "line": "hello"})
        await send_command(one, "leave", "attic")
        await send_command(one, "say", "attic", line="anybody?")
        await one.expect_nothing()


async def test_an_invalid_room_name_is_answered_with_400() -> None:
    async with SocketCommunicator(Rooms.as_asgi()) as socket:
        await send_command(socket, "enter", "no room")
        await socket.expect_event(status=400)


async def test_after_a_gap_the_client_is_sent_a_reload() -> None:
    async with SocketCommunicator(Rooms.as_asgi()) as socket:
        current_hub().messages_lost(["news"])
        await socket.expect_event({"reload": ["news"]})


def test_the_health_page_has_the_counters_of_the_table() -> None:
    counters = json.loads(cluster_health(RequestFactory().get("/")).content)
    assert sorted(counters) == ["missed", "outages", "undelivered", "unreadable"]
    assert all(f"`{name}`" in PAGES["groups.md"] for name in counters)


# The table: how a message is sent → who receives it, and how.


class Speaker(SocketView):
    async def receive(self, request):
        self.broadcast("den", "rendered")


class View(SocketView):
    async def connect(self, request):
        await self.join("den")


class Ours(SocketConsumer):
    groups = ["den"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("den", {"type": "line"})

    async def line(self, event):
        await self.send_json("its method")


class Theirs(AsyncJsonWebsocketConsumer):
    groups = ["den"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("den", {"type": "line"})

    async def line(self, event):
        await self.send_json("its method")


def rows_of(page):
    """The rows of the table: its first column → the others."""
    table = page.split("| Sent with |")[1].split("\n\n")[0]
    rows = [re.split(r" *\| *", line)[1:-1] for line in table.splitlines()[2:]]
    return {re.sub(r"[^\w.]", " ", first).split()[0]: rest for first, *rest in rows}


async def outcome(socket) -> str:
    """What arrives at `socket`, in the words of the table."""
    try:
        frame = await socket.receive_json()
    except AssertionError:
        return "–"
    await socket.expect_nothing()
    return "its client" if frame == "rendered" else frame


@pytest.mark.parametrize("layer", [None, *LAYERS], ids=["memory", "core", "pubsub"])
@pytest.mark.parametrize("sent_with", rows_of(PAGES["groups.md"]))
async def test_messages_reach_those_that_the_table_lists(layer, sent_with, redis_url) -> None:
    expected = rows_of(PAGES["groups.md"])[sent_with]
    memory = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    config = memory if layer is None else layers(layer, redis_url, prefix=f"docs-{sent_with}")
    with override_settings(CHANNEL_LAYERS=config):
        async with AsyncExitStack() as stack:

            async def enter(application):
                communicator = SocketCommunicator(application.as_asgi())
                await stack.enter_async_context(communicator)
                communicator.timeout = 0.5  # of each expectation, not of the handshake
                return communicator

            listeners = [await enter(application) for application in (View, Ours, Theirs)]
            if sent_with == "self.broadcast":
                await (await enter(Speaker)).send_json({})
            elif sent_with == "Group":
                await Group("den").asend({"text": '"rendered"'})
            elif sent_with == "self.channel_layer.group_send":
                await listeners[1].send_json({})
            else:
                await listeners[2].send_json({})
            assert [await outcome(socket) for socket in listeners] == expected
        await end(get_channel_layer())


async def end(layer) -> None:
    """Close the connections of the shared layer."""
    await layer.flush()
    if hasattr(type(layer), "close_pools"):
        await layer.close_pools()
