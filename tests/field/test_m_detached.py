"""Detached actions beside the frames of their connection, and what these promise meanwhile."""

import asyncio

import pytest

from rest_channels.concurrency.execution import run
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action
from rest_channels.engine.publish import current_hub
from rest_channels.protocol.messages import Event
from rest_channels.testing import SocketCommunicator


async def test_a_def_does_not_begin_after_a_close_although_a_detached_action_waits_too(
    gate, settle
) -> None:
    class Rooms(AsyncAPIConsumer):
        def block(self, event):
            gate.pass_through()

        @action(detached=True)
        async def note(self):
            await begun.wait()
            await run(handled.append, "note")

        @action()
        def rename(self):
            handled.append("rename")

    handled, begun = [], asyncio.Event()
    async with SocketCommunicator(Rooms.as_asgi()) as socket:
        [connection] = current_hub().members.values()
        await socket.send_json({"action": "note"})
        connection.deliver(Event("", {"type": "block"}))
        assert await asyncio.to_thread(gate.reached.wait, 5)
        await socket.send_json({"action": "rename"})
        await settle(lambda: connection.call_queue.busy)
        begun.set()
        await asyncio.sleep(0.01)
        connection.close(4443)
        gate.opened.set()
        await socket.expect_close(4443)
        await socket.expect_nothing()
    assert handled == []


class NeverAnswering(AsyncAPIConsumer):
    """A consumer whose `handle_exception` fails, or leaves what it does not know to others."""

    async def handle_exception(self, exc, action, request_id):
        raise exc

    @action(detached=True)
    async def fail(self):
        raise ValueError

    @action()
    async def fail_nested(self):
        await self.handle_action("fail", "nested")


@pytest.mark.parametrize(("name", "number"), [("fail", 7), ("fail_nested", "nested")])
async def test_a_detached_action_is_answered_although_handle_exception_fails(name, number) -> None:
    async with SocketCommunicator(NeverAnswering.as_asgi()) as socket:
        await socket.send_json({"action": name, "request_id": 7})
        reply = await socket.receive_json()
        assert (reply["response_status"], reply["request_id"]) == (500, number)
        assert reply["action"] == "fail"
        await socket.expect_nothing()
