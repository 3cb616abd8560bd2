"""Clients of views and consumers that were away get what they missed: `histories`."""

import threading

import pytest
from django.test import override_settings

from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.groups import Group
from rest_channels.history import History
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView

pytestmark = pytest.mark.asyncio

KEEPING = {"HISTORIES": {"news-*": History(size=3)}}


class Board(SocketView):
    histories = {"board-*": History(size=100)}

    def connect(self, request):
        self.join("board-7")

    async def receive(self, request):
        await self.broadcast("board-7", request.data)


class Chat(AsyncAPIConsumer):
    groups = ["news-chat"]

    @action()
    async def join_room(self, **kwargs):
        await self.add_group("news-room")
        return {}, 200

    @action()
    def post(self, text, **kwargs):
        self.send_to_group("news-room", {"text": text})


def tag_of(frame) -> tuple[str, list]:
    [(tag, position)] = frame["$joined"].items()
    return tag, position


async def test_a_client_is_told_its_position_when_it_joins():
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        tag, (epoch, offset) = tag_of(await client.receive_json())
        assert len(tag) == 8
        assert epoch
        await client.send_json({"x": 1})
        assert await client.receive_json() == {"$at": f"{tag}.{offset + 1}", "x": 1}


async def test_a_body_that_is_no_object_travels_as_data():
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        tag, (_epoch, offset) = tag_of(await client.receive_json())
        await client.send_json([1, 2])
        assert await client.receive_json() == {"$at": f"{tag}.{offset + 1}", "$data": [1, 2]}


async def test_a_client_that_comes_back_receives_what_it_missed():
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        tag, (epoch, offset) = tag_of(await client.receive_json())
    await Group("board-7").asend({"text": '{"n": 1}'})
    await Group("board-7").asend({"text": '{"n": 2}'})
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        assert tag_of(await client.receive_json()) == (tag, [epoch, offset + 2])
        await client.send_json({"$resume": {tag: [epoch, offset]}})
        assert await client.receive_json() == {"$at": f"{tag}.{offset + 1}", "n": 1}
        assert await client.receive_json() == {"$at": f"{tag}.{offset + 2}", "n": 2}
        assert await client.receive_json() == {"$resumed": {tag: "ok"}}


async def test_a_client_that_was_away_for_too_long_is_told_of_the_gap():
    with override_settings(REST_CHANNELS=KEEPING):
        async with SocketCommunicator(Chat.as_asgi(), recovery=True) as client:
            tag, (epoch, offset) = tag_of(await client.receive_json())
        for number in range(5):
            await Group("news-chat").asend({"text": f'{{"n": {number}}}'})
        async with SocketCommunicator(Chat.as_asgi(), recovery=True) as client:
            await client.receive_json()
            await client.send_json({"$resume": {tag: [epoch, offset]}})
            assert await client.receive_json() == {"$resumed": {tag: "gap"}}


async def test_nothing_is_sent_again_to_a_client_that_is_no_member():
    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        tag, (epoch, _offset) = tag_of(await client.receive_json())
    with override_settings(REST_CHANNELS=KEEPING):
        async with SocketCommunicator(Chat.as_asgi(), recovery=True) as client:
            await client.receive_json()
            await client.send_json({"$resume": {tag: [epoch, 0]}})
            assert await client.receive_json() == {"$resumed": {tag: "gap"}}


async def test_a_group_that_is_joined_later_tells_its_position_then():
    with override_settings(REST_CHANNELS=KEEPING):
        async with SocketCommunicator(Chat.as_asgi(), recovery=True) as client:
            tag, _position = tag_of(await client.receive_json())
            await client.send_json({"action": "join_room", "request_id": 1})
            frames = [await client.receive_json(), await client.receive_json()]
            [joined] = [frame for frame in frames if "$joined" in frame]
            assert tag_of(joined)[0] != tag


async def test_a_test_of_a_project_sees_messages_without_their_offsets():
    async with SocketCommunicator(Board.as_asgi()) as client:
        await client.send_json({"x": 1})
        await client.expect_event({"x": 1})
        await client.send_json([1])
        assert await client.receive_json() == [1]


async def test_a_page_reads_the_last_messages_of_a_group():
    group = Group("board-page")
    for number in range(3):
        await group.asend({"text": f'{{"n": {number}}}'})
    messages = await group.ahistory(limit=2)
    assert [data for _offset, data in messages] == [{"n": 1}, {"n": 2}]
    assert messages[1][0] == messages[0][0] + 1


async def test_a_thread_reads_the_last_messages_of_a_group():
    await Group("board-thread").asend({"text": "text"})
    found = []
    thread = threading.Thread(target=lambda: found.extend(Group("board-thread").history()))
    thread.start()
    thread.join(5)
    assert [data for _offset, data in found] == ["text"]


async def test_the_history_of_a_group_without_one_is_refused():
    with pytest.raises(ValueError, match="REST_CHANNELS\\['HISTORIES'\\]"):
        await Group("unkept").ahistory()


async def test_a_history_of_no_messages_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        await Group("board-7").ahistory(limit=0)


async def test_a_history_is_not_read_in_an_event_loop_that_would_wait():
    with pytest.raises(RuntimeError, match="await ahistory"):
        Group("board-7").history()


async def test_binary_frames_of_a_group_with_a_history_are_refused():
    with pytest.raises(TypeError, match="which keeps text frames"):
        Group("board-7").send({"bytes": b"1"})


async def test_a_class_that_sends_messages_itself_may_not_keep_them():
    with pytest.raises(TypeError, match=r"Renamed\.histories has no effect"):

        class Renamed(SocketView):
            histories = {"a": History()}

            def send_json(self, data):
                return super().send_json(data)


@pytest.mark.parametrize(
    ("histories", "message"),
    [([], "is not a dict"), ({"a": 100}, "write History"), ({1: History()}, "has the key 1")],
)
async def test_histories_with_wrong_values_are_refused(histories, message):
    with pytest.raises(TypeError, match=message):
        type("Wrong", (SocketView,), {"histories": histories})


@pytest.mark.parametrize("options", [{"size": 0}, {"size": 1.5}, {"size": True}, {"age": 0}])
async def test_a_history_of_nothing_is_refused(options):
    with pytest.raises(ValueError, match="use"):
        History(**options)


async def test_a_client_is_told_its_position_after_its_token_was_renewed():
    class Board(SocketView):
        histories = {"board-*": History(20)}

        def connect(self, request):
            self.join("board-1")

    async with SocketCommunicator(Board.as_asgi(), recovery=True) as client:
        [(tag, (epoch, offset))] = (await client.receive_json())["$joined"].items()
        [connection] = current_hub().members.values()
        connection.suspend()  # the token has expired
        await Group("board-1").asend({"text": "missed"})
        await client.send_json({"$resume": {tag: [epoch, offset]}})
        assert await client.receive_json() == {"$resumed": {tag: "later"}}
        connection.resume()
        assert await client.receive_json() == {"$joined": {tag: [epoch, offset + 1]}}
