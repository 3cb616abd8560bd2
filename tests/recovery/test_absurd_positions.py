"""What one client claims to have changes nothing for the others of its group."""

import pytest

from rest_channels.engine.publish import current_hub
from rest_channels.groups import Group
from rest_channels.history import History
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

ABSURD = [-(2**63), -1, 2**53, 10**18, 2**63, 2**64 - 1]


class Board(SocketView):
    def connect(self, request):
        self.join("absurd")


@pytest.fixture(autouse=True, params=["memory", "database"])
def store(request, settings):
    histories = {"absurd": History(size=4)}
    settings.REST_CHANNELS = {"HISTORY": request.param, "HISTORIES": histories}


def connected():
    return SocketCommunicator(Board.as_asgi(), recovery=True)


async def position_of(client):
    [(tag, (epoch, offset))] = (await client.receive_json())["$joined"].items()
    return tag, epoch, offset


async def publish(count):
    for number in range(count):
        await Group("absurd").asend({"text": f'{{"n": {number}}}'})


@pytest.mark.parametrize("absurd", ABSURD)
@pytest.mark.parametrize("is_alone", [True, False])
async def test_an_absurd_offset_of_one_client_costs_others_no_message(absurd, is_alone) -> None:
    async with connected() as first:
        await publish(8)
        tag, epoch, offset = await position_of(first)
        async with connected() as liar, connected() as other:
            await position_of(liar)
            await position_of(other)
            order = current_hub().recovery._by_tag[tag]._order
            order.reset(order.position)  # no recent messages: the store is read
            for _ in range(2):
                await liar.send_json({"$resume": {tag: [epoch, absurd]}})
                if is_alone:
                    await until_gap(liar, tag)
                await other.send_json({"$resume": {tag: [epoch, offset + 6]}})
                for number in (6, 7):
                    assert (await other.receive_json())["n"] == number
                assert await other.receive_json() == {"$resumed": {tag: "ok"}}
                if not is_alone:
                    await until_gap(liar, tag)
            await publish(1)
            for client in (liar, other):
                assert (await client.receive_json())["n"] == 0


async def until_gap(client, tag):
    """Expect a gap, after the position if the client was told of an earlier one."""
    while "$joined" in (frame := await client.receive_json()):
        pass
    assert frame == {"$resumed": {tag: "gap"}}
