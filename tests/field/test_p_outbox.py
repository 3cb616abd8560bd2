"""A client that reads slowly, frame by frame, and the handlers that wait for it."""

import pytest
from django.test import override_settings

from rest_channels.consumers import SocketConsumer
from rest_channels.engine.publish import current_hub
from rest_channels.groups import Group
from rest_channels.protocol.messages import Event
from tests.field.clients import StalledClient

FRAME = 100  # bytes


class Numbers(SocketConsumer):
    groups = ["news"]

    async def receive_json(self, content):
        for number in range(content):
            await self.send_json(f"{number:098}")

    async def note(self, event):
        for number in range(3):
            await self.send_json(f"note {number:093}")


class NumbersOfThread(Numbers):
    def receive_json(self, content):
        for number in range(content):
            self.send_json(f"{number:098}")


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 4 * FRAME})
@pytest.mark.parametrize("consumer", [Numbers, NumbersOfThread])
async def test_a_sender_goes_on_as_soon_as_half_of_the_outbox_is_free_again(
    consumer, settle
) -> None:
    async with StalledClient(consumer.as_asgi()) as socket:
        outbox = next(iter(current_hub().members.values())).outbox
        await socket.send_json(4)
        await settle(lambda: outbox.waiters)
        assert outbox.size == 3 * FRAME
        await Group("news").asend({"text": f'"{"news":>98}"'})
        await socket.read_one()
        assert (outbox.size, len(outbox.waiters)) == (3 * FRAME, 1)  # more than half
        await socket.read_one()
        await settle(lambda: outbox.size == 3 * FRAME)  # the fourth number too


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 4 * FRAME})
@pytest.mark.parametrize("consumer", [Numbers, NumbersOfThread])
async def test_the_frames_of_a_sender_stay_in_order_and_leave_room_for_messages(
    consumer, settle
) -> None:
    async with StalledClient(consumer.as_asgi()) as socket:
        outbox = next(iter(current_hub().members.values())).outbox
        await socket.send_json(30)
        for number in range(30):
            await settle(lambda: outbox.waiters or outbox.size)
            assert outbox.size <= 3 * FRAME
            assert int(await socket.read_one()) == number


@override_settings(REST_CHANNELS={"OUTBOX_BYTES": 4 * FRAME})
async def test_handlers_that_wait_for_the_same_client_send_in_turn(settle) -> None:
    async with StalledClient(Numbers.as_asgi()) as socket:
        [connection] = current_hub().members.values()
        await socket.send_json(30)
        await settle(lambda: connection.outbox.waiters)
        connection.deliver(Event("news", {"type": "note"}))
        frames = [await socket.read_one() for _ in range(15)]
        assert sum("note" in frame for frame in frames) == 3
