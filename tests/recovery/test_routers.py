"""Sockets of a `SocketRouter` that were away get what they missed: `socket.everyone`."""

import pytest

from rest_channels.history import History
from rest_channels.testing import SocketCommunicator
from sockets import SocketRouter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

table = SocketRouter(history=History(10))


@table.route("MOVE")
async def on_move(socket, content):
    await socket.everyone.send_action("MOVED", x=content["x"])


plain = SocketRouter()


@plain.route("MOVE")
async def on_plain_move(socket, content):
    socket.everyone.send_action("MOVED")


async def joined(client) -> tuple[str, list]:
    [(tag, position)] = (await client.receive_json())["$joined"].items()
    return tag, position


async def test_everyone_on_the_path_receives_the_message_with_its_offset():
    async with (
        SocketCommunicator(table.as_asgi(), "/ws/1/", recovery=True) as ada,
        SocketCommunicator(table.as_asgi(), "/ws/1/", recovery=True) as ben,
    ):
        (tag, (_epoch, offset)), _ = await joined(ada), await joined(ben)
        await ada.send_json({"type": "MOVE", "x": 3})
        for client in (ada, ben):
            frame = await client.receive_json()
            assert (frame["$at"], frame["x"]) == (f"{tag}.{offset + 1}", 3)


async def test_another_path_is_another_group():
    async with (
        SocketCommunicator(table.as_asgi(), "/ws/1/", recovery=True) as ada,
        SocketCommunicator(table.as_asgi(), "/ws/2/", recovery=True) as ben,
    ):
        assert (await joined(ada))[0] != (await joined(ben))[0]
        await ada.send_json({"type": "MOVE", "x": 3})
        await ada.receive_json()
        await ben.expect_nothing()


async def test_without_a_history_there_is_no_everyone():
    async with SocketCommunicator(plain.as_asgi(), "/ws/1/", recovery=True) as client:
        await client.send_json({"type": "MOVE"})
        assert (await client.receive_json())["type"] == "ERROR"


async def test_a_router_refuses_what_is_no_history():
    with pytest.raises(TypeError, match="write History"):
        SocketRouter(history=100)
