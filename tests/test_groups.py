"""`Group` and `Channel`: speaking to connections from anywhere in the process."""

import asyncio
import threading

import pytest

from rest_channels.groups import Channel, Group
from rest_channels.testing import SocketCommunicator
from rest_channels.views import SocketView


class Listener(SocketView):
    async def connect(self, request):
        self.send_json(request.reply_channel.name)
        self.join("listeners")


async def test_a_group_is_spoken_to_from_a_plain_thread_and_from_another_loop() -> None:
    async with SocketCommunicator(Listener.as_asgi()) as socket:
        await socket.expect_event()
        await asyncio.to_thread(Group("listeners").send, {"text": '"thread"'})
        await socket.expect_event("thread")
        await asyncio.to_thread(asyncio.run, Group("listeners").asend({"text": '"loop"'}))
        await socket.expect_event("loop")


async def test_a_channel_is_reached_by_its_name_and_can_be_closed() -> None:
    async with SocketCommunicator(Listener.as_asgi()) as socket:
        name = await socket.expect_event()
        await Channel(name).asend({"text": '"you"'})
        await socket.expect_event("you")
        await asyncio.to_thread(Channel(name).send, {"text": '"bye"', "close": 4001})
        await socket.expect_event("bye")
        await socket.expect_close(4001)


async def test_closing_a_group_closes_every_member() -> None:
    async with (
        SocketCommunicator(Listener.as_asgi()) as one,
        SocketCommunicator(Listener.as_asgi()) as two,
    ):
        await Group("listeners").asend({"close": True})
        await one.expect_close(1000)
        await two.expect_close(1000)


async def test_members_are_added_and_discarded_by_name() -> None:
    async with SocketCommunicator(Listener.as_asgi()) as socket:
        name = await socket.expect_event()
        await Group("others").aadd(name)
        await Group("others").asend({"text": "1"})
        await socket.expect_event(1)
        await Group("others").adiscard(Channel(name))
        await Group("others").asend({"text": "2"})
        await socket.expect_nothing()


async def test_a_group_left_by_name_is_still_heard_if_the_view_joined_it_too() -> None:
    async with SocketCommunicator(Listener.as_asgi()) as socket:
        name = await socket.expect_event()
        await Group("listeners").aadd(name)
        await Group("listeners").adiscard(name)
        await Group("listeners").asend({"text": "1"})
        await socket.expect_event(1)
        await socket.expect_nothing()


async def test_sending_to_nobody_is_no_error() -> None:
    await Group("nobody").asend({"text": "x"})
    await Channel("gone").asend({"text": "x"})
    await Group("nobody").aadd("gone")


@pytest.mark.parametrize("name", ["", "with space", "ä", "x" * 100, "a/b", None, 5])
def test_a_bad_group_name_is_a_type_error(name) -> None:
    with pytest.raises(TypeError, match="no group name"):
        Group(name)


@pytest.mark.parametrize("content", ["text", None, {"data": 1}, {"type": "x"}])
async def test_what_is_no_message_is_a_type_error(content) -> None:
    with pytest.raises(TypeError):
        Group("group").send(content)


@pytest.mark.parametrize("code", [1, 999, 1005, 1006, 1015, 2000, 5000, "4000"])
async def test_a_code_nobody_may_close_with_is_an_error_where_it_is_sent(code) -> None:
    with pytest.raises(ValueError, match="is no close code"):
        Group("group").send({"close": code})


async def test_messages_of_one_publisher_arrive_in_order_from_many_threads() -> None:
    async with SocketCommunicator(Listener.as_asgi()) as socket:
        await socket.expect_event()

        def publish(who: int) -> None:
            for number in range(50):
                Group("listeners").send({"text": f"[{who}, {number}]"})

        publishers = [threading.Thread(target=publish, args=(who,)) for who in range(4)]
        for publisher in publishers:
            publisher.start()
        heard = [await socket.receive_json() for _ in range(200)]
        for who in range(4):
            assert [number for author, number in heard if author == who] == list(range(50))
        for publisher in publishers:
            publisher.join()
