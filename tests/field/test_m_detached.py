"""Detached actions beside the frames of their connection, and what these promise meanwhile."""

import asyncio
import time

import pytest
from asgiref.sync import async_to_sync

from rest_channels.concurrency.execution import run
from rest_channels.consumers import AsyncAPIConsumer
from rest_channels.decorators import action, detached
from rest_channels.engine.publish import current_hub
from rest_channels.groups import Group
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


class Importing(AsyncAPIConsumer):
    groups = ["rooms"]

    @action(detached=True)
    async def load(self):
        await self.begun.wait()
        await Group("rooms").asend({"text": '"progress"'})
        await self.send_json("own")
        return None, 200

    @action()
    async def wait(self):
        self.begun.set()
        await self.ended.wait()
        return None, 200

    async def connect(self):
        self.begun, self.ended = asyncio.Event(), asyncio.Event()
        Importing.last = self


async def test_a_message_of_a_detached_action_does_not_wait_for_a_later_frame() -> None:
    async with SocketCommunicator(Importing.as_asgi(), dialect="action") as socket:
        loading = await socket.call("load")
        waiting = await socket.call("wait")
        assert [await socket.receive_json() for _ in range(2)] == ["progress", "own"]
        await socket.expect_reply(loading)
        Importing.last.ended.set()
        await socket.expect_reply(waiting)


@pytest.mark.parametrize("base", ["async def", "def"])
async def test_a_message_of_a_detached_method_follows_the_reply_of_its_action(base) -> None:
    class Rooms(AsyncAPIConsumer):
        groups = ["rooms"]

        @action()
        async def save(self):
            await self.tell()
            await asyncio.sleep(0.01)
            return None, 200

        @detached
        async def tell(self):
            if base == "def":
                await run(Group("rooms").send, {"text": '{"action": "saved"}'})
            else:
                await Group("rooms").asend({"text": '{"action": "saved"}'})

    async with SocketCommunicator(Rooms.as_asgi(), dialect="action") as socket:
        await socket.call("save")
        assert [(await socket.receive_json())["action"] for _ in range(2)] == ["save", "saved"]


async def test_a_def_of_a_detached_method_waits_for_the_def_that_has_begun_it() -> None:
    class Rooms(AsyncAPIConsumer):
        @action()
        def save(self):
            handled.append("save")
            async_to_sync(self.note)()
            time.sleep(0.05)
            handled.append("saved")
            return None, 200

        @detached
        async def note(self):
            await asyncio.sleep(0.01)
            await run(handled.append, "note")
            noted.set()

    handled, noted = [], asyncio.Event()
    async with SocketCommunicator(Rooms.as_asgi(), dialect="action") as socket:
        await socket.expect_reply(await socket.call("save"))
        await noted.wait()
    assert handled == ["save", "saved", "note"]


@pytest.mark.parametrize("name", ["load", "disconnect"])
async def test_a_detached_method_that_begins_when_another_is_cancelled_ends_too(name) -> None:
    class Rooms(AsyncAPIConsumer):
        @action(detached=True)
        async def load(self):
            try:
                await asyncio.Event().wait()
            finally:
                await self.clean_up()

        if name == "disconnect":

            async def disconnect(self, code):
                await self.load_again()

        @detached
        async def load_again(self):
            await self.load()

        @detached
        async def clean_up(self):
            tasks.append(asyncio.current_task())
            await asyncio.Event().wait()

    tasks = []
    async with SocketCommunicator(Rooms.as_asgi()) as socket:
        await socket.send_json({"action": name})
        await asyncio.sleep(0.01)
    assert [task.cancelled() for task in tasks] == [True]


@pytest.mark.parametrize("error", [ValueError, SystemExit])
async def test_an_error_in_the_hook_of_completed_actions_is_logged(error, caplog) -> None:
    class Rooms(AsyncAPIConsumer):
        @action(detached=True)
        async def load(self):
            return None, 200

        async def handle_detached_task_completion(self, task):
            raise error

    async with SocketCommunicator(Rooms.as_asgi()) as socket:
        for _number in range(2):
            await socket.send_json({"action": "load"})
            await socket.receive_json()
    assert "handle_detached_task_completion failed" in caplog.text
