"""A client that is refused in `connect` receives no message that was meant for those let in."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from rest_framework.exceptions import PermissionDenied

from rest_channels.engine.publish import current_hub
from rest_channels.groups import Channel, Group
from rest_channels.socket_consumer import SocketConsumer
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView
from sockets.address_list import AddressList

MEANWHILE = {
    "to a group": lambda address: Group("lobby").send({"text": '"secret"'}),
    "to an address": lambda address: Channel(address).send({"text": '"secret"'}),
    "to a row": lambda address: AddressList([address]).send_json({"text": "secret"}),
}


class Desk(SocketConsumer):
    groups = ["lobby"]
    refuses = True

    async def connect(self):
        await self.send_json("hello")
        self.inside.set()
        await self.go_on.wait()
        if self.refuses:
            raise PermissionDenied

    async def lobby_line(self, event):
        await self.send_json(event["text"])


class Board(SocketView):
    refuses = True

    async def connect(self, request):
        await self.join("lobby")
        await Desk.connect(self)


@asynccontextmanager
async def connecting(application):
    """A client whose `connect` waits, with the address of its connection; it goes on at the end."""
    Desk.inside, Desk.go_on = Board.inside, Board.go_on = asyncio.Event(), asyncio.Event()
    socket = SocketCommunicator(application)
    handshake = asyncio.create_task(socket.connect())
    await Desk.inside.wait()
    (address,) = current_hub().members
    yield socket, address
    await asyncio.sleep(0.01)  # so that handlers of messages begin
    Desk.go_on.set()
    await handshake


@pytest.mark.parametrize("kind", [Desk, Board])
@pytest.mark.parametrize("name", MEANWHILE)
async def test_a_refused_client_receives_no_message_that_arrived_during_connect(kind, name) -> None:
    async with connecting(kind.as_asgi()) as (socket, address):
        await MEANWHILE[name](address)
    assert await socket.receive_json() == "hello"
    assert (await socket.receive_json())["status"] == 403
    await socket.expect_close(4403)
    await socket.disconnect()


@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_refused_client_receives_nothing_that_a_method_made_of_a_message(in_thread) -> None:
    class Threaded(Desk):
        def lobby_line(self, event):
            self.send_json(event["text"])

    kind = Threaded if in_thread else Desk
    application = kind()
    async with connecting(application) as (socket, _address):
        message = {"type": "lobby.line", "text": "secret"}
        await application.channel_layer.group_send("lobby", message)
        await asyncio.sleep(0.1)
    assert await socket.receive_json() == "hello"
    assert (await socket.receive_json())["status"] == 403
    await socket.expect_close(4403)
    await socket.disconnect()


@pytest.mark.parametrize("kind", [Desk, Board])
@pytest.mark.parametrize("name", MEANWHILE)
async def test_a_client_that_is_let_in_receives_the_messages_of_its_connect_in_order(
    kind, name, monkeypatch
) -> None:
    monkeypatch.setattr(kind, "refuses", False)
    async with connecting(kind.as_asgi()) as (socket, address):
        await MEANWHILE[name](address)
    assert await socket.receive_json() == "hello"
    assert "secret" in await socket.receive_from()
    await Group("lobby").asend({"text": '"later"'})
    assert await socket.receive_json() == "later"
    await socket.disconnect()
    assert not current_hub().members
