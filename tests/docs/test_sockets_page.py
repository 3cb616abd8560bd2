"""The examples of docs/sockets.md."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory

from rest_channels.routing import SocketApplication
from rest_channels.settings import api_settings
from rest_channels.testing import SocketCommunicator
from sockets import constants, leases
from sockets.models import Socket, SocketQuerySet

from .models import Note
from .quiz import Quiz
from .shelf import Shelf
from .staff import announce_closing, users_online
from .test_pages import PAGES

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = " ".join(PAGES["sockets.md"].split())


@pytest.fixture
async def ada():
    return await User.objects.acreate_user("ada", is_staff=True)


def client(path="/tables/7/", user=None):
    application = SocketApplication("tests.docs.tables")
    return SocketCommunicator(application, path, user=user or AnonymousUser(), dialect="type")


async def test_the_table_welcomes_chats_and_announces_who_left(ada) -> None:
    async with client(user=ada) as first:
        await first.expect_event(type="WELCOME", table=7)
        async with client() as other:
            await other.expect_event(type="WELCOME")
            await other.send_json({"type": "CHAT", "text": "hi"})
            await first.expect_event(type="CHAT", text="hi")
            await other.send_json({"type": "CHAT", "text": ""})
            await other.expect_event(errors=[{"text": ["This field may not be blank."]}])
        await first.expect_event(type="LEFT", user="None")
        await first.send_json({"type": "GAME_ACTION_ROLL"})
        await first.expect_event(type="DONE", action="GAME_ACTION_ROLL")
        await first.send_json({"type": "FLY"})
        await first.expect_event(details="Unknown message type.")


async def test_only_logged_in_users_can_play_poker(ada) -> None:
    async with client("/poker/1/", ada) as first, client("/poker/1/") as stranger:
        await stranger.send_json({"type": "GET_GAMESTATE"})
        await stranger.expect_event(type="RECONNECT")
        await first.send_json({"type": "GET_GAMESTATE"})
        await first.expect_event(type="GAMESTATE", table="1", players=["ada"])
        async with client("/poker/1/", ada) as again:
            await again.send_json({"type": "ACT_FOLD"})
            await first.expect_event(type="ACTED", user="ada", action="ACT_FOLD")
        await stranger.expect_nothing()


async def test_a_page_sends_to_rows(ada) -> None:
    async with client(user=ada) as first, client() as guest:
        response = await sync_to_async(announce_closing)(RequestFactory().post("/"))
        assert response.content == b"1 guests were notified."
        await guest.expect_event(type="WELCOME")
        await guest.expect_event(type="CLOSING", minutes=10)
        await first.expect_event(type="WELCOME")
        await first.expect_event(type="NOTE")
        assert await users_online("/tables/7/") == ["ada"]


async def test_the_quiz_confirms_answers_and_announces_players(ada) -> None:
    def player(user=None):
        return SocketCommunicator(Quiz.socket.as_asgi(), "/quiz/1/", user=user, dialect="type")

    async with player() as first:
        async with player(ada) as second:
            await first.expect_event(type="JOINED", user="ada")
            await second.send_json({"type": "ANSWER", "number": 2})
            await second.expect_event(type="NOTED", number=2)
            await second.send_json({"type": "ANSWER", "number": 5})
            await second.expect_event(type="ERROR")
        await first.expect_event(type="LEFT", user="ada")


def test_every_method_of_the_tables_exists() -> None:
    for name in ("send_action", "send_json", "send_str", "disconnect", "group", "cleanup_stale"):
        assert f"`{name}(" in PAGE
        assert all(hasattr(kind, f"a{name}") for kind in (Socket, SocketQuerySet))
    for name in ("online", "left_behind", "users", "purge_inactive"):
        assert f"`{name}(" in PAGE
        assert hasattr(SocketQuerySet, name)


def test_the_numbers_of_the_page_match_the_code() -> None:
    assert f"at most {constants.PATH_LENGTH} characters" in PAGE
    assert f"characters ({api_settings.MAX_NAME_LENGTH})" in PAGE
    assert f"`BEAT` seconds ({api_settings.BEAT:g})" in PAGE
    assert leases.LEASE_HEARTBEATS == 3
    assert "within four heartbeats" in PAGE


async def test_the_shelf_shows_the_notes_that_the_user_may_write(ada) -> None:
    page = SocketCommunicator(Shelf.socket.as_asgi(), "/shelf/", user=ada, dialect="type")
    async with page as client:
        await client.send_json({"type": "NOTES", "search": "moon"})
        await client.expect_event(type="NOTES", rows=[], tags=[])
        note = await Note.objects.acreate(title="The moon")
        await note.writers.aadd(ada)
        diff = await client.expect_event(type="NOTES")
        assert diff["enter"][0][:2] == [None, {"id": note.pk, "title": "The moon"}]
        await client.send_json({"type": "STOP_NOTES"})
