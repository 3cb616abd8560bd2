"""A token expires while an action runs: the action keeps its user, and the next one has none."""

import asyncio
import time

import pytest
from asgiref.sync import async_to_sync
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.testing import SocketCommunicator

HEADER = ("authorization", "Token ada")


class User:
    is_authenticated = True

    def __init__(self, name):
        self.pk = name


class Token(TokenAuthentication):
    def authenticate_credentials(self, key):
        return User(key), {"exp": time.time() + 60}


class Desk(AsyncAPIConsumer):
    """Its actions look at the user before and after `self.wait()`."""

    authentication_classes = [Token]
    reached: asyncio.Event
    opened: asyncio.Event

    async def wait(self):
        type(self).reached.set()
        await type(self).opened.wait()

    def names(self):
        users = self.scope["user"], self.request.user
        return [getattr(user, "pk", None) for user in users]

    @action()
    async def look(self):
        await self.wait()
        return self.names(), 200

    @action()
    def look_in_thread(self):
        async_to_sync(self.wait)()
        return self.names(), 200

    @action()
    async def whoami(self):
        return self.names(), 200


@pytest.fixture
def desk():
    return type("Desk", (Desk,), {"reached": asyncio.Event(), "opened": asyncio.Event()})


def connect(desk):
    return SocketCommunicator(desk.as_asgi(), headers=[HEADER], dialect="action")


async def expire_token_in(desk, socket):
    """Let the token of the only connection expire while an action waits."""
    async with asyncio.timeout(5):
        await desk.reached.wait()
    [connection] = current_hub().members.values()
    connection.scope["authentication"]._expire()
    assert (await socket.expect_event())["response_status"] == 401


@pytest.mark.parametrize("name", ["look", "look_in_thread"])
async def test_an_action_keeps_the_user_it_was_permitted_for(desk, name) -> None:
    async with connect(desk) as socket:
        call = await socket.call(name)
        await expire_token_in(desk, socket)
        following = await socket.call("whoami")
        desk.opened.set()
        await socket.expect_reply(call, data=["ada", "ada"])
        await socket.expect_reply(following, data=[None, None])


async def test_an_action_that_runs_while_a_new_token_comes_too_is_followed_by_its_user(
    desk,
) -> None:
    async with connect(desk) as socket:
        call = await socket.call("look")
        await expire_token_in(desk, socket)
        token = await socket.call("authenticate", token="ada")
        desk.opened.set()
        await socket.expect_reply(call, data=["ada", "ada"])
        await socket.expect_reply(token, status=200)
        await socket.expect_reply(await socket.call("whoami"), data=["ada", "ada"])


async def test_a_token_that_expires_while_it_is_replaced_takes_no_user_away(desk) -> None:
    class Slow(Token):
        def authenticate_credentials(self, key):
            if key == "ada" and desk.reached.is_set():
                async_to_sync(desk.opened.wait)()
            return super().authenticate_credentials(key)

    desk.authentication_classes = [Slow]
    async with connect(desk) as socket:
        desk.reached.set()
        token = await socket.call("authenticate", token="ada")
        await expire_token_in(desk, socket)
        desk.opened.set()
        await socket.expect_reply(token, status=200)
        await socket.expect_reply(await socket.call("whoami"), data=["ada", "ada"])


@pytest.mark.parametrize("permissions", [[], [IsAuthenticated]])
async def test_an_action_that_a_frame_runs_after_the_expiry_has_no_user(desk, permissions) -> None:
    class Batch(desk):
        async def receive_json(self, content, **kwargs):
            for request_id, name in enumerate(content):
                await self.handle_action(name, request_id)

    Batch.reached, Batch.opened = desk.reached, desk.opened
    async with connect(Batch) as socket:
        await socket.send_json(["look", "whoami"])
        Batch.permission_classes = permissions
        await expire_token_in(Batch, socket)
        Batch.opened.set()
        await socket.expect_reply(0, data=["ada", "ada"])
        answer = await socket.expect_reply(1)
        assert answer["response_status"] == 401 if permissions else answer["data"] == [None, None]


async def test_an_idle_connection_has_no_user_at_once(desk) -> None:
    async with connect(desk) as socket:
        desk.reached.set()
        [connection] = current_hub().members.values()
        await expire_token_in(desk, socket)
        assert getattr(connection.scope["user"], "pk", None) is None
