"""The examples of docs/sockets.md, tried."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory

from rest_channels.routing import SocketApplication
from rest_channels.settings import api_settings
from rest_channels.testing import SocketCommunicator
from sockets import constants, leases
from sockets.models import Socket, SocketQuerySet

from .staff import close_the_bar, who_is_on
from .test_pages import PAGES

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = " ".join(PAGES["sockets.md"].split())


@pytest.fixture
async def ada():
    return await User.objects.acreate_user("ada", is_staff=True)


def client(path="/tables/7/", user=None):
    application = SocketApplication("tests.docs.tables")
    return SocketCommunicator(application, path, user=user or AnonymousUser(), dialect="type")


async def test_the_page_greets_chats_and_says_who_left(ada) -> None:
    async with client(user=ada) as hers:
        await hers.expect_event(type="WELCOME", table=7)
        async with client() as other:
            await other.expect_event(type="WELCOME")
            await other.send_json({"type": "CHAT", "text": "hi"})
            await hers.expect_event(type="CHAT", text="hi")
            await other.send_json({"type": "CHAT", "text": ""})
            await other.expect_event(errors=[{"text": ["This field may not be blank."]}])
        await hers.expect_event(type="LEFT", who="None")
        await hers.send_json({"type": "GAME_ACTION_ROLL"})
        await hers.expect_event(type="DONE", action="GAME_ACTION_ROLL")
        await hers.send_json({"type": "FLY"})
        await hers.expect_event(details="What do you mean?")


async def test_the_handler_plays_with_those_who_are_logged_in(ada) -> None:
    async with client("/poker/1/", ada) as hers, client("/poker/1/") as stranger:
        await stranger.send_json({"type": "GET_GAMESTATE"})
        await stranger.expect_event(type="RECONNECT")
        await hers.send_json({"type": "GET_GAMESTATE"})
        await hers.expect_event(type="GAMESTATE", table="1", players=["ada"])
        async with client("/poker/1/", ada) as again:
            await again.send_json({"type": "ACT_FOLD"})
            await hers.expect_event(type="ACTED", who="ada", what="ACT_FOLD")
        await stranger.expect_nothing()


async def test_a_page_speaks_to_rows(ada) -> None:
    async with client(user=ada) as hers, client() as guest:
        response = await sync_to_async(close_the_bar)(RequestFactory().post("/"))
        assert response.content == b"1 guests were told."
        await guest.expect_event(type="WELCOME")
        await guest.expect_event(type="CLOSING", minutes=10)
        await hers.expect_event(type="WELCOME")
        await hers.expect_event(type="NOTE")
        assert await who_is_on("/tables/7/") == ["ada"]


def test_every_verb_of_the_tables_is_there() -> None:
    for name in ("send_action", "send_json", "send_str", "disconnect", "group", "cleanup_stale"):
        assert f"`{name}(" in PAGE
        assert all(hasattr(kind, f"a{name}") for kind in (Socket, SocketQuerySet))
    for name in ("online", "left_behind", "users", "purge_inactive"):
        assert f"`{name}(" in PAGE
        assert hasattr(SocketQuerySet, name)


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"at most {constants.PATH_LENGTH} characters" in PAGE
    assert f"characters ({api_settings.MAX_NAME_LENGTH})" in PAGE
    assert f"`BEAT` seconds ({api_settings.BEAT:g})" in PAGE
    assert leases.BEATS == 3
    assert "within four beats" in PAGE
