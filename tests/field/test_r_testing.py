"""Situations of people who test their sockets: pytest, mocks, mistakes in the use of a client."""

import asyncio
from unittest.mock import Mock, patch

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import TestCase
from rest_framework.serializers import ModelSerializer

from rest_channels.consumers import AsyncAPIConsumer, ModelConsumer, SocketConsumer
from rest_channels.decorators import action, socket_route
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketRouteView, SocketView


class UserSerializer(ModelSerializer):
    class Meta:
        model = User
        fields = ("id", "username")


class Users(ModelConsumer):
    queryset = User.objects.order_by("pk")
    serializer_class = UserSerializer

    @action()
    async def count(self):
        return await User.objects.acount(), 200

    @action()
    def commit(self):
        with transaction.atomic():
            transaction.on_commit(lambda: self.send_json("committed"))


class Echo(SocketRouteView):
    @socket_route
    def echo(self, request, data):
        return data


async def answer(socket, name, **fields):
    await socket.send_json_to({"action": name, "request_id": 1, **fields})
    return (await socket.receive_json_from())["data"]


async def connected(app):
    socket = WebsocketCommunicator(app, "/")
    assert (await socket.connect())[0]
    return socket


# Transactions of a test whose event loop runs in the thread of the transaction.


@pytest.fixture
def ada(db):
    return User.objects.create(username="ada")


async def check_transaction(created) -> None:
    """Check that handlers read and write in the transaction that has created one user."""
    one, two = await connected(Users.as_asgi()), await connected(Users.as_asgi())
    assert [row["username"] for row in await answer(one, "list")] == ["ada"]
    assert (await answer(two, "create", data={"username": created}))["username"] == created
    await one.disconnect()
    assert await answer(two, "count") == 2  # also after another client has left
    await two.disconnect()


@pytest.mark.parametrize("created", ["eve", "joe"])  # the second finds no row of the first
async def test_handlers_run_in_the_transaction_of_a_test_of_pytest(ada, created) -> None:
    await check_transaction(created)


async def test_asgirefs_thread_has_its_own_connection_again_after_the_last_client(ada) -> None:
    socket = await connected(Users.as_asgi())
    in_test = await sync_to_async(lambda: connection.in_atomic_block)()
    await socket.disconnect()
    assert in_test
    assert not await sync_to_async(lambda: connection.in_atomic_block)()


async def test_commit_hooks_run_in_the_transaction_of_a_test_of_pytest(ada) -> None:
    async with SocketCommunicator(Users.as_asgi(), dialect="action") as socket:
        await socket.call("commit")
        await socket.expect_event("committed")


async def test_an_observer_sends_what_a_test_of_pytest_saves(ada) -> None:
    async with SocketCommunicator(Users.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("subscribe_instance", pk=ada.pk), status=201)
        ada.username = "lovelace"
        await ada.asave()
        assert (await socket.expect_event(action="update"))["data"]["username"] == "lovelace"


async def test_what_a_test_of_pytest_saves_is_committed_before_the_frames_that_follow(ada) -> None:
    socket = await connected(Users.as_asgi())
    grace = await User.objects.acreate(username="grace")
    assert await answer(socket, "subscribe_instance", pk=grace.pk) is None
    assert await socket.receive_nothing(0.1)
    await socket.disconnect()


class AsyncioRunTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        User.objects.create(username="ada")

    def test_handlers_run_in_the_transaction_of_a_test_that_runs_a_loop_itself(self):
        asyncio.run(check_transaction("eve"))
        assert User.objects.count() == 2

    def test_another_test_sees_only_its_own_rows(self):
        assert User.objects.count() == 1


# Mocks.


async def test_a_mock_may_replace_a_handler_of_a_view() -> None:
    with patch.object(Echo, "echo", Mock(return_value=5)) as mock:
        async with SocketCommunicator(Echo.as_asgi()) as socket:
            await socket.expect_reply(await socket.call("echo", 1), data=5, status=200)
    mock.assert_called_once()


# Mistakes.


@pytest.mark.parametrize("cls", [Users, Echo, SocketView, SocketConsumer])
@pytest.mark.parametrize("client", [WebsocketCommunicator, SocketCommunicator])
async def test_a_class_in_place_of_an_application_is_an_error_that_says_what_to_write(
    cls, client
) -> None:
    with pytest.raises(TypeError, match=rf"write {cls.__name__}\.as_asgi\(\)"):
        await client(cls, "/").connect()


def test_a_scope_for_a_new_consumer_is_an_error_that_says_what_to_write() -> None:
    for make in (lambda: Users({"type": "websocket"}), lambda: Users(scope={})):
        with pytest.raises(TypeError, match=r"consumer.scope = "):
            make()


@pytest.mark.parametrize(
    "headers", [{"X-Key": "a"}, [("X-Key", "a")], [(b"x-key", b"a")], [("x-key", b"a")]]
)
async def test_headers_may_be_text_or_bytes_in_pairs_or_in_a_dict(headers) -> None:
    class Key(AsyncAPIConsumer):
        @action()
        async def key(self):
            return self.request.headers["X-Key"], 200

    async with SocketCommunicator(Key.as_asgi(), headers=headers, dialect="action") as socket:
        await socket.expect_reply(await socket.call("key"), data="a")


async def test_call_returns_the_request_id_that_the_test_has_given() -> None:
    async with SocketCommunicator(Echo.as_asgi()) as socket:
        assert await socket.call("echo", 1, request_id="mine") == "mine"
        await socket.expect_reply("mine", data=1)


async def test_a_frame_before_or_after_the_connection_is_an_error_of_the_test() -> None:
    socket = SocketCommunicator(Echo.as_asgi())
    with pytest.raises(AssertionError, match="Connect first"):
        await socket.call("echo")
    await socket.connect()
    with pytest.raises(AssertionError, match="connected already"):
        await socket.connect()
    await socket.disconnect()
    with pytest.raises(AssertionError, match="Connect first"):
        await socket.send_json({})
