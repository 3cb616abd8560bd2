"""`Group` and `Channel` send messages to connections from anywhere in the process."""

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


async def test_a_plain_thread_and_another_event_loop_can_send_to_a_group() -> None:
    async with SocketCommunicator(Listener.as_asgi()) as socket:
        await socket.expect_event()
        await asyncio.to_thread(Group("listeners").send, {"text": '"thread"'})
        await socket.expect_event("thread")
        await asyncio.to_thread(asyncio.run, Group("listeners").asend({"text": '"loop"'}))
        await socket.expect_event("loop")


async def test_a_channel_receives_messages_by_its_name_and_can_be_closed() -> None:
    async with SocketCommunicator(Listener.as_asgi()) as socket:
        name = await socket.expect_event()
        await Channel(name).asend({"text": '"you"'})
        await socket.expect_event("you")
        await asyncio.to_thread(Channel(name).send, {"text": '"bye"', "close": 4001})
        await socket.expect_event("bye")
        await socket.expect_close(4001)


async def test_a_close_message_to_a_group_closes_every_member() -> None:
    async with (
        SocketCommunicator(Listener.as_asgi()) as first,
        SocketCommunicator(Listener.as_asgi()) as second,
    ):
        await Group("listeners").asend({"close": True})
        await first.expect_close(1000)
        await second.expect_close(1000)


def sending(change):
    """Return an application whose server passes each frame that it sends to `change`."""

    async def application(scope, receive, send):
        async def send_changed(message):
            if message["type"] == "websocket.send":
                change(message)
            await send(message)

        await Listener.as_asgi()(scope, receive, send_changed)

    return application


async def test_what_a_server_does_with_a_message_concerns_one_client() -> None:
    async with (
        SocketCommunicator(sending(lambda message: message.update(text="2"))) as first,
        SocketCommunicator(Listener.as_asgi()) as second,
    ):
        await first.expect_event(2)
        await second.expect_event()
        await Group("listeners").asend({"text": "1"})
        await first.expect_event(2)
        await second.expect_event(1)


async def test_a_member_whose_server_cancels_sending_keeps_no_message_from_the_others() -> None:
    def cancel(message):
        if message["text"] == "1":
            raise asyncio.CancelledError

    async with (
        SocketCommunicator(sending(cancel)) as first,
        SocketCommunicator(Listener.as_asgi()) as second,
    ):
        await first.expect_event()
        await second.expect_event()
        await Group("listeners").asend({"text": "1"})
        await second.expect_event(1)


async def test_a_group_adds_and_discards_members_by_channel_name() -> None:
    async with SocketCommunicator(Listener.as_asgi()) as socket:
        name = await socket.expect_event()
        await Group("others").aadd(name)
        await Group("others").asend({"text": "1"})
        await socket.expect_event(1)
        await Group("others").adiscard(Channel(name))
        await Group("others").asend({"text": "2"})
        await socket.expect_nothing()


async def test_a_view_that_joined_a_group_stays_a_member_after_discard_by_name() -> None:
    async with SocketCommunicator(Listener.as_asgi()) as socket:
        name = await socket.expect_event()
        await Group("listeners").aadd(name)
        await Group("listeners").adiscard(name)
        await Group("listeners").asend({"text": "1"})
        await socket.expect_event(1)
        await socket.expect_nothing()


async def test_sending_to_an_empty_group_or_a_missing_channel_raises_no_error() -> None:
    await Group("empty").asend({"text": "x"})
    await Channel("gone").asend({"text": "x"})
    await Group("empty").aadd("gone")


@pytest.mark.parametrize("name", ["", "with space", "ä", "x" * 100, "a/b", None, 5])
def test_a_bad_group_name_raises_a_type_error(name) -> None:
    with pytest.raises(TypeError, match="no group name"):
        Group(name)


@pytest.mark.parametrize("content", ["text", None, {"data": 1}, {"type": "x"}])
async def test_sending_anything_but_a_message_raises_a_type_error(content) -> None:
    with pytest.raises(TypeError):
        Group("group").send(content)


@pytest.mark.parametrize("code", [1, 999, 1005, 1006, 1015, 2000, 5000, "4000"])
async def test_sending_an_invalid_close_code_raises_a_value_error(code) -> None:
    with pytest.raises(ValueError, match="is no close code"):
        Group("group").send({"close": code})


async def test_messages_of_each_publishing_thread_arrive_in_order() -> None:
    async with SocketCommunicator(Listener.as_asgi()) as socket:
        await socket.expect_event()

        def publish(author: int) -> None:
            for number in range(50):
                Group("listeners").send({"text": f"[{author}, {number}]"})

        publishers = [threading.Thread(target=publish, args=(author,)) for author in range(4)]
        for publisher in publishers:
            publisher.start()
        received = [await socket.receive_json() for _ in range(200)]
        for author in range(4):
            assert [number for sender, number in received if sender == author] == list(range(50))
        for publisher in publishers:
            publisher.join()
