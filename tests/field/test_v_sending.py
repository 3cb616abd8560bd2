"""A message whose sending takes longer than its call may take is sent once."""

import asyncio

import pytest

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.testing import SocketCommunicator


class Desk(AsyncAPIConsumer):
    @action()
    async def look(self):
        return "seen", 200


class Slow:
    """A middleware, or a server, that waits after it has passed on a message of one kind."""

    def __init__(self, app, kind):
        self.app, self.kind = app, kind
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope, receive, send):
        async def slow_send(message):
            await send(message)
            if message["type"] == self.kind:
                self.reached.set()
                await self.opened.wait()

        await self.app(scope, receive, slow_send)


def pass_deadline():
    """Let the deadline of the running call of the only connection pass now."""
    [connection] = current_hub().members.values()
    connection.call_queue._deadline = 0.0
    connection.call_queue._check_deadline()


async def test_a_handshake_is_accepted_once_though_passing_it_on_takes_too_long() -> None:
    app = Slow(Desk.as_asgi(), "websocket.accept")
    socket = SocketCommunicator(app, dialect="action")
    async with socket:
        await app.reached.wait()
        pass_deadline()
        await socket.expect_nothing()
        app.opened.set()
        await socket.expect_reply(await socket.call("look"), data="seen")


@pytest.mark.parametrize("deadlines", [1, 2])
async def test_an_answer_is_sent_once_though_passing_it_on_takes_too_long(deadlines) -> None:
    app = Slow(Desk.as_asgi(), "websocket.send")
    async with SocketCommunicator(app, dialect="action") as socket:
        call = await socket.call("look")
        await app.reached.wait()
        for _ in range(deadlines):
            pass_deadline()
            await asyncio.sleep(0)
        app.opened.set()
        await socket.expect_reply(call, data="seen")
        await socket.expect_nothing()
        await socket.expect_reply(await socket.call("look"), data="seen")


async def test_a_client_that_leaves_ends_a_message_that_is_not_passed_on() -> None:
    app = Slow(Desk.as_asgi(), "websocket.send")
    async with SocketCommunicator(app, dialect="action") as socket:
        await socket.call("look")
        await app.reached.wait()
    assert not current_hub().members
